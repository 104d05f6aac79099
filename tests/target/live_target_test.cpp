#include "../kd/model_link.h"
#include "target/live_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace poolkd::target {
namespace {

using namespace std::chrono_literals;
using kd::Api;
using kd::test::ModelLink;
using kd::test::TargetModel;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Clock = std::chrono::steady_clock;

class LiveTargetTest : public testing::Test {
  protected:
    void boot_stopped() {
        model.boot(Clock::now());
        model.stop_with_exception(Clock::now());
        store(model.context, 0xf8, TargetModel::memory_base + 1); // rip
        store(model.context, 0x78, std::uint64_t{7});             // rax
        store(model.context, 0x300, std::uint64_t{0x1234});       // behind the core
    }

    void connect(LiveOptions options = {}) {
        auto owned = std::make_unique<ModelLink>(model);
        link = owned.get();
        kd::LinkSpec spec;
        spec.text = "unix:model";
        spec.reconnect = reconnect;
        options.interrupt = &work;
        auto connected = LiveTarget::connect(std::move(owned), spec, std::move(options), work);
        ASSERT_TRUE(connected) << connected.error().message;
        target = std::move(*connected);
        model.served.clear();
    }

    TargetModel model{1};
    Work work;
    bool reconnect = false;
    ModelLink* link = nullptr;
    std::unique_ptr<LiveTarget> target;
};

TEST_F(LiveTargetTest, ConnectsToATargetThatWaits) {
    boot_stopped();
    connect();
    EXPECT_TRUE(target->was_already_stopped());
    EXPECT_FALSE(target->running());
    EXPECT_EQ(target->identity().machine, &x64_machine());
    EXPECT_EQ(target->identity().build, 9600);
    EXPECT_EQ(target->identity().kernel_base, VirtAddr(TargetModel::memory_base));
    EXPECT_EQ(target->last_stop().ip, VirtAddr(TargetModel::memory_base + 1));
    EXPECT_TRUE(std::holds_alternative<ExceptionStop>(target->last_stop().reason));
}

TEST_F(LiveTargetTest, BreaksIntoARunningTarget) {
    model.boot(Clock::now());
    connect();
    EXPECT_FALSE(target->was_already_stopped());
    EXPECT_FALSE(target->running());
}

TEST_F(LiveTargetTest, AttachesAgainToAStoppedTargetWithAnyIdPhase) {
    boot_stopped();
    connect();
    ASSERT_TRUE(target->registers(0)); // an odd number of requests, then the debugger dies
    target.reset();
    connect();
    ASSERT_TRUE(target->registers(0));
    target.reset();
    connect();
    EXPECT_EQ(target->registers(0)->get("rax"), 7u);
}

TEST_F(LiveTargetTest, ATargetInTheMiddleOfAReplyIsFoundAtOnce) {
    boot_stopped();
    connect();
    target.reset();
    // A debugger that asked once more and died before the reply came.
    ByteVector request;
    kd::append_data_packet(request, kd::PacketType::manipulate, kd::initial_id | 1,
                           kd::manipulate_request(Api::get_version, 0));
    model.receive(request, Clock::now());
    EXPECT_THAT(model.served, ElementsAre(Api::get_version));
    const auto began = Clock::now();
    connect();
    EXPECT_LT(Clock::now() - began, 1s); // rather than after a break-in in vain
    EXPECT_TRUE(target->was_already_stopped());
}

TEST_F(LiveTargetTest, ReadsNothingTwiceWhileTheTargetStands) {
    boot_stopped();
    connect();
    const VirtAddr at(TargetModel::memory_base + 100);
    for (int i = 0; i < 2; ++i) {
        auto bytes = memory::read_exact(target->memory(), at, 3000);
        ASSERT_TRUE(bytes);
        EXPECT_EQ((*bytes)[2999], model.byte_at(at.value + 2999));
    }
    EXPECT_THAT(model.served, ElementsAre(Api::read_virtual));
}

TEST_F(LiveTargetTest, LongReadsGoInLargestPiecesAndStopAtHoles) {
    boot_stopped();
    connect();
    ByteVector bytes(8 * 4096);
    const auto got = target->memory().read(VirtAddr(TargetModel::memory_base), bytes);
    EXPECT_EQ(got.bytes, 5u * 4096);
    EXPECT_EQ(got.gap, GapReason::unmapped);
    EXPECT_EQ(model.served.size(), 6u); // 5.2 pieces of 3944 bytes
    for (std::size_t i = 0; i < got.bytes; ++i)
        ASSERT_EQ(bytes[i], model.byte_at(TargetModel::memory_base + i)) << i;
}

TEST_F(LiveTargetTest, AWriteChangesTheEpochAndIsRead) {
    boot_stopped();
    connect();
    const VirtAddr at(TargetModel::memory_base + 4090);
    ASSERT_TRUE(memory::read_exact(target->memory(), at, 20));
    const Epoch before = target->epoch();
    const ByteVector bytes(12, std::byte{0x5a}); // crosses a page
    ASSERT_TRUE(target->write(at, bytes));
    EXPECT_NE(target->epoch(), before);
    EXPECT_EQ(memory::read_exact(target->memory(), at, 12).value(), bytes);
}

TEST_F(LiveTargetTest, AWriteIntoAHoleTellsHowFarItCame) {
    boot_stopped();
    connect();
    const auto written = target->write(VirtAddr(TargetModel::memory_base + 5 * 4096 - 4), ByteVector(8));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().kind, ErrorKind::unwritable);
    EXPECT_EQ(written.error().where, VirtAddr(TargetModel::memory_base + 5 * 4096));
    EXPECT_THAT(written.error().message, testing::HasSubstr("4 of 8 bytes"));
}

