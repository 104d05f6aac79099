#include "nt/image_processors.h"

#include <gtest/gtest.h>

namespace poolkd::nt::image_processors_test {
namespace {

constexpr std::uint64_t base = 0xfffff80000000000;
constexpr std::uint64_t kdbg = base + 0x1000, array = base + 0x1800, block = base + 0x2000, context_at = 0x100;

/// Pages 4 to 7 of memory at `base`: stack, KDBG and the array, a processor block, code.
ByteVector memory_with_a_processor() {
    ByteVector bytes(16 * 4096);
    auto put = [&](std::uint64_t at, auto value) { store(MutableBytes(bytes), at, value); };
    auto virt = [](std::uint64_t address) { return 0x4000 + (address - base); };
    put(0x1000 + 8 * 0x1f0, std::uint64_t{0x2003});
    put(0x2000, std::uint64_t{0x3003});
    put(0x3000, std::uint64_t{0x8003});
    for (std::uint64_t i = 0; i < 4; ++i)
        put(0x8000 + 8 * i, 0x4003 + i * 0x1000);
    put(virt(kdbg) + 0x10, std::uint32_t{0x4742444b});
    put(virt(kdbg) + 0x14, std::uint32_t{0x340});
    put(virt(kdbg) + 0x218, array);
    put(virt(kdbg) + 0x2bc, static_cast<std::uint16_t>(context_at));
    put(virt(kdbg) + 0x2f2, std::uint16_t{0x40});
    put(virt(array), block);
    put(virt(block) + 0x40 + 0x10, std::uint64_t{0x1000}); // CR3
    put(virt(block) + context_at + 0xf8, base + 0x3010);   // rip
    put(virt(block) + context_at + 0x98, base + 0x800);    // rsp
    return bytes;
}

std::unique_ptr<target::DumpTarget> open_memory(ByteVector bytes) {
    auto target = *target::DumpTarget::from_image(
        *dumps::open_image(dumps::ImageFile::from_bytes(std::move(bytes), "memory.raw")));
    target->use_page_tables({&x64_machine(), 0x1000, 0});
    return target;
}

KernelPlace place() {
    KernelPlace found;
    found.debugger_data = VirtAddr(kdbg);
    return found;
}

TEST(ImageProcessors, OfRawMemoryAreTheKernelsRecords) {
    auto target = open_memory(memory_with_a_processor());
    EXPECT_EQ(target->registers(0).error().kind, ErrorKind::unsupported);
    EXPECT_EQ(adopt_processors(*target, place()), 1u);
    EXPECT_EQ(target->identity().processors, 1u);
    EXPECT_EQ(target->registers(0)->ip(), VirtAddr(base + 0x3010));
    EXPECT_EQ(x64_machine().special(*target->special_registers(0), "cr3"), 0x1000u);
}

TEST(ImageProcessors, ARecordThatWasNeverFilledIsNone) {
    ByteVector bytes = memory_with_a_processor();
    store(MutableBytes(bytes), 0x4000 + 0x2000 + context_at + 0x98, std::uint64_t{0});
    auto target = open_memory(std::move(bytes));
    EXPECT_EQ(adopt_processors(*target, place()), 0u);
    EXPECT_EQ(target->registers(0).error().kind, ErrorKind::unsupported);
}

TEST(ImageProcessors, SpecialRegistersAreTakenWithoutTheOthers) {
    ByteVector bytes = memory_with_a_processor();
    store(MutableBytes(bytes), 0x4000 + 0x2000 + context_at + 0x98, std::uint64_t{0});
    auto target = open_memory(std::move(bytes));
    EXPECT_EQ(adopt_processors(*target, place()), 0u);
    EXPECT_EQ(x64_machine().special(*target->special_registers(0), "cr3"), 0x1000u);
}

TEST(ImageProcessors, OfTheContainerStayUnlessTheyWaitInTheDebugger) {
    for (const bool in_debugger : {true, false}) {
        auto target = open_memory(memory_with_a_processor());
        RegisterFile container(x64_machine(), ByteVector(x64_machine().context_size));
        container.set_ip(VirtAddr(base + 0x3f00));
        container.set("rsp", in_debugger ? base + 0x500 : base + 0x900);
        dumps::ProcessorState state;
        state.context.assign(container.bytes().begin(), container.bytes().end());
        target->use_processors({state});
        EXPECT_EQ(adopt_processors(*target, place()), in_debugger ? 1u : 0u);
        EXPECT_EQ(target->registers(0)->ip(), VirtAddr(in_debugger ? base + 0x3010 : base + 0x3f00));
    }
}

/// A dump may be of a machine that no debugger stopped, with an old record in the kernel.
TEST(ImageProcessors, OfTheHeaderStayWhenThereIsOneProcessor) {
    auto raw = *dumps::open_image(dumps::ImageFile::from_bytes(memory_with_a_processor(), "memory.raw"));
    RegisterFile header(x64_machine(), ByteVector(x64_machine().context_size));
    header.set_ip(VirtAddr(base + 0x3f00));
    header.set("rsp", base + 0x900);
    raw.facts.context.assign(header.bytes().begin(), header.bytes().end());
    raw.facts.processor_count = 1;
    auto target = *target::DumpTarget::from_image(std::move(raw));
    target->use_page_tables({&x64_machine(), 0x1000, 0});
    EXPECT_EQ(adopt_processors(*target, place()), 0u);
    EXPECT_EQ(target->registers(0)->ip(), VirtAddr(base + 0x3f00));
    EXPECT_EQ(x64_machine().special(*target->special_registers(0), "cr3"), 0x1000u);
}

dumps::ProcessorState state_at(std::uint64_t ip, std::uint64_t sp) {
    RegisterFile registers(x64_machine(), ByteVector(x64_machine().context_size));
    registers.set_ip(VirtAddr(ip));
    registers.set("rsp", sp);
    dumps::ProcessorState state;
    state.context.assign(registers.bytes().begin(), registers.bytes().end());
    return state;
}

TEST(CrashedProcessor, HasTheRegistersOfTheHeader) {
    auto raw = *dumps::open_image(dumps::ImageFile::from_bytes(memory_with_a_processor(), "memory.raw"));
    raw.facts.context = state_at(base + 0x3f00, base + 0x900).context;
    raw.facts.processor_count = 3;
    auto target = *target::DumpTarget::from_image(std::move(raw));
    target->use_page_tables({&x64_machine(), 0x1000, 0});
    EXPECT_EQ(target->crashed_processor(), std::nullopt) << "no records";
    // Processors that idle stand at one place, each on its own stack.
    target->use_processors({state_at(base + 0x3f00, base + 0x700), {}, state_at(base + 0x3f00, base + 0x900)});
    EXPECT_EQ(target->crashed_processor(), 2u);
    EXPECT_TRUE(target->registers(0));
    target->use_processors({{}, {}, state_at(base + 0x3f00, base + 0x900)});
    EXPECT_EQ(target->registers(0).error().kind, ErrorKind::unsupported) << "the header's are of another";
    target->use_processors({{}, {}, {}});
    EXPECT_TRUE(target->registers(0)) << "nothing says of whom they are";
    target->use_processors({state_at(base + 0x3f00, base + 0x700), {}, state_at(base + 0x3010, base + 0x900)});
    EXPECT_EQ(target->crashed_processor(), std::nullopt);
}

TEST(CrashedProcessor, IsNoneOfAnImageWithoutACrashDumpsHeader) {
    auto target = open_memory(memory_with_a_processor());
    adopt_processors(*target, place());
    EXPECT_EQ(target->crashed_processor(), std::nullopt);
}

} // namespace
} // namespace poolkd::nt::image_processors_test
