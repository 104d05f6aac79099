#include "code/frame_program.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <vector>

namespace poolkd::code {

namespace {

// Numbers of CodeView's register table, by which some compilers name registers ("$23" is esi).
constexpr int first_codeview_register = 17;
constexpr Gpr codeview_order[] = {rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi};

std::optional<std::uint32_t> number(std::string_view word) {
    const bool negative = word.starts_with('-') && word.size() > 1;
    if (negative) word.remove_prefix(1);
    std::uint32_t value = 0;
    auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
    return negative ? 0 - value : value;
}

class Evaluator {
  public:
    Evaluator(const GeneralRegisters& registers, const FrameProgramInput& input, StackReader& stack)
        : registers_(registers), input_(input), stack_(stack) {}

    Result<GeneralRegisters> run(std::string_view program) {
        std::size_t words = 0;
        while (true) {
            const std::size_t start = program.find_first_not_of(' ');
            if (start == std::string_view::npos) break;
            program.remove_prefix(start);
            const std::string_view word = program.substr(0, program.find(' '));
            program.remove_prefix(word.size());
            if (++words > max_frame_program_words) return bad("it does not end");
            POOLKD_CHECK(apply(word));
        }
        if (!values_.empty()) return bad("it leaves values that nobody asked for");
        if (!sets_ip_ || !sets_sp_) return bad("it does not lead to a caller");
        registers_.forget_volatile();
        return registers_;
    }

  private:
    /// A word on the evaluator's stack: a value, or a name that can be set.
    struct Value {
        std::uint32_t value = 0;
        std::string_view name;
    };

    static std::unexpected<Error> bad(std::string_view why) {
        return fail(ErrorKind::malformed, "The frame program of the symbols cannot be used: {}", why);
    }

    /// The register of a name; nothing for a variable of the program's own ($T0).
    [[nodiscard]] std::optional<Gpr> register_of(std::string_view name) const {
        name.remove_prefix(1);
        if (auto code = number(name)) {
            const std::uint32_t index = *code - first_codeview_register;
            if (index < std::size(codeview_order)) return codeview_order[index];
            return std::nullopt;
        }
        for (Gpr reg : codeview_order)
            if (gpr_name(x86_machine(), reg) == name) return reg;
        return std::nullopt;
    }

    [[nodiscard]] Result<std::uint32_t> value_of(std::string_view name) const {
        if (name == "$eip") return static_cast<std::uint32_t>(registers_.pc);
        if (auto reg = register_of(name)) return static_cast<std::uint32_t>(registers_.gpr[*reg]);
        if (auto known = variables_.find(name); known != variables_.end()) return known->second;
        return bad("it uses a variable before it sets it");
    }

    [[nodiscard]] std::optional<std::uint32_t> constant(std::string_view word) const {
        if (word == ".raSearch" || word == ".raSearchStart") return input_.return_slot;
        if (word == ".cbParams") return input_.parameters;
        if (word == ".cbCalleeParams") return input_.callee_parameters;
        if (word == ".cbLocals") return input_.locals;
        if (word == ".cbSavedRegs") return input_.saved_registers;
        return number(word);
    }

    Result<Value> pop() {
        if (values_.empty()) return bad("a value is missing");
        Value top = values_.back();
        values_.pop_back();
        return top;
    }
    Result<std::uint32_t> pop_number() {
        POOLKD_TRY(Value top, pop());
        if (top.name.empty()) return top.value;
        return value_of(top.name);
    }

    Result<void> push(Value value) {
        if (values_.size() == max_frame_program_depth) return bad("it holds too many values");
        values_.push_back(value);
        return {};
    }

    Result<void> set(std::string_view name, std::uint32_t value) {
        if (name == "$eip") {
            registers_.pc = value;
            sets_ip_ = true;
        } else if (auto reg = register_of(name)) {
            registers_.set(*reg, value);
            sets_sp_ = sets_sp_ || *reg == rsp;
        } else {
            variables_[name] = value;
        }
        return {};
    }

    Result<void> apply(std::string_view word) {
        if (word == "=") {
            POOLKD_TRY(std::uint32_t value, pop_number());
            POOLKD_TRY(Value to, pop());
            if (to.name.empty()) return bad("it sets something that is no variable");
            return set(to.name, value);
        }
        if (word == "^") {
            POOLKD_TRY(std::uint32_t address, pop_number());
            POOLKD_TRY(std::uint64_t value, stack_.word(x86_machine().canonical(address)));
            return push({static_cast<std::uint32_t>(value), {}});
        }
        if (word.size() == 1 && std::string_view("+-*/%@").contains(word.front())) {
            POOLKD_TRY(std::uint32_t right, pop_number());
            POOLKD_TRY(std::uint32_t left, pop_number());
            POOLKD_TRY(std::uint32_t value, combine(word.front(), left, right));
            return push({value, {}});
        }
        if (word.size() > 1 && word.front() == '$') return push({0, word});
        if (auto value = constant(word)) return push({*value, {}});
        return bad("it has a word that is not known");
    }

    static Result<std::uint32_t> combine(char op, std::uint32_t left, std::uint32_t right) {
        switch (op) {
        case '+': return left + right;
        case '-': return left - right;
        case '*': return left * right;
        case '@': // align down
            if (right == 0 || (right & (right - 1)) != 0) return bad("it aligns to what is no power of two");
            return left & ~(right - 1);
        default: break;
        }
        if (right == 0) return bad("it divides by zero");
        return op == '/' ? left / right : left % right;
    }

    GeneralRegisters registers_;
    const FrameProgramInput& input_;
    StackReader& stack_;
    std::vector<Value> values_;
    std::map<std::string_view, std::uint32_t> variables_;
    bool sets_ip_ = false, sets_sp_ = false;
};

} // namespace

Result<GeneralRegisters> run_frame_program(std::string_view program, const GeneralRegisters& registers,
                                           const FrameProgramInput& input, StackReader& stack) {
    return Evaluator(registers, input, stack).run(program);
}

} // namespace poolkd::code