TEST_F(LiveTargetTest, RegistersAreWrittenRightInEveryStyle) {
    for (auto style : {TargetModel::ContextStyle::at_once, TargetModel::ContextStyle::staged,
                       TargetModel::ContextStyle::whole_only}) {
        SCOPED_TRACE(static_cast<int>(style));
        boot_stopped();
        model.context_style = style;
        connect();
        ByteVector expected = model.context;
        for (std::uint64_t value : {0x1111u, 0x2222u, 0x3333u}) {
            auto registers = target->registers(0);
            ASSERT_TRUE(registers);
            registers->set("rip", value);
            ASSERT_TRUE(target->set_registers(0, *registers));
            store(expected, 0xf8, value);
            EXPECT_EQ(model.context, expected);
            EXPECT_EQ(target->registers(0)->get("rip"), value);
        }
        target.reset();
    }
}

TEST_F(LiveTargetTest, UnchangedRegistersCostNothing) {
    boot_stopped();
    connect();
    auto registers = target->registers(0);
    ASSERT_TRUE(registers);
    model.served.clear();
    ASSERT_TRUE(target->set_registers(0, *registers));
    EXPECT_THAT(model.served, IsEmpty());
}

TEST_F(LiveTargetTest, AStopLoopHasNoRoundTripTooMany) {
    boot_stopped();
    connect();
    for (int round = 0; round < 3; ++round) {
        auto registers = target->registers(0);
        ASSERT_TRUE(registers);
        registers->set_ip(registers->ip() + 1);
        ASSERT_TRUE(target->set_registers(0, *registers));
        ASSERT_TRUE(target->resume(Resume{}));
        EXPECT_TRUE(target->running());
        if (round == 1) model.served.clear(); // what partial writes do was found out in the first round
        model.stop_with_exception(Clock::now());
        auto stop = target->wait(work, 2s);
        ASSERT_TRUE(stop && *stop);
    }
    EXPECT_THAT(model.served, ElementsAre(Api::get_context_ex, Api::set_context_ex, Api::continue2));
}

TEST_F(LiveTargetTest, ModuleLoadsAreStops) {
    boot_stopped();
    connect();
    ASSERT_TRUE(target->resume(Resume{}));
    EXPECT_FALSE(target->wait(work, 30ms).value());
    model.stop_with_module("\\SystemRoot\\leaky.sys", Clock::now());
    auto stop = target->wait(work, 2s);
    ASSERT_TRUE(stop && *stop);
    const auto* module = std::get_if<ModuleChange>(&(*stop)->reason);
    ASSERT_NE(module, nullptr);
    EXPECT_TRUE(module->loaded);
    EXPECT_EQ(module->path, "\\SystemRoot\\leaky.sys");
    EXPECT_EQ(module->base, VirtAddr(TargetModel::memory_base));
    EXPECT_EQ(module->size, 0x20000u);
}

TEST_F(LiveTargetTest, BreaksInWhenAsked) {
    boot_stopped();
    connect();
    ASSERT_TRUE(target->resume(Resume{}));
    ASSERT_TRUE(target->break_in());
    auto stop = target->wait(work, 2s);
    ASSERT_TRUE(stop && *stop);
    EXPECT_FALSE(target->running());
}

TEST_F(LiveTargetTest, ARebootIsSeenAndTheCacheForgotten) {
    boot_stopped();
    connect();
    const VirtAddr at(TargetModel::memory_base);
    ASSERT_TRUE(memory::read_exact(target->memory(), at, 16));
    ASSERT_TRUE(target->reboot());
    auto stop = target->wait(work, 2s);
    ASSERT_TRUE(stop && *stop);
    EXPECT_TRUE((*stop)->after_restart);
    EXPECT_EQ(memory::read_exact(target->memory(), at, 1).value()[0], model.byte_at(at.value));
}

TEST_F(LiveTargetTest, BreakpointsLiveInTheTarget) {
    boot_stopped();
    connect();
    const VirtAddr at(TargetModel::memory_base + 64);
    const auto handle = target->set_breakpoint(at);
    ASSERT_TRUE(handle);
    EXPECT_THAT(model.breakpoint_addresses(), ElementsAre(at.value));
    EXPECT_EQ(target->set_breakpoint(at).error().kind, ErrorKind::refused);
    ASSERT_TRUE(target->clear_breakpoint(*handle));
    EXPECT_THAT(model.breakpoint_addresses(), IsEmpty());
    EXPECT_EQ(target->clear_breakpoint(*handle).error().kind, ErrorKind::not_found);
}

