#include "hunt/block_holders.h"

#include <gtest/gtest.h>

namespace poolkd::hunt {
namespace {

TEST(BlockHolders, TheDebuggersBuffersAndStacksHoldNothing) {
    EXPECT_TRUE(is_passing_data("KdpSendFrame"));
    EXPECT_TRUE(is_passing_data("KdpMessageBuffer"));
    EXPECT_TRUE(is_passing_data("KiBootStack"));
    EXPECT_TRUE(is_passing_data("KiDoubleFaultStack"));
    EXPECT_FALSE(is_passing_data("PsActiveProcessHead"));
    EXPECT_FALSE(is_passing_data("IopStackLookaside"));
}

TEST(BlockHolders, TransportsOfTheDebuggerHoldNothing) {
    EXPECT_TRUE(is_debug_transport("kdcom.dll"));
    EXPECT_TRUE(is_debug_transport("KD_02_8086.DLL"));
    EXPECT_FALSE(is_debug_transport("kdnic.sys"));
    EXPECT_FALSE(is_debug_transport("leaky.sys"));
}

} // namespace
} // namespace poolkd::hunt
