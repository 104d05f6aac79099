#include "code/assembly_request.h"

#include "base/text.h"
#include "code/zydis.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

namespace poolkd::code {

namespace {

struct SizeWord {
    std::string_view word;
    unsigned size;
};
constexpr std::array<SizeWord, 11> operand_sizes{{{"byte", 1},
                                                  {"word", 2},
                                                  {"dword", 4},
                                                  {"fword", 6},
                                                  {"qword", 8},
                                                  {"mmword", 8},
                                                  {"tbyte", 10},
                                                  {"xmmword", 16},
                                                  {"oword", 16},
                                                  {"ymmword", 32},
                                                  {"zmmword", 64}}};

constexpr std::array<std::string_view, 6> prefixes{"lock", "rep", "repe", "repz", "repne", "repnz"};

template <std::size_t n>
bool is_one_of(std::string_view word, const std::array<std::string_view, n>& words) {
    return std::ranges::find(words, word) != words.end();
}

/// Processor registers by the names that both libraries use.
bool is_register(const std::string& word) {
    static const std::set<std::string, std::less<>> names = [] {
        std::set<std::string, std::less<>> all;
        for (int i = ZYDIS_REGISTER_NONE + 1; i <= ZYDIS_REGISTER_MAX_VALUE; ++i)
            all.emplace(zydis::register_name(static_cast<ZydisRegister>(i)));
        // Never operands.
        for (const char* name : {"flags", "eflags", "rflags", "ip"})
            all.erase(name);
        return all;
    }();
    return names.contains(word);
}

/// "st(1)" is "st1", "st" is "st0".
std::string register_word(std::string_view text) {
    std::string word = to_lower(trim(text));
    if (word == "st") return "st0";
    if (word.size() == 5 && word.starts_with("st(") && word.back() == ')') return "st" + word.substr(3, 1);
    return word;
}

/// Takes `word` off the front of `text` when it stands there as a word.
bool take_word(std::string_view& text, std::string_view word) {
    if (text.size() <= word.size() || to_lower(text.substr(0, word.size())) != word) return false;
    const char next = text[word.size()];
    if (next != ' ' && next != '\t' && next != '[') return false;
    text = trim(text.substr(word.size()));
    return true;
}

/// Pieces between separators that stand outside of all brackets.
std::vector<std::string_view> split_outside(std::string_view text, char separator) {
    std::vector<std::string_view> pieces;
    int depth = 0;
    std::size_t start = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '[' || text[i] == '(') ++depth;
        if (text[i] == ']' || text[i] == ')') --depth;
        if (text[i] != separator || depth != 0) continue;
        pieces.push_back(text.substr(start, i - start));
        start = i + 1;
    }
    pieces.push_back(text.substr(start));
    return pieces;
}

bool is_balanced(std::string_view text) {
    std::string open;
    for (char c : text) {
        if (c == '[' || c == '(') open += c;
        if (c != ']' && c != ')') continue;
        if (open.empty() || open.back() != (c == ']' ? '[' : '(')) return false;
        open.pop_back();
    }
    return open.empty();
}

class OperandParser {
  public:
    explicit OperandParser(const OperandEvaluator& evaluate) : evaluate_(evaluate) {}

    Result<AssemblyOperand> operand(std::string_view text) {
        const std::string_view whole = trim(text);
        text = whole;
        AssemblyOperand out;
        if (text.empty()) return fail(ErrorKind::usage, "An operand is missing");
        if (!is_balanced(text)) return fail(ErrorKind::usage, "Brackets do not match in '{}'", text);
        if (std::string word = register_word(text); is_register(word)) {
            out.kind = AssemblyOperand::Kind::reg;
            out.reg = std::move(word);
            return out;
        }
        (void)(take_word(text, "short") || take_word(text, "offset"));
        bool in_memory = false;
        for (const SizeWord& size : operand_sizes) {
            if (!take_word(text, size.word)) continue;
            if (!take_word(text, "ptr")) return fail(ErrorKind::usage, "'ptr' is missing in '{}'", whole);
            out.size = size.size;
            in_memory = true;
            break;
        }
        if (text.size() > 2 && text[2] == ':' && is_one_of(to_lower(text.substr(0, 2)), segment_names)) {
            out.segment = to_lower(text.substr(0, 2));
            text = trim(text.substr(3));
            in_memory = true;
        }
        // [a], [a][b], a[b]: the sum of all parts.
        std::string sum;
        while (!text.empty()) {
            const std::size_t bracket = text.find('[');
            const std::string_view before = trim(text.substr(0, bracket));
            if (!before.empty()) sum += (sum.empty() ? "" : "+") + std::string(before);
            if (bracket == std::string_view::npos) break;
            in_memory = true;
            const std::size_t end = text.find(']', bracket);
            const std::string_view inside = trim(text.substr(bracket + 1, end - bracket - 1));
            if (inside.empty() || inside.contains('[')) return fail(ErrorKind::usage, "'{}' is not understood", whole);
            sum += (sum.empty() ? "" : "+") + std::string(inside);
            text = trim(text.substr(end + 1));
        }
        if (!in_memory) {
            POOLKD_TRY(out.value, constant(sum));
            return out;
        }
        out.kind = AssemblyOperand::Kind::memory;
        POOLKD_CHECK(address(sum, out));
        return out;
    }

