#include "debugger/expression.h"

#include "base/text.h"
#include "debugger/functions.h"
#include "debugger/lexer.h"
#include "debugger/number.h"

#include <algorithm>
#include <array>

namespace poolkd::debugger {

namespace {

enum class Operator { mul, div, mod, add, sub, shl, shr, sar, eq, ne, lt, gt, le, ge, and_, xor_, or_ };

struct OperatorWord {
    std::string_view text;
    Operator op;
    int level; ///< larger binds tighter
};

// Longer spellings of the same beginning come first.
constexpr OperatorWord binary_operators[] = {
    {">>>", Operator::sar, 5},  {">>", Operator::shr, 5},  {"<<", Operator::shl, 5},   {">=", Operator::ge, 4},
    {"<=", Operator::le, 4},    {"!=", Operator::ne, 4},   {"==", Operator::eq, 4},    {"=", Operator::eq, 4},
    {"<", Operator::lt, 4},     {">", Operator::gt, 4},    {"*", Operator::mul, 7},    {"/", Operator::div, 7},
    {"%", Operator::mod, 7},    {"mod", Operator::mod, 7}, {"+", Operator::add, 6},    {"-", Operator::sub, 6},
    {"and", Operator::and_, 3}, {"&", Operator::and_, 3},  {"xor", Operator::xor_, 2}, {"^", Operator::xor_, 2},
    {"or", Operator::or_, 1},   {"|", Operator::or_, 1},
};

enum class Unary { plus, minus, not_, hi, low, read, read_physical };

struct UnaryWord {
    std::string_view text;
    Unary op;
    unsigned size; ///< bytes to read; 0 means a pointer
};

constexpr UnaryWord unary_operators[] = {
    {"+", Unary::plus, 0},
    {"-", Unary::minus, 0},
    {"not", Unary::not_, 0},
    {"hi", Unary::hi, 0},
    {"low", Unary::low, 0},
    {"by", Unary::read, 1},
    {"wo", Unary::read, 2},
    {"dwo", Unary::read, 4},
    {"qwo", Unary::read, 8},
    {"poi", Unary::read, 0},
    {"$pby", Unary::read_physical, 1},
    {"$pwo", Unary::read_physical, 2},
    {"$pdwo", Unary::read_physical, 4},
    {"$pqwo", Unary::read_physical, 8},
    {"$ppoi", Unary::read_physical, 0},
};

// These win over symbols of the same name (commands.md 4.1).
constexpr std::string_view everyday_registers[] = {"eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "eip", "efl"};

constexpr unsigned depth_limit = 200;

bool is_symbol_character(char c) {
    return is_word_character(c) || c == '$' || c == '?' || c == '@' || c == '!';
}

class Parser {
  public:
    Parser(std::string_view text, std::size_t start, ExpressionContext& context)
        : text_(text), at_(start), context_(context) {}

    Result<Evaluated> run() {
        POOLKD_TRY(std::uint64_t value, binary(1));
        return Evaluated{value, at_};
    }

  private:
    void skip_blanks() {
        while (at_ < text_.size() && is_blank(text_[at_]))
            ++at_;
    }
    [[nodiscard]] std::string rest(std::size_t from) const {
        std::string_view left = trim(text_.substr(std::min(from, text_.size())));
        return left.empty() ? "<EOL>" : std::string(left);
    }
    [[nodiscard]] std::unexpected<Error> error(std::string_view what, std::size_t from) const {
        return fail(ErrorKind::usage, "{} at '{}'", what, rest(from));
    }

    /// True when `word` stands at the cursor; a word of letters must also end there.
    [[nodiscard]] bool sees(std::string_view word) const {
        if (!equals_ignore_case(text_.substr(at_, word.size()), word)) return false;
        if (!is_word_character(word.back())) return true;
        return at_ + word.size() >= text_.size() || !is_symbol_character(text_[at_ + word.size()]);
    }

    Result<std::uint64_t> binary(int lowest) {
        if (++depth_ > depth_limit) return error("Syntax error", at_);
        POOLKD_TRY(std::uint64_t left, unary());
        while (true) {
            std::size_t before = at_;
            skip_blanks();
            auto found = at_ < text_.size() ? std::ranges::find_if(
                                                  binary_operators, [&](auto& o) { return sees(o.text); })
                                            : std::end(binary_operators);
            if (found == std::end(binary_operators) || found->level < lowest) {
                at_ = before;
                --depth_;
                return left;
            }
            at_ += found->text.size();
            POOLKD_TRY(std::uint64_t right, binary(found->level + 1));
            POOLKD_TRY(left, apply(found->op, left, right));
        }
    }

    static Result<std::uint64_t> apply(Operator op, std::uint64_t a, std::uint64_t b) {
        switch (op) {
        case Operator::mul: return a * b;
        case Operator::div:
        case Operator::mod:
            if (b == 0) return fail(ErrorKind::usage, "Operand error");
            return op == Operator::div ? a / b : a % b;
        case Operator::add: return a + b;
        case Operator::sub: return a - b;
        case Operator::shl: return b > 63 ? 0 : a << b;
        case Operator::shr: return b > 63 ? 0 : a >> b;
        case Operator::sar:
            return static_cast<std::uint64_t>(static_cast<std::int64_t>(a) >> std::min<std::uint64_t>(b, 63));
        case Operator::eq: return std::uint64_t{a == b};
        case Operator::ne: return std::uint64_t{a != b};
        case Operator::lt: return std::uint64_t{a < b};
        case Operator::gt: return std::uint64_t{a > b};
        case Operator::le: return std::uint64_t{a <= b};
        case Operator::ge: return std::uint64_t{a >= b};
        case Operator::and_: return a & b;
        case Operator::xor_: return a ^ b;
        case Operator::or_: return a | b;
        }
        return a;
    }

    Result<std::uint64_t> unary() {
        skip_blanks();
        if (at_ >= text_.size()) return missing();
        for (const UnaryWord& word : unary_operators) {
            if (!sees(word.text)) continue;
            if (++depth_ > depth_limit) return error("Syntax error", at_);
            std::size_t start = at_;
            at_ += word.text.size();
            POOLKD_TRY(std::uint64_t operand, unary());
            --depth_;
            return apply(word, operand, start);
        }
        return primary();
    }

    Result<std::uint64_t> apply(const UnaryWord& word, std::uint64_t operand, std::size_t start) {
        switch (word.op) {
        case Unary::plus: return operand;
        case Unary::minus: return 0 - operand;
        case Unary::not_: return std::uint64_t{operand == 0};
        case Unary::hi: return (operand >> 16) & 0xffff;
        case Unary::low: return operand & 0xffff;
        case Unary::read:
        case Unary::read_physical: break;
        }
        unsigned size = word.size != 0 ? word.size : context_.pointer_size();
        Result<std::uint64_t> value = word.op == Unary::read ? context_.read(VirtAddr(operand), size)
                                                             : context_.read_physical(PhysAddr(operand), size);
        if (value) {
            // A pointer of a 32-bit target is an address there, and addresses are held sign-extended.
            if (word.size == 0 && size == 4) return extend(*value);
            return value;
        }
        if (value.error().kind == ErrorKind::link || value.error().kind == ErrorKind::stopped) return value;
        return error("Memory access error", start);
    }

    static std::uint64_t extend(std::uint64_t value) {
        return static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(value)));
    }

