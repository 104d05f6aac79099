#include "nt/thread_registers.h"

#include "base/text.h"

#include <span>

namespace poolkd::nt {

namespace {

struct Member {
    std::string_view register_name;
    std::string_view name;
    std::uint32_t offset; ///< where the symbols lack the structure: the same in every kernel of the machine
    std::uint8_t size;
};

// Public symbols of _KTRAP_FRAME; the trap handlers are written around these offsets.
constexpr Member trap_frame_x64[] = {
    {"rax", "Rax", 0x30, 8},   {"rcx", "Rcx", 0x38, 8},     {"rdx", "Rdx", 0x40, 8},   {"r8", "R8", 0x48, 8},
    {"r9", "R9", 0x50, 8},     {"r10", "R10", 0x58, 8},     {"r11", "R11", 0x60, 8},   {"rbx", "Rbx", 0x140, 8},
    {"rdi", "Rdi", 0x148, 8},  {"rsi", "Rsi", 0x150, 8},    {"rbp", "Rbp", 0x158, 8},  {"rip", "Rip", 0x168, 8},
    {"cs", "SegCs", 0x170, 2}, {"efl", "EFlags", 0x178, 4}, {"rsp", "Rsp", 0x180, 8},  {"ss", "SegSs", 0x188, 2},
    {"ds", "SegDs", 0x130, 2}, {"es", "SegEs", 0x132, 2},   {"fs", "SegFs", 0x134, 2}, {"gs", "SegGs", 0x136, 2},
};
constexpr Member trap_frame_x86[] = {
    {"gs", "SegGs", 0x30, 4}, {"es", "SegEs", 0x34, 4},   {"ds", "SegDs", 0x38, 4}, {"edx", "Edx", 0x3c, 4},
    {"ecx", "Ecx", 0x40, 4},  {"eax", "Eax", 0x44, 4},    {"fs", "SegFs", 0x50, 4}, {"edi", "Edi", 0x54, 4},
    {"esi", "Esi", 0x58, 4},  {"ebx", "Ebx", 0x5c, 4},    {"ebp", "Ebp", 0x60, 4},  {"eip", "Eip", 0x68, 4},
    {"cs", "SegCs", 0x6c, 4}, {"efl", "EFlags", 0x70, 4},
};
constexpr Member pushed_esp_x86{"esp", "HardwareEsp", 0x74, 4}, pushed_ss_x86{"ss", "HardwareSegSs", 0x78, 4},
    edited_esp_x86{"esp", "TempEsp", 0x14, 4};

// What the switch between threads pushes (ketypes.h of ReactOS).
constexpr Member switch_frame_x64[] = {{"rbp", "Rbp", 0x30, 8}, {"rip", "Return", 0x38, 8}};
constexpr Member switch_frame_x86[] = {{"eip", "RetAddr", 0x8, 4}};
constexpr std::uint32_t switch_frame_bytes_x64 = 0x40, switch_frame_bytes_x86 = 0xc;

/// Where the kernel's symbols say a member is, or else where every kernel has it.
std::uint32_t offset_of(const Layout* layout, const Member& member) {
    if (layout)
        if (auto offset = layout->offset(member.name)) return *offset;
    return member.offset;
}

const Layout* layout_or_null(Kernel& kernel, std::string_view type) {
    auto layout = kernel.layout(type);
    return layout ? *layout : nullptr;
}

Result<std::uint64_t> read_member(Kernel& kernel, const Layout* layout, VirtAddr record, const Member& member) {
    return memory::read_unsigned(kernel.memory(), record + offset_of(layout, member), member.size);
}

Result<void> take(Kernel& kernel, const Layout* layout, VirtAddr record, std::span<const Member> members,
                  RegisterFile& registers) {
    for (const Member& member : members) {
        POOLKD_TRY(const std::uint64_t value, read_member(kernel, layout, record, member));
        registers.set(member.register_name, value);
    }
    return {};
}

RegisterFile kernel_registers(const Machine& machine) {
    RegisterFile registers(machine, ByteVector(machine.context_size));
    registers.set("cs", machine.pointer_size == 8 ? 0x10 : 0x08);
    registers.set("ss", machine.pointer_size == 8 ? 0x18 : 0x10);
    return registers;
}

Result<RegisterFile> switched_registers(Kernel& kernel, const Thread& thread) {
    const Machine& machine = kernel.machine();
    const std::string name = format_address(thread.address.value, machine.pointer_size);
    if (!thread.stack_resident)
        return fail(ErrorKind::unreadable, "The kernel stack of thread {} is not resident", name);
    const VirtAddr frame = thread.kernel_stack;
    if (!frame) return fail(ErrorKind::not_found, "Thread {} has no kernel stack", name);
    RegisterFile registers = kernel_registers(machine);
    if (machine.pointer_size == 8) {
        const Layout* layout = layout_or_null(kernel, "_KSWITCH_FRAME");
        POOLKD_CHECK(take(kernel, layout, frame, switch_frame_x64, registers));
        registers.set("rsp", frame.value + (layout ? layout->size() : switch_frame_bytes_x64));
        return registers;
    }
    const Layout* layout = layout_or_null(kernel, "_KSWITCHFRAME");
    POOLKD_CHECK(take(kernel, layout, frame, switch_frame_x86, registers));
    const VirtAddr above = frame + (layout ? layout->size() : switch_frame_bytes_x86);
    registers.set("esp", above.value);
    // The caller pushed ebp last; a thread that never ran has something else there, which is no place on its stack.
    if (auto ebp = kernel.read_pointer(above); ebp && *ebp > above && *ebp < thread.initial_stack)
        registers.set("ebp", ebp->value);
    return registers;
}

} // namespace

Result<RegisterFile> thread_registers(Kernel& kernel, const Thread& thread) {
    if (thread.processor) return kernel.target().registers(*thread.processor);
    return switched_registers(kernel, thread);
}

Result<RegisterFile> trap_frame_registers(Kernel& kernel, VirtAddr frame) {
    const Machine& machine = kernel.machine();
    const Layout* layout = layout_or_null(kernel, "_KTRAP_FRAME");
    RegisterFile registers(machine, ByteVector(machine.context_size));
    if (machine.pointer_size == 8) {
        POOLKD_CHECK(take(kernel, layout, frame, trap_frame_x64, registers));
        return registers;
    }
    POOLKD_CHECK(take(kernel, layout, frame, trap_frame_x86, registers));
    constexpr std::uint64_t virtual_8086 = 0x20000, privilege = 3, selector_bits = 0xfff8;
    const std::uint64_t cs = registers.get("cs").value_or(0), flags = registers.get("efl").value_or(0);
    if ((cs & privilege) != 0 || (flags & virtual_8086) != 0) {
        POOLKD_CHECK(take(kernel, layout, frame, std::span(&pushed_esp_x86, 1), registers));
        POOLKD_CHECK(take(kernel, layout, frame, std::span(&pushed_ss_x86, 1), registers));
        return registers;
    }
    // The processor pushes no stack pointer without a change of stacks: the stack went on above the frame. One that
    // was edited has its new value, and the code segment, elsewhere.
    registers.set("ss", 0x10);
    if ((cs & selector_bits) == 0) {
        POOLKD_CHECK(take(kernel, layout, frame, std::span(&edited_esp_x86, 1), registers));
        return registers;
    }
    registers.set("esp", (frame + offset_of(layout, pushed_esp_x86)).value);
    return registers;
}

Result<RegisterFile> context_record_registers(Kernel& kernel, VirtAddr record) {
    const Machine& machine = kernel.machine();
    // ContextFlags names the machine: CONTEXT_AMD64, CONTEXT_i386 (winnt.h).
    const bool wide = machine.pointer_size == 8;
    const std::uint32_t flags_offset = wide ? 0x30 : 0;
    const std::uint64_t machine_flag = wide ? 0x100000 : 0x10000;
    constexpr std::uint64_t known_flags = 0x1f, machine_bits = 0x00ff0000;
    ByteVector bytes(machine.context_size);
    // What lies behind the core is not shown; a record at the end of a page may be cut there.
    POOLKD_CHECK(memory::read_exact(kernel.memory(), record, MutableBytes(bytes).first(machine.context_core_size)));
    (void)kernel.memory().read(record + machine.context_core_size,
                               MutableBytes(bytes).subspan(machine.context_core_size));
    const std::uint64_t flags = load_unsigned(bytes, flags_offset, 4).value_or(0);
    if ((flags & machine_bits) != machine_flag || (flags & known_flags) == 0)
        return fail_at(record, ErrorKind::malformed,
                       fmt::format("{} is not a CONTEXT record of {}: its ContextFlags are {:08x}",
                                   format_address(record.value, machine.pointer_size), machine.name, flags));
    return RegisterFile(machine, std::move(bytes));
}

} // namespace poolkd::nt