  private:
    /// base + index * scale + constants, in any order.
    Result<void> address(std::string_view sum, AssemblyOperand& out) {
        std::string constants;
        for (std::string_view term : split_terms(sum)) {
            const bool negative = term.starts_with('-');
            const std::string_view plain = trim(term.substr(term.starts_with('-') || term.starts_with('+') ? 1 : 0));
            auto scaled = scaled_register(plain);
            if (!scaled) {
                constants += std::string(term.starts_with('-') || term.starts_with('+') ? "" : "+") + std::string(term);
                continue;
            }
            if (negative) return fail(ErrorKind::usage, "A register cannot be subtracted: '{}'", sum);
            if (scaled->scale == 1 && out.base.empty()) {
                out.base = std::move(scaled->name);
            } else if (out.index.empty()) {
                out.index = std::move(scaled->name);
                out.scale = scaled->scale;
            } else {
                return fail(ErrorKind::usage, "An address has at most two registers, one of them scaled: '{}'", sum);
            }
        }
        // The stack pointer cannot be an index.
        if (out.scale == 1 && (out.index == "rsp" || out.index == "esp")) std::swap(out.base, out.index);
        if (constants.empty()) return {};
        if (constants.starts_with('+')) constants.erase(0, 1);
        POOLKD_TRY(out.value, constant(constants));
        return {};
    }

    /// Terms with their signs. A minus behind an operator belongs to the term.
    static std::vector<std::string_view> split_terms(std::string_view sum) {
        std::vector<std::string_view> terms;
        int depth = 0;
        std::size_t start = 0;
        for (std::size_t i = 0; i < sum.size(); ++i) {
            if (sum[i] == '(') ++depth;
            if (sum[i] == ')') --depth;
            if (depth != 0 || (sum[i] != '+' && sum[i] != '-') || trim(sum.substr(start, i - start)).empty()) continue;
            terms.push_back(trim(sum.substr(start, i - start)));
            start = i;
        }
        terms.push_back(trim(sum.substr(start)));
        return terms;
    }

    struct Scaled {
        std::string name;
        std::uint8_t scale;
    };
    static std::optional<Scaled> scaled_register(std::string_view term) {
        auto factors = split(term, '*');
        std::string name = register_word(factors.front());
        if (factors.size() == 1) return is_register(name) ? std::optional(Scaled{name, 1}) : std::nullopt;
        if (factors.size() != 2) return std::nullopt;
        std::string_view factor = trim(factors[1]);
        if (!is_register(name)) {
            name = register_word(factors[1]);
            factor = trim(factors[0]);
        }
        if (!is_register(name)) return std::nullopt;
        if (factor != "1" && factor != "2" && factor != "4" && factor != "8") return std::nullopt;
        return Scaled{std::move(name), static_cast<std::uint8_t>(factor.front() - '0')};
    }

    /// "name (address)", as listings show it, is the address.
    Result<std::uint64_t> constant(std::string_view text) {
        text = trim(text);
        if (text.ends_with(')')) {
            const std::size_t open = text.rfind('(');
            const std::string_view before = trim(text.substr(0, open));
            const char last = before.empty() ? '(' : before.back();
            if (open != 0 && text[open - 1] == ' ' &&
                std::string_view("+-*/%&|^(<>=!~").find(last) == std::string_view::npos)
                text = text.substr(open + 1, text.size() - open - 2);
        }
        if (text.empty()) return fail(ErrorKind::usage, "An operand is missing");
        return evaluate_(text);
    }

    const OperandEvaluator& evaluate_;
};

std::string_view take_blank_word(std::string_view& text) {
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    const std::string_view word = text.substr(0, end);
    text = trim(text.substr(end));
    return word;
}

} // namespace

bool AssemblyRequest::is_direct_branch() const {
    return (mnemonic.starts_with('j') || mnemonic == "call" || mnemonic.starts_with("loop")) && operands.size() == 1 &&
           operands.front().kind == AssemblyOperand::Kind::immediate;
}

std::string_view size_words(unsigned size) {
    constexpr std::array<std::pair<unsigned, std::string_view>, 9> words{{{1, "byte ptr "},
                                                                          {2, "word ptr "},
                                                                          {4, "dword ptr "},
                                                                          {6, "fword ptr "},
                                                                          {8, "qword ptr "},
                                                                          {10, "tbyte ptr "},
                                                                          {16, "xmmword ptr "},
                                                                          {32, "ymmword ptr "},
                                                                          {64, "zmmword ptr "}}};
    for (const auto& [bytes, word] : words)
        if (bytes == size) return word;
    return {};
}

Result<AssemblyRequest> parse_assembly(std::string_view text, const OperandEvaluator& evaluate) {
    AssemblyRequest request;
    text = trim(text);
    request.mnemonic = to_lower(take_blank_word(text));
    if (is_one_of(request.mnemonic, prefixes)) {
        request.prefix = std::move(request.mnemonic);
        request.mnemonic = to_lower(take_blank_word(text));
    }
    const auto in_names = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    if (request.mnemonic.empty() || !std::ranges::all_of(request.mnemonic, in_names) || request.mnemonic.front() <= '9')
        return fail(ErrorKind::usage, "There is no instruction '{}'", request.mnemonic);
    if (text.empty()) return request;
    OperandParser parser(evaluate);
    for (std::string_view operand : split_outside(text, ',')) {
        POOLKD_TRY(AssemblyOperand parsed, parser.operand(operand));
        request.operands.push_back(std::move(parsed));
    }
    return request;
}

} // namespace poolkd::code
