#pragma once

#include "support/fake_symbols.h"
#include "support/fake_target.h"

#include <map>
#include <string_view>

namespace poolkd::testing {

/// Records of processes and threads, in the layout of no kernel, in the memory of a fake x64 target.
class FakeProcesses {
  public:
    static constexpr std::uint32_t type = 0, directory_base = 0x28, threads_of_process = 0x30, process_id = 0x80,
                                   process_links = 0x88, parent_id = 0x98, image_name = 0xa0, session = 0xb0,
                                   object_table = 0xb8, process_bytes = 0x100;
    static constexpr std::uint32_t initial_stack = 0x28, stack_limit = 0x30, kernel_stack = 0x58, apc_state = 0x98,
                                   thread_state = 0x184, wait_reason = 0x185, owner = 0x190, thread_links = 0x1a0,
                                   thread_id = 0x200, start_address = 0x210, thread_bytes = 0x240;
    static constexpr std::uint32_t process_in_apc_state = 0x20;

    /// The list's head is nt!PsActiveProcessHead at this offset of the kernel.
    static constexpr std::uint32_t head_rva = 0x3000;

    FakeProcesses(FakeMemory& memory, FakeSymbols& symbols, VirtAddr kernel_base)
        : memory_(memory), head_(kernel_base + head_rva) {
        symbols.add("PsActiveProcessHead", head_rva);
        add_layout(symbols, "_DISPATCHER_HEADER", 0x18, {{"Type", type, 1}});
        add_layout(symbols, "_KPROCESS", 0x60,
                   {{"DirectoryTableBase", directory_base, 8}, {"ThreadListHead", threads_of_process, 16}});
        add_layout(symbols, "_EPROCESS", process_bytes,
                   {{"UniqueProcessId", process_id, 8},
                    {"ActiveProcessLinks", process_links, 16},
                    {"InheritedFromUniqueProcessId", parent_id, 8},
                    {"ImageFileName", image_name, 15},
                    {"SessionId", session, 4},
                    {"ObjectTable", object_table, 8}});
        add_layout(symbols, "_KTHREAD", 0x200,
                   {{"InitialStack", initial_stack, 8},
                    {"StackLimit", stack_limit, 8},
                    {"KernelStack", kernel_stack, 8},
                    {"ApcState", apc_state, 0x30},
                    {"State", thread_state, 1},
                    {"WaitReason", wait_reason, 1},
                    {"Process", owner, 8},
                    {"ThreadListEntry", thread_links, 16}});
        add_layout(symbols, "_KAPC_STATE", 0x30, {{"Process", process_in_apc_state, 8}});
        add_layout(symbols, "_ETHREAD", thread_bytes, {{"Cid", thread_id, 16}, {"StartAddress", start_address, 8}});
        add_layout(symbols, "_KPRCB", 0x100, {{"CurrentThread", 8, 8}});
        begin_list(head_);
    }

    void add_process(VirtAddr at, std::uint64_t id, std::string_view name, std::uint64_t cr3 = 0x1000) {
        memory_.map(at, process_bytes);
        memory_.put(at, {3});
        memory_.put_value(at + directory_base, cr3);
        begin_list(at + threads_of_process);
        memory_.put_value(at + process_id, id);
        memory_.put(at + image_name, name);
        append(head_, at + process_links);
    }
    /// One that waits for a time, with its registers in the frame of a switch at `stack`.
    void add_thread(VirtAddr at, VirtAddr process, std::uint64_t id, VirtAddr stack, VirtAddr ip) {
        memory_.map(at, thread_bytes);
        memory_.put(at, {6});
        memory_.put_value(at + initial_stack, (stack + 0x100).value);
        memory_.put_value(at + kernel_stack, stack.value);
        memory_.put_value(at + apc_state + process_in_apc_state, process.value);
        memory_.put(at + thread_state, {5, 4});
        memory_.put_value(at + owner, process.value);
        memory_.put_value(at + thread_id, memory_.value<std::uint64_t>(process + process_id).value_or(0));
        memory_.put_value(at + thread_id + 8, id);
        memory_.map(stack, 0x100);
        memory_.put_value(stack + 0x30, std::uint64_t{0x77}); // rbp
        memory_.put_value(stack + 0x38, ip.value);
        append(process + threads_of_process, at + thread_links);
    }
    /// Puts a link in the place of the one that leads forward from a process.
    void set_next_process(VirtAddr process, VirtAddr link) { memory_.put_value(process + process_links, link.value); }

  private:
    struct Member {
        std::string_view name;
        std::uint32_t offset;
        std::uint64_t size;
    };
    static void add_layout(FakeSymbols& symbols, std::string name, std::uint64_t size, std::vector<Member> members) {
        symbols::StructLayout layout{std::move(name), size, false, {}};
        for (const Member& member : members)
            layout.fields.push_back({std::string(member.name), member.offset, 0, 0, number(member.size)});
        symbols.add(std::move(layout));
    }
    void begin_list(VirtAddr head) {
        memory_.put_value(head, head.value);
        memory_.put_value(head + 8, head.value);
    }
    void append(VirtAddr head, VirtAddr link) {
        const VirtAddr last(memory_.value<std::uint64_t>(head + 8).value_or(0));
        memory_.put_value(link, head.value);
        memory_.put_value(link + 8, last.value);
        memory_.put_value(last, link.value);
        memory_.put_value(head + 8, link.value);
    }

    FakeMemory& memory_;
    VirtAddr head_;
};

} // namespace poolkd::testing
