#include "kd/client.h"
#include "model_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

/// Requests that crash, reset or let go some targets are never sent.
namespace poolkd::kd::test {
namespace {

TEST(DangerousRequests, HaveNoNameAndSoCannotBeSent) {
    std::ifstream file(POOLKD_SOURCE_DIR "/src/kd/wire.h");
    const std::string text(std::istreambuf_iterator<char>(file), {});
    const std::size_t begin = text.find("enum class Api");
    ASSERT_NE(begin, std::string::npos);
    const std::string api = text.substr(begin, text.find("};", begin) - begin);
    EXPECT_NE(api.find("0x3130"), std::string::npos);
    for (const char* number : {"0x3147",                      // WriteBreakPointEx: leaves the debugger on ReactOS
                               "0x3148",                      // RestoreBreakPointEx
                               "0x3157", "0x3158", "0x3159",  // bus data, low memory: reset ReactOS on amd64
                               "0x3144", "0x3145", "0x315d"}) // extended I/O space, partitions: unconfirmed anywhere
        EXPECT_EQ(api.find(number), std::string::npos) << number;
}

TEST(DangerousRequests, ThoseWithoutAConfirmedReplyAreNotSentByTheClient) {
    TargetModel model(1);
    const auto now = std::chrono::steady_clock::now();
    model.boot(now);
    model.stop_with_exception(now);
    Client client(std::make_unique<ModelLink>(model), {});
    const Work work;
    ASSERT_TRUE(client.connect(true, work, milliseconds(5000)));
    ByteVector bytes(16);
    const ByteVector context(model.context.size());
    EXPECT_TRUE(client.version());
    client.read_virtual(VirtAddr(model.base()), bytes);
    client.read_physical(PhysAddr(0), bytes);
    EXPECT_TRUE(client.write_virtual(VirtAddr(model.base()), bytes));
    EXPECT_TRUE(client.write_physical(PhysAddr(0), bytes));
    EXPECT_TRUE(client.get_context(0));
    EXPECT_TRUE(client.set_context(0, context));
    EXPECT_TRUE(client.get_context_ex(0, 0, 16));
    EXPECT_TRUE(client.set_context_ex(0, 0, bytes, 16));
    EXPECT_TRUE(client.read_control_space(0, 2, 0xd8));
    EXPECT_TRUE(client.write_control_space(0, 2, bytes));
    EXPECT_TRUE(client.read_msr(0, 0x1b));
    EXPECT_TRUE(client.write_msr(0, 0x1b, 1));
    const auto handle = client.set_breakpoint(VirtAddr(model.base() + 16));
    ASSERT_TRUE(handle);
    EXPECT_TRUE(client.clear_breakpoint(*handle));
    const auto next_stop = [&] { EXPECT_TRUE(client.wait(work, milliseconds(2000)).value().has_value()); };
    EXPECT_TRUE(client.switch_processor(0));
    next_stop();
    EXPECT_TRUE(client.cause_bug_check());
    next_stop();
    EXPECT_TRUE(client.reboot());
    next_stop();
    EXPECT_TRUE(client.continue2(0, 0x8664, {}));
    const std::set<Api> sent(model.served.begin(), model.served.end());
    using enum Api;
    EXPECT_THAT(sent, testing::UnorderedElementsAre(read_virtual, write_virtual, read_physical, write_physical,
                                                    get_context, set_context, get_context_ex, set_context_ex,
                                                    read_control_space, write_control_space, read_msr, write_msr,
                                                    write_breakpoint, restore_breakpoint, get_version, switch_processor,
                                                    cause_bug_check, reboot, continue2));
}

} // namespace
} // namespace poolkd::kd::test
