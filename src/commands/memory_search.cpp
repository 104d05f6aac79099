#include "commands/memory_search.h"

#include "commands/memory_rows.h"
#include "commands/text_encoding.h"
#include "debugger/session.h"

#include <algorithm>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

struct Search {
    char type = 'b';         ///< b w d q a u
    bool any_string = false; ///< `-sa`, `-su`: every printable run
    bool addresses_only = false;
    std::size_t shortest = 3; ///< characters of a printable run
    unsigned element_size = 1;
    ByteVector pattern;

    [[nodiscard]] unsigned alignment() const { return type == 'w' || type == 'd' || type == 'q' ? element_size : 1; }
};

/// The rows of hits: as the display command of the type shows them, with the characters beside.
const RowFormat& format_of(char type) {
    switch (type) {
    case 'w':
    case 'u': return row_format("dW");
    case 'd': return row_format("dc");
    case 'q': return row_format("dq");
    default: return row_format("db");
    }
}

/// `-[flags]type`; the cursor stands behind the dash.
Result<void> read_type(Session& session, Arguments& arguments, Search& search) {
    std::string_view text = arguments.command();
    std::size_t at = arguments.position();
    if (at < text.size() && text[at] == '[') {
        std::size_t close = text.find(']', at);
        if (close == std::string_view::npos) return session.caret_error(arguments, "Syntax error");
        std::string_view flags = text.substr(at + 1, close - at - 1);
        while (!flags.empty()) {
            char flag = to_lower(flags.front());
            flags.remove_prefix(1);
            if (flag == '1') {
                search.addresses_only = true;
            } else if (flag == 'l') {
                std::size_t digits = 0;
                while (digits < flags.size() &&
                       std::string_view("0123456789abcdefABCDEF").find(flags[digits]) != std::string_view::npos)
                    ++digits;
                POOLKD_TRY(search.shortest, session.evaluate_text(flags.substr(0, digits)));
                if (search.shortest == 0 || search.shortest > 4096)
                    return session.caret_error(arguments, "Range error");
                flags.remove_prefix(digits);
            } else {
                return fail(ErrorKind::unsupported, "The search flag '{}' is not supported; '1' and 'l<n>' are", flag);
            }
        }
        at = close + 1;
    }
    if (at < text.size() && (text[at] == 's' || text[at] == 'S')) {
        search.any_string = true;
        ++at;
    }
    if (at >= text.size()) return session.caret_error(arguments, "Syntax error");
    search.type = to_lower(text[at]);
    static constexpr std::string_view types = "bwdqau";
    bool known = search.any_string ? search.type == 'a' || search.type == 'u'
                                   : types.find(search.type) != std::string_view::npos;
    if (!known) return session.caret_error(arguments, "Syntax error");
    search.element_size = search.type == 'w' || search.type == 'u' ? 2
                          : search.type == 'd'                     ? 4
                          : search.type == 'q'                     ? 8
                                                                   : 1;
    arguments.set_position(at + 1);
    return {};
}

Result<void> read_pattern(Session& session, Arguments& arguments, Search& search) {
    if (search.any_string) return session.no_more(arguments);
    if (arguments.done()) return session.caret_error(arguments, "Syntax error");
    if (search.type == 'a' || search.type == 'u') {
        std::string text = arguments.text();
        search.pattern = search.type == 'u' ? utf16_bytes(text) : text_bytes(text);
        return session.no_more(arguments);
    }
    while (!arguments.done()) {
        if (auto text = arguments.quoted()) {
            ByteVector bytes = text_bytes(*text);
            search.pattern.insert(search.pattern.end(), bytes.begin(), bytes.end());
            continue;
        }
        POOLKD_TRY(std::uint64_t value, session.expression(arguments));
        std::byte raw[8];
        store_unsigned(raw, 0, search.element_size, value);
        search.pattern.insert(search.pattern.end(), raw, raw + search.element_size);
    }
    return {};
}

/// Shows a hit; 16 bytes from it on are read anew, so that its row is whole at the end of a range too.
Result<void> show_hit(Session& session, const Search& search, std::uint64_t address) {
    if (search.addresses_only) {
        session.print("{}\n", session.address_text(VirtAddr(address)));
        return {};
    }
    const RowFormat& format = format_of(search.type);
    POOLKD_TRY(MemoryPiece piece, MemoryView(session, false).read(address, 16));
    session.print("{}  {}\n", session.address_text(VirtAddr(address)),
                  row_text(format, format.per_row, piece, 0, format.per_row));
    return {};
}

