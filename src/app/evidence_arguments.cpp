#include "app/evidence_arguments.h"

#include "base/duration.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace poolkd::app {

namespace fs = std::filesystem;

namespace {

void add_duration(CLI::App& command, const std::string& name, std::optional<std::chrono::milliseconds>& value,
                  const std::string& description) {
    command
        .add_option_function<std::string>(
            name,
            [name, &value](const std::string& text) {
                value = parse_duration(text);
                if (!value)
                    throw CLI::ValidationError(name, "'" + text + "' is no length of time like 30s, 30m, 2h or 5d15h");
            },
            description)
        ->type_name("DURATION")
        ->group("Evidence");
}

std::string environment(const char* name) {
    const char* value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): nothing runs beside it
    return value ? value : "";
}

fs::path users_tag_list() {
    if (const std::string folder = environment("XDG_CONFIG_HOME"); !folder.empty())
        return fs::path(folder) / "poolkd/tags.txt";
    const std::string home = environment("HOME");
    return home.empty() ? fs::path() : fs::path(home) / ".config/poolkd/tags.txt";
}

} // namespace

bool is_connection(std::string_view word) {
    return std::ranges::any_of(std::initializer_list<std::string_view>{"com:", "lab:", "net:", "tcp:", "unix:"},
                               [&](std::string_view scheme) { return word.starts_with(scheme); });
}

void EvidenceArguments::add_to(CLI::App& command) {
    add_duration(command, "--interval", options.interval, "between snapshots that bear no time");
    add_duration(command, "--uptime", options.uptime,
                 "of the machine at the last snapshot, where the evidence does not say");
}

void TagListArguments::add_to(CLI::App& command) {
    command.add_option("--tags", files, "list of tags like pooltag.txt; several are asked in this order")
        ->type_name("FILE")
        ->take_all()
        ->allow_extra_args(false)
        ->group("Evidence");
}

Result<hunt::TagLists> TagListArguments::read() const {
    hunt::TagLists lists;
    for (const std::string& file : files)
        POOLKD_CHECK(lists.add(file));
    std::error_code ignored;
    if (const fs::path own = users_tag_list(); !own.empty() && fs::is_regular_file(own, ignored))
        POOLKD_CHECK(lists.add(own));
    return lists;
}

SnapshotName SnapshotName::parse(std::string_view text) {
    std::error_code ignored;
    const std::size_t at = text.rfind('@');
    if (at == std::string_view::npos || at == 0 || fs::exists(text, ignored)) return {text};
    const std::string_view which = text.substr(at + 1);
    const fs::path file(text.substr(0, at));
    if (which == "first") return {file, 1};
    if (which == "last") return {file, 0};
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(which.data(), which.data() + which.size(), number);
    if (error != std::errc{} || end != which.data() + which.size() || number == 0) return {text};
    return {file, number};
}

Result<hunt::Snapshot> read_snapshot(const SnapshotName& name, const hunt::EvidenceOptions& options, Work& work) {
    POOLKD_TRY(auto source, hunt::open_evidence(name.file, options, work));
    hunt::Snapshot snapshot, last;
    std::size_t count = 0;
    while (name.number == 0 || count < name.number) {
        POOLKD_TRY(bool more, source->next(snapshot, work));
        if (!more) break;
        std::swap(snapshot, last);
        work.progress("reading snapshots", ++count, source->count().value_or(0));
    }
    if (count == 0) return fail(ErrorKind::not_found, "{} holds no snapshot of pool tags", name.file.string());
    if (count < name.number)
        return fail(ErrorKind::not_found, "{} holds {} snapshot{}, not {}", name.file.string(), count,
                    count == 1 ? "" : "s", name.number);
    return last;
}

} // namespace poolkd::app
