#include "commands/printf_format.h"

#include "commands/memory_rows.h"
#include "commands/target_text.h"

#include <algorithm>
#include <bit>
#include <charconv>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Session;

namespace {

constexpr unsigned widest = 1024; // characters of padding or digits

/// One `%…` of a format.
struct Conversion {
    bool left = false, zeros = false, plus = false, blank = false, alternate = false;
    std::optional<unsigned> width, precision;
    bool wide = false;       ///< 64 bits
    std::string_view letter; ///< "d", "p", "msu", …
};

bool is_one_of(char c, std::string_view set) {
    return set.find(c) != std::string_view::npos;
}

class Formatter {
  public:
    Formatter(Session& session, std::string_view format, Arguments& arguments)
        : session_(session), format_(format), arguments_(arguments) {}

    Result<std::string> run() {
        std::string out;
        while (at_ < format_.size()) {
            const char c = format_[at_++];
            if (c == '\\' && at_ < format_.size()) {
                out += escape(format_[at_++]);
            } else if (c != '%') {
                out += c;
            } else if (at_ < format_.size() && format_[at_] == '%') {
                out += format_[at_++];
            } else {
                POOLKD_TRY(std::string text, convert());
                out += text;
            }
        }
        return out;
    }

  private:
    static std::string escape(char c) {
        switch (c) {
        case 'n': return "\n";
        case 't': return "\t";
        case 'r': return "\r";
        case 'b': return "\b";
        case 'a': return "\a";
        case '\\':
        case '"':
        case '\'': return {c};
        default: return {'\\', c};
        }
    }

    bool take(std::string_view text) {
        if (!format_.substr(at_).starts_with(text)) return false;
        at_ += text.size();
        return true;
    }

    Result<std::optional<unsigned>> number() {
        if (take("*")) {
            POOLKD_TRY(std::uint64_t value, this->value());
            return static_cast<unsigned>(std::min<std::uint64_t>(value, widest));
        }
        const char* first = format_.data() + at_;
        unsigned value = 0;
        auto [end, error] = std::from_chars(first, format_.data() + format_.size(), value);
        if (end == first) return std::nullopt;
        at_ += static_cast<std::size_t>(end - first);
        return error == std::errc{} ? std::min(value, widest) : widest;
    }

    Result<Conversion> read_conversion() {
        const std::size_t start = at_;
        Conversion c;
        for (; at_ < format_.size() && is_one_of(format_[at_], "-0+ #"); ++at_) {
            c.left |= format_[at_] == '-';
            c.zeros |= format_[at_] == '0';
            c.plus |= format_[at_] == '+';
            c.blank |= format_[at_] == ' ';
            c.alternate |= format_[at_] == '#';
        }
        POOLKD_TRY(c.width, number());
        if (take(".")) {
            POOLKD_TRY(c.precision, number());
            c.precision = c.precision.value_or(0);
        }
        for (std::string_view letter : {"msa", "msu", "ma", "mu", "ly", "y", "p", "N"}) {
            if (!take(letter)) continue;
            c.letter = letter;
            return c;
        }
        if (take("I64") || take("ll")) {
            c.wide = true;
        } else {
            (void)(take("I32") || take("l") || take("h") || take("w"));
        }
        if (at_ >= format_.size() || !is_one_of(format_[at_], "diuxXocCsSeEfgG"))
            return fail(ErrorKind::usage, "'%{}' is no conversion of .printf", format_.substr(start, 8));
        c.letter = format_.substr(at_++, 1);
        return c;
    }

    Result<std::uint64_t> value() {
        if (arguments_.done()) return fail(ErrorKind::usage, "A value is missing for the format of .printf");
        return session_.expression(arguments_);
    }

    static std::string pad(const Conversion& c, std::string text) {
        const std::size_t width = c.width.value_or(0);
        if (text.size() >= width) return text;
        const std::size_t missing = width - text.size();
        return c.left ? text + std::string(missing, ' ') : std::string(missing, ' ') + text;
    }