    [[nodiscard]] std::unexpected<Error> missing() const {
        return fail(ErrorKind::usage, "Numeric expression missing from '{}'", rest(at_));
    }

    Result<std::uint64_t> primary() {
        const char c = text_[at_];
        if (c == '(') return parenthesised();
        if (c == '\'') return characters();
        if (c == '`') return error("Syntax error", at_);
        if (c == '.' && (at_ + 1 == text_.size() || !is_symbol_character(text_[at_ + 1]))) {
            return special("$ip", at_, 1);
        }
        if (c == '@') return at_sign();
        if (!is_symbol_character(c) || c == '?') return missing();
        return word();
    }

    Result<std::uint64_t> parenthesised() {
        ++at_;
        POOLKD_TRY(std::uint64_t value, binary(1));
        skip_blanks();
        if (at_ >= text_.size() || text_[at_] != ')') return error("Syntax error", at_);
        ++at_;
        return value;
    }

    Result<std::uint64_t> characters() {
        std::size_t close = text_.find('\'', at_ + 1);
        if (close == std::string_view::npos) return error("Syntax error", at_);
        auto value = character_constant(text_.substr(at_ + 1, close - at_ - 1));
        if (!value) return error("Overflow error", at_);
        at_ = close + 1;
        return *value;
    }

    [[nodiscard]] std::size_t end_of_symbol(std::size_t from) const {
        while (from < text_.size()) {
            if (is_symbol_character(text_[from])) {
                // "a!=b" compares; no symbol begins with "=".
                if (text_[from] == '!' && from + 1 < text_.size() && text_[from + 1] == '=') break;
                ++from;
            } else if (text_.substr(from, 2) == "::") {
                from += 2;
            } else {
                break;
            }
        }
        return from;
    }

    /// A name that begins with `@`: a register, a literal symbol, or another evaluator.
    Result<std::uint64_t> at_sign() {
        const std::size_t start = at_;
        if (text_.substr(at_).starts_with("@!\"")) {
            std::size_t close = text_.find('"', at_ + 3);
            if (close == std::string_view::npos) return error("Syntax error", start);
            std::string_view name = text_.substr(at_ + 3, close - at_ - 3);
            return symbol(name, start, close + 1);
        }
        if (text_.substr(at_).starts_with("@@")) {
            std::size_t open = text_.find('(', at_);
            std::string_view which = text_.substr(at_ + 2, open == std::string_view::npos ? 0 : open - at_ - 2);
            if (equals_ignore_case(which, "masm") && open != std::string_view::npos) {
                at_ = open;
                return parenthesised();
            }
            return fail(ErrorKind::unsupported, "The C++ evaluator is not available, error at '{}'", rest(start));
        }
        std::size_t end = at_ + 1;
        while (end < text_.size() && (is_word_character(text_[end]) || text_[end] == '$'))
            ++end;
        std::string_view name = text_.substr(at_ + 1, end - at_ - 1);
        if (name.starts_with('$')) return special(name, start, end - start);
        POOLKD_TRY(auto value, context_.machine_register(name));
        if (!value) return error("Bad register error", start);
        at_ = end;
        return extended(*value);
    }