/// Hits of the pattern in one piece that begin before `fresh` (the rest is the overlap with the next piece).
Result<void> search_piece(Session& session, const Search& search, const MemoryPiece& piece, std::uint64_t address,
                          std::size_t fresh) {
    auto from = piece.bytes.begin();
    while (true) {
        auto hit = std::search(from, piece.bytes.end(), search.pattern.begin(), search.pattern.end());
        if (hit == piece.bytes.end()) return {};
        auto at = static_cast<std::size_t>(hit - piece.bytes.begin());
        if (at >= fresh) return {};
        if (session.work().stop_requested()) return fail(ErrorKind::stopped, "Stopped");
        bool good = (address + at) % search.alignment() == 0 && piece.all_readable(at, search.pattern.size());
        if (good) POOLKD_CHECK(show_hit(session, search, address + at));
        from = hit + 1;
    }
}

/// Printable runs, joined across pieces.
class StringScan {
  public:
    StringScan(Session& session, const Search& search) : session_(session), search_(search) {}

    void piece(const MemoryPiece& piece, std::uint64_t address) {
        const unsigned size = search_.element_size;
        for (std::size_t at = 0; at + size <= piece.bytes.size(); at += size) {
            auto unit = static_cast<std::uint32_t>(load_unsigned(piece.bytes, at, size).value_or(0));
            bool printable = piece.all_readable(at, size) && unit >= 0x20 && unit <= 0x7e;
            if (!printable) {
                finish();
                continue;
            }
            if (run_.empty()) start_ = address + at;
            run_ += static_cast<char>(unit);
            if (run_.size() == longest) finish();
        }
    }
    void finish() {
        if (run_.size() >= search_.shortest) {
            if (search_.addresses_only) {
                session_.print("{}\n", session_.address_text(VirtAddr(start_)));
            } else {
                session_.print("{}  \"{}\"\n", session_.address_text(VirtAddr(start_)), run_);
            }
        }
        run_.clear();
    }

  private:
    static constexpr std::size_t longest = 65'536; // longer runs are shown in parts
    Session& session_;
    const Search& search_;
    std::string run_;
    std::uint64_t start_ = 0;
};

Result<void> search_range(Session& session, const Search& search, const debugger::AddressRange& range) {
    MemoryView view(session, false);
    StringScan strings(session, search);
    Coverage coverage;
    const std::uint64_t total = range.bytes(search.element_size);
    const std::size_t overlap = search.any_string ? 0 : search.pattern.size() - 1;
    if (overlap >= piece_bytes) return fail(ErrorKind::usage, "The pattern is too long");
    for (std::uint64_t done = 0; done < total; done += piece_bytes) {
        session.work().progress("Searching", done, total);
        std::uint64_t address = range.address.value + done;
        std::size_t fresh = std::min<std::uint64_t>(piece_bytes, total - done);
        std::size_t wanted = std::min<std::uint64_t>(fresh + overlap, total - done);
        POOLKD_TRY(MemoryPiece piece, view.read(address, wanted));
        if (piece.coverage.complete()) {
            coverage.add_read(fresh); // the overlap is counted with the next piece
        } else {
            coverage.merge(piece.coverage);
        }
        if (search.any_string) {
            strings.piece(piece, address);
        } else {
            POOLKD_CHECK(search_piece(session, search, piece, address, fresh));
        }
    }
    strings.finish();
    if (!coverage.complete() && !search.addresses_only) session.print("{}\n", coverage.sentence());
    return {};
}

Result<void> run_search(Session& session, Arguments& arguments) {
    Search search;
    if (arguments.take("-")) POOLKD_CHECK(read_type(session, arguments, search));
    POOLKD_TRY(auto range, session.range(arguments, search.element_size, 0));
    if (!range.explicit_count) return session.caret_error(arguments, "Syntax error");
    POOLKD_CHECK(read_pattern(session, arguments, search));
    if (!search.any_string && search.pattern.empty()) return session.caret_error(arguments, "Syntax error");
    return search_range(session, search, range);
}

} // namespace

void add_search_commands(debugger::CommandTable& table) {
    table.add(Command{
        .names = {"s"},
        .family = "Memory",
        .summary = "search memory for bytes, words or text",
        .syntax = "s [-[[<flags>]]{b|w|d|q|a|u|sa|su}] <range> <pattern>",
        .help = "Each hit is shown in the format of its type. Words of 2, 4 and 8 bytes must be aligned. A range over "
                "256 MB needs L?<count>. What could not be read is told at the end.",
        .options = {{"-b", "bytes (the default): numbers, or single characters in quotes"},
                    {"-w -d -q", "words of 2, 4 and 8 bytes"},
                    {"-a -u", "ASCII or Unicode text in double quotes"},
                    {"-sa -su", "every printable ASCII or Unicode text, with [l<n>] of at least n characters"},
                    {"[1]", "addresses only"}},
        .may_touch = true,
        .run = run_search,
    });
}

} // namespace poolkd::commands
