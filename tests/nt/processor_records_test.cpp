#include "dumps/image.h"
#include "nt/image_processors.h"
#include "nt/processor_records.h"

#include <gtest/gtest.h>

namespace poolkd::nt::processor_records_test {
namespace {

constexpr std::uint64_t base = 0xfffff80000000000, kdbg = base + 0x1000, array = base + 0x1800;
constexpr std::uint64_t blocks[] = {base + 0x2000, base + 0x3000, base + 0x4000};
constexpr std::uint64_t state_context = 0x100, special = 0x700, context_pointer = 0x20, apart = base + 0x5fc0;
constexpr std::uint64_t code = base + 0x1f00, stack = base + 0x1e00;
constexpr std::size_t memory_bytes = 32 * 4096, flags_at = 0x30, rip_at = 0xf8, rsp_at = 0x98;

/// One page lies elsewhere than its neighbours.
std::uint64_t physical(std::uint64_t address) {
    const std::uint64_t offset = address - base;
    return offset / 0x1000 == 6 ? 0x14000 + offset : 0x8000 + offset;
}

/// A machine with three processors: the record of the first is old, the second has one elsewhere that lies across two
/// pages and was never filled, the third has a pointer that leads to something else.
ByteVector machine_memory() {
    ByteVector bytes(memory_bytes);
    auto put = [&](std::uint64_t at, auto value) { store(MutableBytes(bytes), at, value); };
    put(0x1000 + 8 * 0x1f0, std::uint64_t{0x2003});
    put(0x2000, std::uint64_t{0x3003});
    put(0x3000, std::uint64_t{0x4003});
    for (std::uint64_t i = 0; i < 8; ++i)
        put(0x4000 + 8 * i, physical(base + i * 0x1000) | 3);
    put(physical(kdbg) + 0x10, std::uint32_t{0x4742444b});
    put(physical(kdbg) + 0x14, std::uint32_t{0x340});
    put(physical(kdbg) + 0x218, array);
    put(physical(kdbg) + 0x2bc, static_cast<std::uint16_t>(state_context));
    put(physical(kdbg) + 0x2f2, static_cast<std::uint16_t>(special));
    put(physical(kdbg) + 0x338, static_cast<std::uint16_t>(context_pointer));
    for (std::size_t i = 0; i < std::size(blocks); ++i)
        put(physical(array) + 8 * i, blocks[i]);
    put(physical(blocks[0]) + context_pointer, blocks[0] + state_context);
    put(physical(blocks[0]) + state_context + flags_at, std::uint32_t{0x10001f});
    put(physical(blocks[0]) + state_context + rip_at, code + 1);
    put(physical(blocks[0]) + state_context + rsp_at, stack + 8);
    put(physical(blocks[0]) + state_context + 0x200, std::uint64_t{0x1234}); // behind the core
    put(physical(blocks[0]) + special + 0x10, std::uint64_t{0x1000});        // CR3
    put(physical(blocks[1]) + context_pointer, apart);
    put(physical(blocks[2]) + context_pointer, base + 0x7000);
    for (std::uint64_t at = 0; at < 0x1000; at += 8)
        put(physical(base + 0x7000) + at, 0x7171717171717171);
    return bytes;
}

dumps::ProcessorState state_of(std::uint64_t number) {
    RegisterFile registers(x64_machine(), ByteVector(x64_machine().context_size));
    registers.set_ip(VirtAddr(code + 0x10 * number));
    registers.set("rsp", stack + 0x10 * number);
    registers.set("rbx", 0xb0 + number);
    dumps::ProcessorState state;
    state.context.assign(registers.bytes().begin(), registers.bytes().end());
    state.special.resize(0x100);
    store(MutableBytes(state.special), 0x10, std::uint64_t{0x1000} + 0x8000 * number);
    return state;
}

struct Machine3 {
    /// `header`: the CONTEXT in a crash dump's header.
    explicit Machine3(ByteVector bytes, ByteVector header = {}) {
        auto image = *dumps::open_image(dumps::ImageFile::from_bytes(std::move(bytes), "memory.raw"));
        image.facts.context = std::move(header);
        target = *target::DumpTarget::from_image(std::move(image));
        target->use_page_tables({&x64_machine(), 0x1000, 0});
        target->use_kernel(VirtAddr(base), {}, VirtAddr(kdbg));
    }
    /// Its memory with what is put there, all of it.
    ByteVector written(std::size_t& processors) {
        Kernel kernel(*target, [](Module&) {});
        kernel.reload();
        memory::PatchedMemory memory(target->physical());
        processors = put_registers(kernel, memory);
        ByteVector bytes(memory_bytes);
        EXPECT_EQ(memory.read(PhysAddr(0), bytes).bytes, bytes.size());
        return bytes;
    }
    std::unique_ptr<target::DumpTarget> target;
};

TEST(ProcessorRecords, RegistersOfAllProcessorsAreWrittenWhereTheKernelKeepsThem) {
    Machine3 machine(machine_memory());
    machine.target->use_processors({state_of(0), state_of(1), state_of(2)});
    std::size_t processors = 0;
    const ByteVector bytes = machine.written(processors);
    EXPECT_EQ(processors, 3u);
    for (std::uint64_t i = 0; i < 3; ++i) {
        SCOPED_TRACE(i);
        const std::uint64_t at = physical(blocks[i]) + state_context;
        EXPECT_EQ(load_or<std::uint64_t>(bytes, at + rip_at), code + 0x10 * i);
        EXPECT_EQ(load_or<std::uint64_t>(bytes, at + rsp_at), stack + 0x10 * i);
        EXPECT_EQ(load_or<std::uint32_t>(bytes, at + flags_at), 0x100007u);
    }
    EXPECT_EQ(load_or<std::uint64_t>(bytes, physical(apart + rip_at)), code + 0x10);
    EXPECT_EQ(load_or<std::uint32_t>(bytes, physical(apart + flags_at)), 0x100007u);
    EXPECT_EQ(load_or<std::uint64_t>(bytes, physical(blocks[0]) + state_context + 0x200), 0x1234u);
    EXPECT_EQ(load_or<std::uint64_t>(bytes, physical(base + 0x7000) + rip_at), 0x7171717171717171u)
        << "a damaged pointer led there";
    // The special registers that the kernel has itself are more than a container knows.
    EXPECT_EQ(load_or<std::uint64_t>(bytes, physical(blocks[0]) + special + 0x10), 0x1000u);
    EXPECT_EQ(load_or<std::uint64_t>(bytes, physical(blocks[1]) + special + 0x10), 0x9000u);

    Machine3 again(bytes);
    KernelPlace place;
    place.debugger_data = VirtAddr(kdbg);
    EXPECT_EQ(adopt_processors(*again.target, place), 3u);
    for (std::uint32_t i = 0; i < 3; ++i) {
        const auto registers = again.target->registers(i);
        ASSERT_TRUE(registers) << i;
        EXPECT_EQ(registers->ip(), VirtAddr(code + 0x10 * i));
        EXPECT_EQ(registers->get("rbx"), 0xb0u + i);
    }
}

TEST(ProcessorRecords, WhatIsNotKnownStaysAsItIs) {
    Machine3 machine(machine_memory());
    machine.target->use_processors({{}, state_of(1), {}});
    std::size_t processors = 0;
    const ByteVector bytes = machine.written(processors), before = machine_memory();
    EXPECT_EQ(processors, 1u);
    EXPECT_EQ(load_or<std::uint64_t>(bytes, physical(blocks[0]) + state_context + rip_at), code + 1);
    EXPECT_TRUE(std::equal(before.begin() + 0xc000, before.begin() + 0xd000, bytes.begin() + 0xc000)); // the third's

    ByteVector without(machine_memory());
    store(MutableBytes(without), physical(kdbg) + 0x10, std::uint32_t{0});
    Machine3 unknown(without);
    unknown.target->use_processors({state_of(0)});
    EXPECT_EQ(unknown.written(processors), without);
    EXPECT_EQ(processors, 0u) << "there is no block that tells where";
}

TEST(ProcessorRecords, OneThatIsNotThereToItsEndStaysWhole) {
    ByteVector memory = machine_memory();
    const std::uint64_t place = base + 0x7f00; // the core ends with the last page that is mapped
    store(MutableBytes(memory), physical(blocks[2]) + context_pointer, place);
    store(MutableBytes(memory), physical(place) + flags_at, std::uint32_t{0x10001f});
    Machine3 machine(memory);
    dumps::ProcessorState state = state_of(2);
    store(MutableBytes(state.context), flags_at, std::uint32_t{0x10005f}); // so all of it is written
    machine.target->use_processors({{}, {}, state});
    std::size_t processors = 0;
    const ByteVector bytes = machine.written(processors);
    EXPECT_EQ(processors, 1u);
    EXPECT_EQ(load_or<std::uint64_t>(bytes, physical(blocks[2]) + state_context + rip_at), code + 0x20);
    EXPECT_EQ(load_or<std::uint64_t>(bytes, physical(place) + rip_at),
              load_or<std::uint64_t>(memory, physical(place) + rip_at));
    EXPECT_EQ(load_or<std::uint32_t>(bytes, physical(place) + flags_at), 0x10001fu);
}

TEST(ProcessorRecords, TheHeadersRegistersAreOfTheOnlyProcessorOrOfNoneKnown) {
    std::size_t processors = 0;
    const std::uint64_t rip = physical(blocks[0]) + state_context + rip_at;
    Machine3 several(machine_memory(), state_of(7).context);
    several.target->use_processors({{}, state_of(1), state_of(2)});
    EXPECT_EQ(several.target->registers(0)->ip(), VirtAddr(code + 0x70));
    EXPECT_EQ(load_or<std::uint64_t>(several.written(processors), rip), code + 1);
    EXPECT_EQ(processors, 2u);

    Machine3 one(machine_memory(), state_of(7).context);
    one.target->use_processors({{}});
    EXPECT_EQ(load_or<std::uint64_t>(one.written(processors), rip), code + 0x70);
    EXPECT_EQ(processors, 1u);
}

} // namespace
} // namespace poolkd::nt::processor_records_test