    static std::uint64_t extended(const RegisterValue& value) {
        return value.bits == 32 ? extend(value.value) : value.value;
    }

    Result<std::uint64_t> special(std::string_view name, std::size_t start, std::size_t length) {
        POOLKD_TRY(auto value, context_.pseudo_register(name));
        if (!value) return error("Bad register error", start);
        at_ = start + length;
        return *value;
    }

    /// A word without `@`: a number, then a symbol, then a register.
    Result<std::uint64_t> word() {
        const std::size_t start = at_;
        std::size_t end = start;
        while (end < text_.size() && (is_word_character(text_[end]) || text_[end] == '`'))
            ++end;
        const std::size_t symbol_end = end_of_symbol(start);
        if (end > start && end >= symbol_end) {
            NumberWord number = read_number_word(text_.substr(start, end - start), context_.radix());
            if (number.kind == NumberWord::Kind::overflow) return error("Overflow error", start);
            if (number.kind == NumberWord::Kind::number) {
                at_ = end;
                return number.value;
            }
        }
        std::string_view name = text_.substr(start, symbol_end - start);
        if (name.empty()) return error("Syntax error", start);
        if (name.front() == '$') return dollar(name, start);
        if (std::ranges::any_of(everyday_registers, [&](auto r) { return equals_ignore_case(r, name); })) {
            POOLKD_TRY(auto value, context_.machine_register(name));
            if (value) {
                at_ = symbol_end;
                return extended(*value);
            }
        }
        if (name.front() == '!') return symbol(name.substr(1), start, symbol_end);
        POOLKD_TRY(auto found, context_.symbols(name));
        if (found.empty() && name.find('!') == std::string_view::npos) {
            POOLKD_TRY(auto value, context_.machine_register(name));
            if (value) {
                at_ = symbol_end;
                return extended(*value);
            }
        }
        return choose(found, start, symbol_end);
    }

    /// A word that begins with `$`: a function or a pseudo-register.
    Result<std::uint64_t> dollar(std::string_view name, std::size_t start) {
        if (name.starts_with("$!")) return error("Couldn't resolve error", start);
        std::size_t open = start + name.size();
        if (open < text_.size() && text_[open] == '(' && is_function(name)) return function(name, start);
        return special(name, start, name.size());
    }

    Result<std::uint64_t> function(std::string_view name, std::size_t start) {
        std::size_t at = start + name.size() + 1;
        std::vector<FunctionArgument> arguments;
        while (true) {
            at_ = at;
            skip_blanks();
            if (at_ >= text_.size()) return error("Syntax error", at_);
            std::size_t quoted = text_[at_] == '@' ? at_ + 1 : at_;
            if (quoted < text_.size() && text_[quoted] == '"') {
                std::size_t close = text_.find('"', quoted + 1);
                if (close == std::string_view::npos) return error("Syntax error", at_);
                arguments.push_back({.text = std::string(text_.substr(quoted + 1, close - quoted - 1))});
                at_ = close + 1;
            } else {
                POOLKD_TRY(std::uint64_t value, binary(1));
                arguments.push_back({.value = value});
            }
            skip_blanks();
            if (at_ >= text_.size()) return error("Syntax error", at_);
            char c = text_[at_++];
            if (c == ')') break;
            if (c != ',') return error("Syntax error", at_ - 1);
            at = at_;
        }
        auto value = call_function(name, arguments, context_);
        if (!value && value.error().kind == ErrorKind::usage) return error(value.error().message, start);
        return value;
    }

    Result<std::uint64_t> symbol(std::string_view name, std::size_t start, std::size_t end) {
        POOLKD_TRY(auto found, context_.symbols(name));
        return choose(found, start, end);
    }

    Result<std::uint64_t> choose(const std::vector<NamedAddress>& found, std::size_t start, std::size_t end) {
        if (found.empty()) return error("Couldn't resolve error", start);
        // Two names for one address are no ambiguity.
        bool one = std::ranges::all_of(found, [&](const auto& f) { return f.address == found.front().address; });
        if (one) {
            at_ = end;
            return found.front().address.value;
        }
        std::string lines;
        for (const NamedAddress& f : found)
            lines += fmt::format("Matched: {} {}\n", format_address(f.address.value, context_.pointer_size()), f.name);
        return fail(ErrorKind::usage, "{}Ambiguous symbol error at '{}'", lines, rest(start));
    }

    std::string_view text_;
    std::size_t at_;
    ExpressionContext& context_;
    unsigned depth_ = 0;
};

} // namespace

Result<Evaluated> evaluate(std::string_view text, std::size_t start, ExpressionContext& context) {
    return Parser(text, start, context).run();
}

} // namespace poolkd::debugger
