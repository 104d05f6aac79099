#pragma once

#include "code/flow_graph.h"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace poolkd::code {

/// What is known of a value at one place in a function.
struct Value {
    enum class Kind : std::uint8_t {
        unknown,
        constant,       ///< `number`
        entry_register, ///< what register `number` held where the function begins
        entry_stack,    ///< what lay `number` bytes above the stack pointer there
        stack,          ///< the address `number` bytes from the stack pointer of `origin`
        image,          ///< what the image holds at RVA `where`
        several,        ///< one of those that `ValueFlow::choices` gives
    };
    /// Why a value is not known.
    enum class Why : std::uint8_t { nothing, result, memory, computed, paths };

    Kind kind = Kind::unknown;
    Why why = Why::nothing;
    std::uint8_t size = 0;    ///< of `image`: bytes that are read
    std::uint32_t where = 0;  ///< RVA: of the four bytes that state a constant (0: nowhere), of `image`
    std::uint32_t origin = 0; ///< of `stack`: 0: the function's begin; else a number that only tells them apart
    std::uint64_t number = 0;

    static Value unknown(Why why) { return {.kind = Kind::unknown, .why = why}; }
    static Value constant(std::uint64_t number, std::uint32_t where = 0) {
        return {.kind = Kind::constant, .where = where, .number = number};
    }
    static Value entry(std::uint8_t reg) { return {.kind = Kind::entry_register, .number = reg}; }
    static Value stack(std::uint32_t origin, std::uint64_t offset) {
        return {.kind = Kind::stack, .origin = origin, .number = offset};
    }
    [[nodiscard]] bool is(Kind wanted) const { return kind == wanted; }
    /// Whatever `why` says, two unknown values are the same.
    bool operator==(const Value& other) const {
        return kind == other.kind && where == other.where && origin == other.origin && number == other.number &&
               size == other.size;
    }
};

/// Registers and stack at one place in a function.
class FlowState {
  public:
    std::array<Value, 16> registers{};

    /// What was written to the stack, if followed.
    struct Slot {
        std::uint32_t origin;
        std::int32_t offset;
        std::uint8_t size;
        Value value;
    };

    /// The value of `size` bytes at a stack address. Arguments that were not written to have the value they came with.
    [[nodiscard]] Value read(const Machine& machine, std::uint32_t origin, std::int32_t offset, unsigned size) const;
    void write(std::uint32_t origin, std::int32_t offset, unsigned size, const Value& value);
    /// Forgets what lies in [offset, end).
    void forget(std::uint32_t origin, std::int32_t offset, std::int32_t end);
    [[nodiscard]] std::span<const Slot> slots() const { return slots_; }

    static constexpr std::size_t max_slots = 256;

  private:
    friend class ValueFlow;
    /// Indices of slots.
    struct Range {
        std::size_t first, last;
    };
    [[nodiscard]] std::size_t first_from(std::uint32_t origin, std::int32_t offset) const;
    /// The slots that share bytes with [offset, end).
    [[nodiscard]] Range overlapping(std::uint32_t origin, std::int32_t offset, std::int32_t end) const;
    void erase(Range range);
    void insert(std::uint32_t origin, std::int32_t offset, std::int32_t end, const Value& value);

    std::vector<Slot> slots_; ///< by origin and offset; none overlaps another
    bool full_ = false;       ///< more was written than is kept: what is not found is not known
};

/// Follows values through a function: constants, arguments, and what the image holds, through registers and stack.
class ValueFlow {
  public:
    /// What the flow must be told of the world outside of the function.
    struct Surroundings {
        /// Bytes that the callee of a call removes from the stack; nothing where nobody knows. Asked on x86 only.
        std::function<std::optional<std::uint32_t>(const Step&, const FlowState&)> bytes_popped;
    };

    ValueFlow(const FlowGraph& graph, const Machine& machine, const FlatImage& image, std::uint64_t base,
              const Surroundings& surroundings);

    /// Visits the calls and the jumps that leave the function, by RVA, each with the state before it.
    using Visit = std::function<void(const Step& step, const FlowState& state)>;
    void visit(const Visit& visit);

    /// What a value can be: constants, what came in, or what the image holds. Empty when that is not known.
    [[nodiscard]] std::vector<Value> choices(const Value& value) const;
    /// The value that the function found in `place` at its begin, as a caller has it at `step`.
    [[nodiscard]] Value at_entry_of_callee(const FlowState& state, const Step& step, const Value& place) const;
    /// What a place states, at a step's begin.
    [[nodiscard]] Value read(const FlowState& state, const Place& place) const;
    /// The stack pointer is what it was where the function begins.
    [[nodiscard]] bool at_entry_depth(const FlowState& state) const;

  private:
    static constexpr std::uint8_t sp = 4, bp = 5;

    void run(std::uint32_t first);
    [[nodiscard]] bool is_visited(const Step& step, const FlowBlock& block) const;
    void apply(FlowState& state, const Step& step) const;
    void apply_call(FlowState& state, const Step& step) const;
    void write(FlowState& state, const Place& place, Value value, std::uint32_t rva) const;
    void move_stack(FlowState& state, std::int64_t by) const;
    [[nodiscard]] Value combine(Action action, const Value& left, const Value& right, unsigned size) const;
    [[nodiscard]] Value address_of(const FlowState& state, const Place& place) const;
    [[nodiscard]] Value join(const Value& left, const Value& right) const;
    /// False when nothing changed.
    bool join(FlowState& into, const FlowState& from, std::uint32_t block) const;

    const FlowGraph& graph_;
    const Machine& machine_;
    const FlatImage& image_;
    std::uint64_t base_;
    const Surroundings& surroundings_;
    std::vector<std::optional<FlowState>> states_; ///< by block, at its begin
    mutable std::vector<std::vector<Value>> sets_; ///< of `several`
};

} // namespace poolkd::code