TEST_F(LiveTargetTest, SpecialRegistersAndProcessorBlock) {
    boot_stopped();
    connect();
    EXPECT_EQ(target->special_registers(0).value().size(), 0xd8u);
    EXPECT_EQ(target->processor_block(0).value(), VirtAddr(TargetModel::memory_base + 0x180));
    EXPECT_EQ(target->processor_block(1).error().kind, ErrorKind::not_found);
}

TEST_F(LiveTargetTest, ARunningTargetIsAskedNothing) {
    boot_stopped();
    connect();
    ASSERT_TRUE(target->resume(Resume{}));
    EXPECT_EQ(target->registers(0).error().kind, ErrorKind::refused);
    ByteVector bytes(4);
    EXPECT_EQ(target->memory().read(VirtAddr(TargetModel::memory_base), bytes).gap, GapReason::link_lost);
}

TEST_F(LiveTargetTest, AStopRequestEndsEveryWaitForASilentTarget) {
    boot_stopped();
    connect();
    model.mute = true;
    auto soon = Clock::time_point{};
    link->meanwhile = [&] {
        if (Clock::now() >= soon) work.request_stop();
    };
    auto begin = [&] {
        work.clear_stop();
        soon = Clock::now() + 30ms;
        return Clock::now();
    };
    auto began = begin();
    EXPECT_EQ(target->registers(0).error().kind, ErrorKind::stopped);
    EXPECT_LT(Clock::now() - began, 130ms);

    began = begin();
    ByteVector bytes(8);
    EXPECT_EQ(target->memory().read(VirtAddr(TargetModel::memory_base), bytes).gap, GapReason::stopped);
    EXPECT_LT(Clock::now() - began, 130ms);

    // When it speaks again, the abandoned requests do no harm.
    link->meanwhile = nullptr;
    work.clear_stop();
    model.mute = false;
    EXPECT_EQ(target->registers(0).value().get("rax"), 7u);

    ASSERT_TRUE(target->resume(Resume{}));
    link->meanwhile = [&] {
        if (Clock::now() >= soon) work.request_stop();
    };
    began = begin();
    EXPECT_EQ(target->wait(work, 10s).error().kind, ErrorKind::stopped);
    EXPECT_LT(Clock::now() - began, 130ms);
}

TEST_F(LiveTargetTest, ReconnectsWhenTheCarrierCloses) {
    reconnect = true;
    boot_stopped();
    connect();
    ASSERT_TRUE(target->resume(Resume{}));
    link->close();
    link->refuse_to_open = true;
    EXPECT_FALSE(target->wait(work, 50ms).value());
    link->refuse_to_open = false;
    model.boot(Clock::now());
    model.stop_with_exception(Clock::now());
    auto stop = target->wait(work, 2s);
    ASSERT_TRUE(stop && *stop);
    EXPECT_TRUE((*stop)->after_restart);
    EXPECT_EQ(link->opened, 2u);
    EXPECT_TRUE(target->registers(0));
}

TEST_F(LiveTargetTest, TheLastContinueArrivesBeforeTheCarrierIsClosed) {
    boot_stopped();
    connect();
    link->slow = true;
    ASSERT_TRUE(target->resume(Resume{}));
    target.reset();
    EXPECT_THAT(model.served, ElementsAre(Api::continue2));
}

TEST_F(LiveTargetTest, WithoutReconnectAClosedCarrierIsAnError) {
    boot_stopped();
    connect();
    ASSERT_TRUE(target->resume(Resume{}));
    link->close();
    EXPECT_EQ(target->wait(work, 1s).error().kind, ErrorKind::link);
}

TEST_F(LiveTargetTest, PromptsAreAnsweredAndPrintsShown) {
    boot_stopped();
    std::string shown;
    LiveOptions options;
    options.on_print = [&](std::string_view text) { shown += text; };
    connect(options);
    ASSERT_TRUE(target->resume(Resume{}));
    model.print("hello\n", Clock::now());
    model.prompt("Break, Ignore, (boipt)? ", Clock::now());
    EXPECT_FALSE(target->wait(work, 50ms).value());
    EXPECT_EQ(shown, "hello\nBreak, Ignore, (boipt)? o\n");
    EXPECT_EQ(model.prompt_answer(), "o");
}

TEST_F(LiveTargetTest, AnswersInOneWriteWhatBelongsTogether) {
    boot_stopped();
    connect();
    const unsigned before = link->writes;
    ByteVector bytes(3 * 3944);
    EXPECT_EQ(target->memory().read(VirtAddr(TargetModel::memory_base), bytes).bytes, bytes.size());
    // Three or four requests, whose ACKs travel with the next request, and the last ACK.
    EXPECT_LE(link->writes - before, model.served.size() + 1);
}

} // namespace
} // namespace poolkd::target