    /// Sign or prefix, and digits: zeros go between them.
    static std::string number_text(const Conversion& c, std::string prefix, std::string digits) {
        if (c.precision) {
            if (digits.size() < *c.precision) digits.insert(0, *c.precision - digits.size(), '0');
        } else if (c.zeros && !c.left && c.width && prefix.size() + digits.size() < *c.width) {
            digits.insert(0, *c.width - prefix.size() - digits.size(), '0');
        }
        return pad(c, prefix + digits);
    }

    std::string signed_text(const Conversion& c, std::uint64_t value) {
        const auto number =
            c.wide ? static_cast<std::int64_t>(value) : static_cast<std::int32_t>(static_cast<std::uint32_t>(value));
        const bool negative = number < 0;
        const std::uint64_t size =
            negative ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number);
        return number_text(c, negative ? "-" : c.plus ? "+" : c.blank ? " " : "", fmt::format("{}", size));
    }

    static std::string float_text(const Conversion& c, double value) {
        const std::string flags = std::string(c.plus    ? "+"
                                              : c.blank ? " "
                                                        : "") +
                                  (c.alternate ? "#" : "") + (c.zeros && !c.left ? "0" : "");
        return pad(c,
                   fmt::format(fmt::runtime(fmt::format("{{:{}{}.{}{}}}", flags,
                                                        c.width && c.zeros && !c.left ? std::to_string(*c.width) : "",
                                                        c.precision.value_or(6), c.letter)),
                               value));
    }

    /// A quoted text among the values, or one in the target's memory.
    Result<std::string> text(std::string_view letters) {
        if (auto quoted = arguments_.quoted()) return *quoted;
        POOLKD_TRY(std::uint64_t address, value());
        const VirtAddr where =
            session_.has_target() ? session_.kernel().machine().canonical(address) : VirtAddr(address);
        return read_target_text(session_, letters, where);
    }

    Result<std::string> symbol() {
        POOLKD_TRY(std::uint64_t address, value());
        const VirtAddr where =
            session_.has_target() ? session_.kernel().machine().canonical(address) : VirtAddr(address);
        const std::string name = session_.symbol_text(where);
        const std::string digits = session_.address_text(where);
        return name.empty() ? digits : fmt::format("{} ({})", name, digits);
    }

    Result<std::string> convert() {
        POOLKD_TRY(Conversion c, read_conversion());
        if (is_target_text(c.letter)) {
            POOLKD_TRY(std::string text, this->text(c.letter));
            return pad(c, text.substr(0, c.precision.value_or(target_text_limit)));
        }
        if (c.letter == "s" || c.letter == "S") {
            POOLKD_TRY(std::string text, this->text(c.letter == "s" ? "ma" : "mu"));
            return pad(c, text.substr(0, c.precision.value_or(target_text_limit)));
        }
        if (c.letter == "y" || c.letter == "ly") {
            POOLKD_TRY(std::string text, symbol());
            return pad(c, text);
        }
        POOLKD_TRY(std::uint64_t number, value());
        const bool pointer = c.letter == "p" || c.letter == "N";
        if (!pointer && !c.wide) number &= 0xffffffff;
        switch (c.letter.front()) {
        case 'p':
            return pad(c, fmt::format("{:0{}x}", session_.pointer_size() == 4 ? number & 0xffffffff : number,
                                      session_.pointer_size() * 2));
        case 'N': return pad(c, fmt::format("{:016x}", number));
        case 'd':
        case 'i': return signed_text(c, number);
        case 'u': return number_text(c, "", fmt::format("{}", number));
        case 'x': return number_text(c, c.alternate && number ? "0x" : "", fmt::format("{:x}", number));
        case 'X': return number_text(c, c.alternate && number ? "0X" : "", fmt::format("{:X}", number));
        case 'o': return number_text(c, c.alternate ? "0" : "", fmt::format("{:o}", number));
        case 'c':
        case 'C': return pad(c, std::string(1, shown(static_cast<std::uint32_t>(number & 0xff))));
        default:
            return float_text(c, c.wide
                                     ? std::bit_cast<double>(number)
                                     : static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(number))));
        }
    }

    Session& session_;
    std::string_view format_;
    Arguments& arguments_;
    std::size_t at_ = 0;
};

} // namespace

Result<std::string> format_values(Session& session, std::string_view format, Arguments& arguments) {
    return Formatter(session, format, arguments).run();
}

} // namespace poolkd::commands
