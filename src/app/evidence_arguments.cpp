#include "app/evidence_arguments.h"

#include "app/environment.h"
#include "base/duration.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <cstdio>
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

/// Readers go through their file more than once, and a pipe flows by only once.
bool flows_by(const fs::path& file) {
    std::error_code ignored;
    return file == "-" || fs::is_fifo(file, ignored) || fs::is_character_file(file, ignored);
}

Result<std::string> read_to_end(const fs::path& file, Work& work) {
    struct Close {
        void operator()(std::FILE* stream) const {
            if (stream != stdin) std::fclose(stream);
        }
    };
    const std::unique_ptr<std::FILE, Close> stream(file == "-" ? stdin : std::fopen(file.c_str(), "rb"));
    std::string bytes;
    std::vector<char> piece(1 << 16);
    while (stream && !work.stop_requested()) {
        const std::size_t got = std::fread(piece.data(), 1, piece.size(), stream.get());
        if (got == 0) break;
        bytes.append(piece.data(), got);
        work.progress("reading", bytes.size(), 0);
    }
    if (work.stop_requested()) return fail(ErrorKind::stopped, "Stopped");
    if (stream && std::ferror(stream.get()) == 0) return bytes;
    return fail(ErrorKind::io, "{} cannot be read", file.string());
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

Result<std::unique_ptr<hunt::SnapshotSource>> open_files_or_pipe(const std::vector<fs::path>& files,
                                                                 const hunt::EvidenceOptions& options, Work& work) {
    if (files.size() != 1 || !flows_by(files.front())) return hunt::open_evidence(files, options, work);
    POOLKD_TRY(std::string bytes, read_to_end(files.front(), work));
    const std::string name = files.front() == "-" ? "standard input" : files.front().filename().string();
    return hunt::open_evidence_bytes(name, std::move(bytes), options, work);
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
    POOLKD_TRY(auto source, open_files_or_pipe({name.file}, options, work));
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
