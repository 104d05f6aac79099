#include "commands/memory_fill.h"

#include "commands/memory_view.h"
#include "commands/text_encoding.h"
#include "debugger/session.h"
#include "render/coverage.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <span>

namespace poolkd::commands {

using debugger::AddressRange;
using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

/// What one command writes at most: all of it is kept in the journal, and read back before it is written.
constexpr std::uint64_t max_written_bytes = 16u << 20;
/// Differences that JSON lists; the rest is counted.
constexpr std::size_t max_listed_differences = 65'536;

/// Bytes that are to be written, some of which may not be known.
struct Writing {
    VirtAddr address;
    ByteVector bytes;
    std::vector<bool> known;
};

/// Writes what is known to where memory can be read: what cannot be read could not be undone. One journal entry for
/// each run without a hole. The coverage counts the bytes written and tells the others.
Result<Coverage> write_runs(Session& session, const Arguments& arguments, const Writing& writing) {
    Coverage coverage;
    POOLKD_CHECK(session.may_write(writing.address));
    const std::size_t total = writing.bytes.size();
    for (std::size_t done = 0; done < total; done += piece_bytes) {
        session.work().progress("Writing", done, total);
        const std::size_t size = std::min(piece_bytes, total - done);
        POOLKD_TRY(MemoryPiece there, MemoryView(session, false).read((writing.address + done).value, size));
        const auto writable = [&](std::size_t i) { return there.readable[i] && writing.known[done + i]; };
        for (std::size_t at = 0; at < size;) {
            std::size_t end = at + 1;
            while (end < size && writable(end) == writable(at))
                ++end;
            const VirtAddr address = writing.address + (done + at);
            if (!writable(at)) {
                coverage.add_gap(GapReason::unmapped, address, end - at);
            } else {
                auto written = session.journal().write(address, Bytes(writing.bytes).subspan(done + at, end - at),
                                                       std::string(arguments.command()));
                const bool refused = !written && (written.error().kind == ErrorKind::unreadable ||
                                                  written.error().kind == ErrorKind::unwritable);
                if (!written && !refused) return std::unexpected(std::move(written).error());
                refused ? coverage.add_gap(GapReason::unmapped, address, end - at) : coverage.add_read(end - at);
            }
            at = end;
        }
    }
    return coverage;
}

Result<AddressRange> written_range(Session& session, Arguments& arguments) {
    const Arguments start = arguments;
    POOLKD_TRY(AddressRange range, session.range(arguments, 1, 0));
    if (!range.explicit_count) return session.caret_error(arguments, "Syntax error");
    if (range.count > max_written_bytes) return session.caret_error(start, "Range error");
    return range;
}

Result<void> tell_incomplete(Session& session, const Coverage& coverage) {
    if (!coverage.complete()) session.print("{}\n", coverage.sentence());
    return {};
}

/// Bytes as numbers, or text in double quotes.
Result<ByteVector> take_pattern(Session& session, Arguments& arguments) {
    ByteVector pattern;
    while (!arguments.done()) {
        const Arguments here = arguments;
        if (auto text = arguments.quoted()) {
            std::ranges::copy(text_bytes(*text), std::back_inserter(pattern));
            continue;
        }
        POOLKD_TRY(std::uint64_t value, session.expression(arguments));
        if (value > 0xff) return session.caret_error(here, "Overflow error");
        pattern.push_back(static_cast<std::byte>(value));
    }
    if (pattern.empty()) return session.caret_error(arguments, "Syntax error");
    return pattern;
}

Result<void> fill(Session& session, Arguments& arguments) {
    POOLKD_TRY(AddressRange range, written_range(session, arguments));
    POOLKD_TRY(ByteVector pattern, take_pattern(session, arguments));
    Writing writing{range.address, ByteVector(range.count), std::vector<bool>(range.count, true)};
    for (std::size_t i = 0; i < writing.bytes.size(); ++i)
        writing.bytes[i] = pattern[i % pattern.size()];
    POOLKD_TRY(Coverage coverage, write_runs(session, arguments, writing));
    if (coverage.read() == 0 && range.count != 0) return session.caret_error(arguments, "Memory access error");
    session.print("Filled 0x{:x} bytes\n", coverage.read());
    return tell_incomplete(session, coverage);
}

Result<void> move(Session& session, Arguments& arguments) {
    POOLKD_TRY(AddressRange range, written_range(session, arguments));
    POOLKD_TRY(VirtAddr to, session.address(arguments));
    POOLKD_CHECK(session.no_more(arguments));
    // All of it is read before anything is written, so that the ranges may overlap either way.
    POOLKD_TRY(MemoryPiece source, MemoryView(session, false).read(range.address.value, range.count));
    const Writing writing{to, std::move(source.bytes), std::move(source.readable)};
    POOLKD_TRY(Coverage coverage, write_runs(session, arguments, writing));
    if (coverage.read() == 0 && range.count != 0) return session.caret_error(arguments, "Memory access error");
    return tell_incomplete(session, coverage);
}

struct Difference {
    VirtAddr first, second;
    std::byte in_first, in_second;
};

/// Calls `found` for each byte that differs; bytes that cannot be read on either side are told in the coverage.
template <class Found>
Result<Coverage> compare_ranges(Session& session, const AddressRange& range, VirtAddr other, const Found& found) {
    Coverage coverage;
    MemoryView view(session, false);
    for (std::uint64_t done = 0; done < range.count; done += piece_bytes) {
        session.work().progress("Comparing", done, range.count);
        const std::size_t size = std::min<std::uint64_t>(piece_bytes, range.count - done);
        POOLKD_TRY(MemoryPiece a, view.read((range.address + done).value, size));
        POOLKD_TRY(MemoryPiece b, view.read((other + done).value, size));
        for (std::size_t i = 0; i < size; ++i) {
            if (!a.readable[i] || !b.readable[i]) {
                coverage.add_gap(GapReason::unmapped, (a.readable[i] ? other : range.address) + (done + i), 1);
            } else {
                coverage.add_read(1);
                if (a.bytes[i] != b.bytes[i])
                    found(Difference{range.address + (done + i), other + (done + i), a.bytes[i], b.bytes[i]});
            }
        }
        if (session.work().stop_requested()) return fail(ErrorKind::stopped, "Stopped");
    }
    return coverage;
}

Result<void> compare(Session& session, Arguments& arguments) {
    POOLKD_TRY(AddressRange range, session.range(arguments, 1, 0));
    if (!range.explicit_count) return session.caret_error(arguments, "Syntax error");
    POOLKD_TRY(VirtAddr other, session.address(arguments));
    POOLKD_CHECK(session.no_more(arguments));
    std::uint64_t count = 0;
    if (!arguments.json) {
        POOLKD_TRY(Coverage coverage, compare_ranges(session, range, other, [&](const Difference& d) {
                       session.print("{}  {:02x} - {}  {:02x}\n", session.address_text(d.first),
                                     static_cast<unsigned>(d.in_first), session.address_text(d.second),
                                     static_cast<unsigned>(d.in_second));
                   }));
        return tell_incomplete(session, coverage);
    }
    nlohmann::json differences = nlohmann::json::array();
    POOLKD_TRY(Coverage coverage, compare_ranges(session, range, other, [&](const Difference& d) {
                   if (++count > max_listed_differences) return;
                   differences.push_back({{"first", render::json_address(d.first)},
                                          {"second", render::json_address(d.second)},
                                          {"in_first", static_cast<unsigned>(d.in_first)},
                                          {"in_second", static_cast<unsigned>(d.in_second)}});
               }));
    session.write_json({{"compared", coverage.read()},
                        {"differing", count},
                        {"differences", std::move(differences)},
                        {"coverage", render::to_json(coverage)}});
    return {};
}

Result<void> refuse_physical_fill(Session&, Arguments&) {
    return fail(ErrorKind::unsupported, "Physical memory is not written: the journal could not undo it");
}

} // namespace

