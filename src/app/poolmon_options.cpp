#include "app/poolmon_options.h"

#include "base/text.h"

#include <algorithm>

namespace poolkd::app {

namespace {

using render::PoolmonKinds;
using render::PoolmonSort;

constexpr std::string_view usual_tag_list = "pooltag.txt", older_tag_list = "localtag.txt",
                           usual_snapshot = "poolsnap.log";

bool begins_switch(std::string_view word) {
    return word.size() > 1 && (word.front() == '/' || word.front() == '-');
}

/// The file behind a switch that may have one. A path from the root begins like a switch; it is one when it names
/// more than PoolMon's letters do.
std::optional<std::string> optional_file(std::span<const std::string> words, std::size_t& at) {
    if (at >= words.size()) return std::nullopt;
    const std::string& word = words[at];
    if (begins_switch(word) && (word.front() == '-' || word.find('/', 1) == std::string::npos)) return std::nullopt;
    ++at;
    return word;
}

Result<void> read_pattern(std::vector<std::string>& patterns, std::string_view word) {
    const std::string_view pattern = word.substr(2);
    if (pattern.empty() || pattern.size() > 4)
        return fail(ErrorKind::usage, "{} needs a tag of up to four characters right behind it (* and ? match)", word);
    patterns.emplace_back(pattern);
    return {};
}

/// A switch of one letter that takes nothing. False: it is none.
bool read_letter(PoolmonOptions& options, char letter) {
    render::PoolmonView& view = options.view;
    switch (letter) {
    case 't': view.sort = PoolmonSort::tag; break;
    case 'a': view.sort = PoolmonSort::allocs; break;
    case 'f': view.sort = PoolmonSort::frees; break;
    case 'd': view.sort = PoolmonSort::difference; break;
    case 'b': view.sort = PoolmonSort::bytes; break;
    case 'm': view.sort = PoolmonSort::per_alloc; break;
    case '(':
    case ')': view.by_change = true; break;
    case 'p':
        view.kinds = view.kinds == PoolmonKinds::both ? PoolmonKinds::nonpaged : PoolmonKinds::paged; // /p /p
        break;
    case 'e': view.totals = true; break;
    case 'l': view.highlight = false; break;
    case '?':
    case 'h': options.help = true; break;
    default: return false;
    }
    return true;
}

Result<void> read_switch(PoolmonOptions& options, std::span<const std::string> words, std::size_t& at) {
    const std::string_view word = words[at++];
    if (!begins_switch(word)) return fail(ErrorKind::usage, "'{}' is no switch (poolkd poolmon /? lists them)", word);
    const char letter = to_lower(word[1]);
    if (letter == 'i') return read_pattern(options.view.include, word);
    if (letter == 'x') return read_pattern(options.view.exclude, word);
    if (letter == 's')
        return fail(ErrorKind::unsupported, "{}: the pools of sessions cannot be shown, only the system's", word);
    if (word.size() == 2 && (letter == 'g' || letter == 'c')) {
        options.tag_list =
            optional_file(words, at).value_or(std::string(letter == 'g' ? usual_tag_list : older_tag_list));
        options.view.drivers = true;
        return {};
    }
    if (word.size() == 2 && letter == 'n') {
        options.snapshot = optional_file(words, at).value_or(std::string(usual_snapshot));
        return {};
    }
    if (word.size() == 2 && read_letter(options, letter)) return {};
    return fail(ErrorKind::usage, "Unknown switch {} (poolkd poolmon /? lists them)", word);
}

} // namespace

Result<PoolmonOptions> parse_poolmon_options(std::span<const std::string> words) {
    PoolmonOptions options;
    for (std::size_t at = 0; at < words.size();) {
        const std::string& word = words[at];
        if (word == "--json" || word == "--help") {
            (word == "--json" ? options.json : options.help) = true;
            ++at;
            continue;
        }
        POOLKD_TRY(bool taken, options.target.take(words, at));
        if (taken) continue;
        POOLKD_TRY(taken, options.sample.take(words, at));
        if (taken) continue;
        POOLKD_CHECK(read_switch(options, words, at));
    }
    return options;
}

std::string poolmon_usage_text() {
    return R"(poolkd poolmon: PoolMon's table over a live kernel, with a verdict on each tag

  poolkd poolmon -k <connection>|--lab[=<scenario>] [switches]

PoolMon's switches (- and / are the same):
  /t /a /f /d /b /m    sort by tag, allocations, frees, difference, bytes, bytes per allocation
  /(  /)               sort by the change since the last refresh
  /p, /p /p            nonpaged pool only; paged pool only
  /i<tag> /x<tag>      only these tags; not these (repeatable; * and ? match)
  /g [file]            the driver of each tag, from pooltag.txt or another list
  /e                   totals          /l  no highlighting
  /n [file]            write one snapshot (poolsnap.log) and end
Ours:
  --every <duration>   between two refreshes (5s): 500ms, 30s, 5m
  --count <n>, --for <duration>   end by itself
  --json               one object a refresh
  -y <path>, -v, --lab-seed=<n> and other --lab options   as in poolkd -?

Keys: t a f d b m v, ( ), p, e, l, space, arrows, ? for help, q to end; the target runs on.
)";
}

} // namespace poolkd::app
