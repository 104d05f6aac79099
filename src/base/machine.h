#pragma once

#include "base/address.h"
#include "base/bytes.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace poolkd {

/// Where the kernel's half of the address space begins: of x86 too, since its addresses are sign-extended.
inline constexpr VirtAddr first_system_address{0x8000'0000'0000'0000};

/// Where one register lies in the machine's CONTEXT record. Offset and size in bytes.
struct RegisterSlot {
    std::string_view name; ///< lower case, as kd names it
    std::uint16_t offset;
    std::uint8_t size;
};

/// A part of a register (eax of rax, al of rax) or a flag bit of efl.
struct SubRegister {
    std::string_view name;
    std::string_view parent;
    std::uint8_t shift;
    std::uint8_t bits;
};

/// What the processor and NT's CONTEXT fix for one architecture. The one place where 32-bit addresses are
/// sign-extended. Source of the offsets: kd-protocol reference 7 (public headers, confirmed by captures).
struct Machine {
    std::string_view name;       ///< "x64", "x86"
    std::string_view kd_name;    ///< as kd's banners call it: "x64", "x86 compatible"
    std::uint16_t image_machine; ///< IMAGE_FILE_MACHINE_*: 0x8664, 0x14c
    std::uint8_t pointer_size;   ///< bytes
    std::uint32_t page_size;
    std::uint32_t context_size;           ///< bytes of CONTEXT
    std::uint32_t context_core_size;      ///< the leading part that holds every integer, control and segment register
    std::string_view instruction_pointer; ///< register names
    std::string_view stack_pointer;
    std::string_view frame_pointer;
    std::string_view flags;
    std::string_view result;       ///< what a function returns
    std::string_view break_status; ///< why the kernel's own break-in routine stops (DBG_STATUS_*; lower 32 bits)
    std::span<const RegisterSlot> registers;
    std::span<const SubRegister> sub_registers;
    std::span<const RegisterSlot> special_registers; ///< in KSPECIAL_REGISTERS: control and live debug registers
    std::uint32_t special_size;                      ///< bytes of the longest KSPECIAL_REGISTERS known

    [[nodiscard]] const RegisterSlot* find_register(std::string_view lower_case_name) const;
    [[nodiscard]] const SubRegister* find_sub_register(std::string_view lower_case_name) const;
    [[nodiscard]] const RegisterSlot* find_special(std::string_view lower_case_name) const;
    /// A register of a KSPECIAL_REGISTERS record; nothing for an unknown name, or when the record is too short for it.
    [[nodiscard]] std::optional<std::uint64_t> special(Bytes record, std::string_view lower_case_name) const;
    /// An address as this machine forms it: sign-extended from 32 bits where pointers have 4 bytes.
    [[nodiscard]] VirtAddr canonical(std::uint64_t value) const;
};

/// The machine for an IMAGE_FILE_MACHINE number, or null for one we cannot debug.
const Machine* find_machine(std::uint16_t image_machine);
const Machine& x64_machine();
const Machine& x86_machine();

/// A CONTEXT record of one machine, with registers by name.
class RegisterFile {
  public:
    RegisterFile() = default;
    RegisterFile(const Machine& machine, ByteVector context) : machine_(&machine), context_(std::move(context)) {}

    [[nodiscard]] const Machine& machine() const { return *machine_; }
    [[nodiscard]] bool valid() const { return machine_ != nullptr; }
    [[nodiscard]] Bytes bytes() const { return context_; }

    /// A register or part of one (case does not matter); nothing for an unknown name.
    [[nodiscard]] std::optional<std::uint64_t> get(std::string_view name) const;
    /// Sets a register or part of one; false for an unknown name.
    bool set(std::string_view name, std::uint64_t value);

    [[nodiscard]] VirtAddr ip() const { return machine_->canonical(get(machine_->instruction_pointer).value_or(0)); }
    [[nodiscard]] VirtAddr sp() const { return machine_->canonical(get(machine_->stack_pointer).value_or(0)); }
    void set_ip(VirtAddr ip) { set(machine_->instruction_pointer, ip.value); }

  private:
    const Machine* machine_ = nullptr;
    ByteVector context_;
};

} // namespace poolkd
