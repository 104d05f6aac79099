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
        behind,         ///< what lies `number` bytes behind the address that the image holds at `where`
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
        std::optional<std::uint32_t> table{}; ///< RVA of a pointer to a table whose entries are of interest: `behind`
    };

    ValueFlow(const Machine& machine, const FlatImage& image, std::uint64_t base, const Surroundings& surroundings)
        : machine_(machine), image_(image), base_(base), surroundings_(surroundings) {}

    /// Whether a step has to be visited, as far as shows without values.
    using IsWanted = std::function<bool(const FlowGraph& graph, const Step& step)>;
    using Visit = std::function<void(const Step& step, const FlowState& state)>;
    /// Visits those of a function's calls, and of the jumps that leave it, that are wanted: by RVA, each with the state
    /// before it. What leads to none of them is not followed. False where the function is too much to be followed:
    /// then nothing is visited.
    bool visit(const FlowGraph& graph, const IsWanted& is_wanted, const Visit& visit);
    /// Work done so far, about one for each step that was followed.
    [[nodiscard]] std::uint64_t effort() const { return effort_; }

    /// What a value can be: constants, what came in, or what the image holds. Empty when that is not known.
    [[nodiscard]] std::vector<Value> choices(const Value& value) const;
    /// The value that the function found in `place` at its begin, as a caller has it at `step`.
    [[nodiscard]] Value at_entry_of_callee(const FlowState& state, const Step& step, const Value& place) const;
    /// What a place states, at a step's begin.
    [[nodiscard]] Value read(const FlowState& state, const Place& place) const;

  private:
    static constexpr std::uint8_t sp = 4, bp = 5;

    [[nodiscard]] std::span<const Step> steps_of(const FlowBlock& block) const {
        return std::span(graph_->steps).subspan(block.first, block.count);
    }
    void find_wanted(const IsWanted& is_wanted);
    void want_first_call();
    void want_what_leads_there();
    bool follow();
    bool follow_orphans();
    bool run(std::uint32_t first);
    [[nodiscard]] Value frame_of_first_call();
    void visit_wanted(const Visit& visit);
    void apply(FlowState& state, const Step& step) const;
    void apply_call(FlowState& state, const Step& step) const;
    void write(FlowState& state, const Place& place, Value value, std::uint32_t rva) const;
    void move_stack(FlowState& state, std::int64_t by) const;
    [[nodiscard]] Value combine(Action action, const Value& left, const Value& right, unsigned size) const;
    [[nodiscard]] Value address_of(const FlowState& state, const Place& place) const;
    [[nodiscard]] Value join(const Value& left, const Value& right) const;
    /// What a value can be, without a copy; good until the next join.
    [[nodiscard]] std::span<const Value> choices_in(const Value& value) const;
    /// False when nothing changed.
    bool join(FlowState& into, const FlowState& from, std::uint32_t block) const;

    const Machine& machine_;
    const FlatImage& image_;
    std::uint64_t base_;
    const Surroundings& surroundings_;
    mutable std::uint64_t effort_ = 0;

    // Of the function that is visited; kept for the next one, since most of the time would go into their memory.
    const FlowGraph* graph_ = nullptr;
    std::vector<std::uint32_t> visited_; ///< indices of the steps that are wanted
    std::vector<bool> wanted_;           ///< by block: one of these can be reached from it
    std::vector<bool> reached_;          ///< by block: there is a state
    std::vector<FlowState> states_;      ///< by block, at its begin
    std::size_t kept_slots_ = 0;         ///< of all states
    std::uint64_t effort_limit_ = 0;
    mutable std::vector<std::vector<Value>> sets_; ///< of `several`
    mutable std::vector<Value> passed_;            ///< addresses that a callee is given
};

} // namespace poolkd::code
