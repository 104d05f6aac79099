#pragma once

#include "base/machine.h"
#include "memory/memory.h"

namespace poolkd::nt {

/// KDDEBUGGER_DATA64, the block in which the kernel publishes addresses of its variables to debuggers. Offsets and
/// meaning: public header wdbgexts.h, kd-protocol reference 6.3. Fields past the block's own Size are absent.
class Kdbg {
  public:
    static constexpr std::uint32_t tag = 0x4742444b; ///< "KDBG", at `tag_at`
    static constexpr std::uint32_t tag_at = 0x10;

    /// Offsets of fields that hold addresses or values of 8 bytes.
    enum Field : std::uint32_t {
        kernel_base = 0x18,
        breakpoint_with_status = 0x20,
        loaded_module_list = 0x48,
        active_process_head = 0x50,
        bugcheck_data = 0x88,
        pool_track_table = 0x1b8,
        nt_build_lab = 0x208,
        processor_block = 0x218,
        unloaded_drivers = 0x220,
        last_unloaded_driver = 0x228,
        paged_pool_start = 0x120,
        paged_pool_end = 0x128,
        nonpaged_pool_start = 0x110,
        nonpaged_pool_end = 0x118,
        paged_pool_information = 0x130,
        maximum_nonpaged_pool = 0x100, ///< variable, bytes
        size_of_paged_pool = 0x140,    ///< variable, bytes
        total_commit_limit = 0x148,    ///< variable, pages
        total_committed = 0x150,       ///< variable, pages
        available_pages = 0x1a8,       ///< variable, pages
        pfn_database = 0xc0,           ///< variable, pointer
        physical_memory_block = 0x270, ///< variable, pointer
        peak_commitment = 0x258,       ///< variable, pages
    };

    /// Offsets of fields of 2 bytes, themselves offsets of members of KPRCB.
    enum Offset : std::uint32_t {
        state_context = 0x2bc,     ///< ProcessorState.ContextFrame
        special_registers = 0x2f2, ///< ProcessorState.SpecialRegisters
        context = 0x338,           ///< Context, a pointer
    };

    /// What a kernel that hides its block has it hidden with: three of its variables (kd-protocol reference 6.5).
    struct Encoding {
        std::uint64_t wait_never = 0, wait_always = 0; ///< values of KiWaitNever, KiWaitAlways
        VirtAddr flag;                                 ///< address of KdpDataBlockEncoded
        [[nodiscard]] std::uint64_t decode(std::uint64_t word) const;
    };

    /// Walks the list of blocks at `list_head` (bounded) to the one tagged KDBG. Errors: unreadable; kind `not_found`
    /// when no block bears the tag (it is encoded, or the list is empty).
    static Result<Kdbg> find(memory::AddressSpace& memory, VirtAddr list_head, const Machine& machine);
    /// The block at `address`. Errors: unreadable; kind `not_found` when it does not bear the tag.
    static Result<Kdbg> at(memory::AddressSpace& memory, VirtAddr address, const Machine& machine);
    /// The encoded block at `address`. Errors: unreadable; kind `malformed` when it does not decode to one.
    static Result<Kdbg> decode(memory::AddressSpace& memory, VirtAddr address, const Encoding& encoding,
                               const Machine& machine);

    [[nodiscard]] VirtAddr address() const { return address_; }
    [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(bytes_.size()); }
    /// The field's value, sign-extended where the machine's addresses are (32-bit kernels fill the 8 bytes either way);
    /// nothing when the block is too short for it or holds zero.
    [[nodiscard]] std::optional<VirtAddr> value(Field field) const;
    /// Nothing when the block is too short for it or holds zero.
    [[nodiscard]] std::optional<std::uint16_t> offset(Offset field) const;

  private:
    const Machine* machine_ = nullptr;
    VirtAddr address_;
    ByteVector bytes_;
};

} // namespace poolkd::nt
