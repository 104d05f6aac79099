#include "commands/dump_file.h"

#include "base/duration.h"
#include "debugger/session.h"
#include "dumps/new_file.h"
#include "nt/dump_facts.h"
#include "nt/processor_records.h"
#include "render/coverage.h"
#include "render/quantity.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

constexpr std::uint64_t page_bytes = 4096;

/// What kd can write besides, and poolkd does not.
struct ForeignKind {
    std::string_view option;
    std::string_view what;
};
constexpr ForeignKind foreign_kinds[] = {
    {"m", "small dumps"},
    {"s", "small dumps"},
    {"k", "kernel dumps"},
    {"ka", "active dumps"},
    {"ma", "minidumps of a process"},
    {"a", "dumps of all processes"},
    {"b", "cabinets"},
    {"ba", "cabinets"},
    {"u", "unique names"},
    {"j", "JIT debugging information"},
    {"kpmf", "page files"},
    {"xc", "kernel dumps with conditions"},
    {"xf", "kernel dumps with conditions"},
};

struct DumpWords {
    std::string file;
    std::string comment;
    bool full = false;
    bool replace = false;
};

Result<DumpWords> read_words(Session& session, Arguments& arguments) {
    DumpWords words;
    // A path may begin with a slash as well, so anything but these options is the file.
    while (!arguments.done()) {
        if (arguments.take_option("f")) {
            words.full = true;
        } else if (arguments.take_option("o")) {
            words.replace = true;
        } else if (arguments.take_option("c")) {
            words.comment = arguments.text();
        } else {
            break;
        }
    }
    for (const ForeignKind& kind : foreign_kinds)
        if (arguments.take_option(kind.option))
            return fail(ErrorKind::unsupported,
                        "poolkd does not write {} (/{}); /f writes a complete dump, which other debuggers read",
                        kind.what, kind.option);
    words.file = arguments.text();
    POOLKD_CHECK(session.no_more(arguments));
    if (words.file.empty()) return fail(ErrorKind::usage, "Name the file: .dump /f [/o] File");
    if (!words.full)
        return fail(ErrorKind::unsupported,
                    "Without an option kd writes a small dump, which poolkd does not; /f writes "
                    "a complete one (.dump /f File)");
    return words;
}

/// How long it will take to read this much over the link, as fast as the first pages came.
std::optional<std::chrono::nanoseconds> estimated_time(Session& session, std::span<const dumps::PageRun> runs,
                                                       std::uint64_t bytes) {
    if (!session.target().link_statistics() || runs.empty()) return std::nullopt;
    const dumps::PageRun& last = runs.back();
    ByteVector sample;
    std::chrono::duration<double> taken{};
    memory::ReadResult read;
    // A large request is answered faster than small ones, where the line is quick. On a slow one it would take long.
    for (const std::uint64_t pages : {4u, 16u}) {
        if (taken > std::chrono::milliseconds(250) || (read.bytes != 0 && pages > last.count)) break;
        sample.resize(std::min(pages, last.count) * page_bytes);
        const auto begun = std::chrono::steady_clock::now();
        const memory::ReadResult got =
            session.target().physical().read(PhysAddr((last.first + last.count) * page_bytes - sample.size()), sample);
        if (got.bytes == 0) break;
        read = got;
        taken = std::chrono::steady_clock::now() - begun;
    }
    if (read.bytes == 0) return std::nullopt;
    const std::chrono::duration<double> all = taken * (static_cast<double>(bytes) / static_cast<double>(read.bytes));
    constexpr std::chrono::hours longest(24 * 365); // what would take longer fits no count of nanoseconds
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::min<std::chrono::duration<double>>(all, longest));
}

void tell_start(Session& session, const DumpWords& words, std::span<const dumps::PageRun> runs, std::uint64_t bytes) {
    std::string text =
        fmt::format("Creating {} - Full kernel dump, {}", words.file, render::size_text(static_cast<double>(bytes)));
    if (const auto time = estimated_time(session, runs, bytes); time && *time >= std::chrono::seconds(2))
        text += fmt::format(", about {} over this link (Ctrl-C stops it)", duration_text(*time));
    session.tell(text + "\n");
}

void tell_outcome(Session& session, const DumpWords& words, const dumps::WrittenDump& written,
                  std::size_t with_registers, bool json) {
    const std::uint32_t processors = session.target().identity().processors;
    if (json) {
        session.write_json({{"file", words.file},
                            {"type", static_cast<unsigned>(written.type)},
                            {"bytes", written.bytes},
                            {"pages", written.pages},
                            {"runs", written.runs},
                            {"processors", processors},
                            {"processors_with_registers", with_registers},
                            {"coverage", render::to_json(written.coverage)}});
        return;
    }
    if (written.type == dumps::DumpType::bitmap_full)
        session.print(
            "{} runs of memory do not fit the header of the older kind: it is a full dump with a bitmap, which "
            "debuggers since Windows 8 read.\n",
            written.runs);
    if (!written.coverage.complete()) session.print("{}\n", written.coverage.sentence());
    if (with_registers < processors)
        session.print("The kernel's records in it have the registers of {} of {} processors.\n", with_registers,
                      processors);
    session.print("Dump successfully written: {} pages in {} run{}\n", written.pages, written.runs,
                  written.runs == 1 ? "" : "s");
}

Result<void> write_dump(Session& session, Arguments& arguments) {
    const bool json = arguments.json;
    POOLKD_TRY(const DumpWords words, read_words(session, arguments));
    POOLKD_TRY(const std::vector<dumps::PageRun> runs, nt::physical_runs(session.kernel()));
    POOLKD_TRY(dumps::ImageFacts facts, nt::dump_facts(session.kernel(), session.processor()));
    facts.comment = words.comment;
    POOLKD_TRY(dumps::NewFile file, dumps::NewFile::create(words.file, words.replace));
    const std::uint64_t bytes = dumps::crash_dump_bytes(facts, runs);
    POOLKD_CHECK(file.reserve(bytes));
    tell_start(session, words, runs, bytes);
    memory::PatchedMemory memory(session.target().physical());
    const std::size_t with_registers = nt::put_registers(session.kernel(), memory);
    POOLKD_TRY(const dumps::WrittenDump written, dumps::write_crash_dump(facts, runs, memory, file, session.work()));
    if (written.pages == 0)
        return fail(ErrorKind::unreadable, "None of the target's physical memory can be read; no dump was written");
    POOLKD_CHECK(file.commit());
    tell_outcome(session, words, written, with_registers, json);
    return {};
}

} // namespace

void add_dump_file_commands(debugger::CommandTable& table) {
    table.add(Command{
        .names = {".dump"},
        .family = "General",
        .summary = "write the target's memory to a crash dump that other debuggers open",
        .syntax = ".dump /f [/o] [/c \"Comment\"] File",
        .help =
            "Writes all physical memory of a live target or of any image, with the header of a complete memory dump "
            "of Windows, and the registers of every processor as far as they are known. Pages that cannot be read are "
            "left out of it, and told. The file appears when it is whole: "
            "Ctrl-C or an error leaves none. Over a slow link it takes long; how long is told at the start.",
        .options = {{"/f", "a complete dump, the only kind that poolkd writes"},
                    {"/o", "replace a file of that name"},
                    {"/c", "a comment for the header"}},
        .json = true,
        .repeat = debugger::Repeat::never,
        .run = write_dump,
    });
}

} // namespace poolkd::commands