void add_fill_commands(debugger::CommandTable& table) {
    table.add(Command{
        .names = {"f"},
        .family = "Memory",
        .summary = "fill memory with a pattern of bytes",
        .syntax = "f <range> {<byte> | \"<text>\"} ...",
        .help =
            "The pattern is repeated to the end of the range, at most 16 MB. Journaled (.writes, .undo); what cannot "
            "be read is left alone and told.",
        .repeat = debugger::Repeat::never,
        .run = fill,
    });
    table.add(Command{
        .names = {"fp"},
        .family = "Memory",
        .summary = "fill physical memory: refused, since it could not be undone",
        .syntax = "fp <range> <byte> ...",
        .repeat = debugger::Repeat::never,
        .run = refuse_physical_fill,
    });
    table.add(Command{
        .names = {"m"},
        .family = "Memory",
        .summary = "copy memory",
        .syntax = "m <range> <address>",
        .help = "The ranges may overlap. Journaled (.writes, .undo); at most 16 MB.",
        .repeat = debugger::Repeat::never,
        .run = move,
    });
    table.add(Command{
        .names = {"c"},
        .family = "Memory",
        .summary = "compare memory byte by byte",
        .syntax = "c <range> <address>",
        .help = "One row for each byte that differs; nothing when all are equal. What could not be read is told at the "
                "end.",
        .json = true,
        .run = compare,
    });
}

} // namespace poolkd::commands
