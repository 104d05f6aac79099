#include "hunt/trace_frames.h"

#include <gtest/gtest.h>

namespace poolkd::hunt {
namespace {

AllocatorFrames frames(std::vector<std::string> sites) {
    return allocator_frames(sites);
}

TEST(TraceFrames, InlineBreakpointOfTheClassicPool) {
    const auto found = frames({"nt!ExAllocatePoolWithTag+0x9f1", "leaky!LeakyBuildReport+0x2c", "leaky!Worker+0x8"});
    EXPECT_EQ(found.kind, HitKind::allocation);
    EXPECT_EQ(found.caller, 1u);
    EXPECT_EQ(frames({"nt!ExFreePoolWithTag+0x13c", "leaky!LeakyFree+0x1f"}).kind, HitKind::release);
}

TEST(TraceFrames, SegmentHeapNames) {
    const auto found = frames({"nt!ExAllocateHeapPool+0x1d2", "nt!ExpAllocatePoolWithTagFromNode+0x5f",
                               "nt!ExAllocatePool2+0x83", "leaky!LeakyBuildReport+0x2c"});
    EXPECT_EQ(found.kind, HitKind::allocation);
    EXPECT_EQ(found.caller, 3u);
    const auto freed = frames({"nt!ExFreeHeapPool+0x377", "nt!ExFreePool+0x9", "leaky!LeakyFree+0x1f"});
    EXPECT_EQ(freed.kind, HitKind::release);
    EXPECT_EQ(freed.caller, 2u);
}

TEST(TraceFrames, TrackersOfReactOsUnderDbgBreakPoint) {
    const auto found = frames({"nt!DbgBreakPoint", "nt!ExpInsertPoolTracker+0x4a", "nt!ExAllocatePoolWithTag+0x2fd",
                               "leaky!LeakyBuildReport+0x2c"});
    EXPECT_EQ(found.kind, HitKind::allocation);
    EXPECT_EQ(found.caller, 3u);
    const auto freed = frames({"nt!DbgBreakPoint", "nt!ExpRemovePoolTracker+0x40", "nt!ExFreePoolWithTag+0x2cd",
                               "nt!ExFreePool+0xa", "leaky!LeakyFree+0x1f"});
    EXPECT_EQ(freed.kind, HitKind::release);
    EXPECT_EQ(freed.caller, 4u);
}

TEST(TraceFrames, WhatTheKernelAllocatesWithIsNoAllocator) {
    // A handle table takes its memory from the pool; its name only begins like one of the pool's.
    const auto found = frames({"nt!ExAllocatePoolWithTag+0x12", "nt!ExpAllocateHandleTable+0x3d", "nt!ExCreateHandle"});
    EXPECT_EQ(found.kind, HitKind::allocation);
    EXPECT_EQ(found.caller, 1u);
}

TEST(TraceFrames, AnAllocationWithinAFreeIsAnAllocation) {
    const auto found = frames({"nt!ExAllocatePoolWithTag+0x12", "nt!MiGrowTable+0x3d", "nt!ExFreePoolWithTag+0x99"});
    EXPECT_EQ(found.kind, HitKind::allocation);
    EXPECT_EQ(found.caller, 1u);
}

TEST(TraceFrames, OtherBreakpointsAreUnknown) {
    EXPECT_EQ(frames({"nt!DbgBreakPoint", "leaky!Assert+0x10"}).kind, HitKind::unknown);
    EXPECT_EQ(frames({"leaky!ExAllocatePoolWithTag+0x10"}).kind, HitKind::unknown);
    EXPECT_EQ(frames({"nt!DbgBreakPoint", "nt!A", "nt!B", "nt!C", "nt!ExAllocatePool"}).kind, HitKind::unknown);
    EXPECT_EQ(frames({}).kind, HitKind::unknown);
}

TEST(TraceFrames, HowTheKernelStopsIsNoneOfTheAllocator) {
    auto begin = [](std::vector<std::string> sites) {
        TraceStack stack;
        stack.caller = allocator_frames(sites).caller;
        for (std::string& site : sites)
            stack.frames.push_back({.address = {}, .text = std::move(site), .module = "", .source = ""});
        return allocator_begin(stack);
    };
    EXPECT_EQ(begin({"nt!DbgBreakPoint", "nt!ExAllocatePoolWithTag+0x168", "leaky!A+0x2c"}), 1u);
    EXPECT_EQ(begin({"nt!DbgBreakPointWithStatus+0x1", "nt!KdCheck+0x4", "nt!ExFreePool+0x9", "leaky!A+0x2c"}), 2u);
    EXPECT_EQ(begin({"nt!ExAllocateHeapPool+0x1d2", "nt!ExAllocatePool2+0x83", "leaky!A+0x2c"}), 0u);
    EXPECT_EQ(begin({"nt!DbgBreakPoint", "leaky!Assert+0x10"}), 0u);
    EXPECT_EQ(begin({}), 0u);
}

} // namespace
} // namespace poolkd::hunt
