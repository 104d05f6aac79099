#include "code/straight_line.h"
#include "support/fake_target.h"

#include <gtest/gtest.h>

namespace poolkd::code::straight_line_test {
namespace {

constexpr VirtAddr here{0xffffffff80401000};

class StraightLine : public ::testing::Test {
  protected:
    std::size_t code(std::initializer_list<unsigned> bytes) {
        memory.put(here, bytes);
        return bytes.size();
    }
    std::optional<StackMoves> prolog(std::size_t done) { return moves_of_prolog(here, here + done, read); }
    std::optional<StackMoves> rest(std::size_t from, std::int64_t ebp = 0x40) {
        return moves_to_return(here + from, ebp, read);
    }

    poolkd::testing::FakeMemory memory;
    ReadCode read = [this](VirtAddr at, MutableBytes out) { return memory.read(at, out).bytes; };
};

TEST_F(StraightLine, FollowsAPrologStepByStep) {
    // mov edi,edi; push ebp; mov ebp,esp; sub esp,1Ch; push ebx; push esi; xor eax,eax; push eax
    code({0x8b, 0xff, 0x55, 0x8b, 0xec, 0x83, 0xec, 0x1c, 0x53, 0x56, 0x33, 0xc0, 0x50});
    EXPECT_EQ(prolog(0)->esp, 0);
    EXPECT_EQ(prolog(2)->esp, 0);
    EXPECT_EQ(prolog(3)->esp, -4);
    EXPECT_EQ(prolog(3)->saved[5], -4) << "ebp";
    EXPECT_EQ(prolog(8)->esp, -0x20);
    EXPECT_EQ(prolog(13)->esp, -0x2c);
    EXPECT_EQ(prolog(13)->saved[3], -0x24) << "ebx";
    EXPECT_EQ(prolog(13)->saved[6], -0x28) << "esi";
    EXPECT_FALSE(prolog(13)->saved[0]) << "eax held something new";
    EXPECT_FALSE(prolog(4)) << "inside an instruction";
}

TEST_F(StraightLine, FindsWhereEbpWasPushed) {
    code({0x57, 0x56, 0x55, 0x33, 0xff, 0x74, 0x00}); // push edi; push esi; push ebp; xor edi,edi; je
    EXPECT_EQ(place_of_saved_ebp(here, read), -12);
    code({0x57, 0x33, 0xed, 0x55}); // xor ebp,ebp first: what is pushed then is its own
    EXPECT_EQ(place_of_saved_ebp(here, read), std::nullopt);
}

TEST_F(StraightLine, GivesUpWhereItCannotKnow) {
    std::size_t size = code({0x55, 0xe8, 0, 0, 0, 0});
    EXPECT_FALSE(prolog(size)) << "a call";
    size = code({0x55, 0x74, 0x00});
    EXPECT_FALSE(prolog(size)) << "a branch";
    size = code({0x83, 0xe4, 0xf8});
    EXPECT_FALSE(prolog(size)) << "and esp";
    size = code({0x5c});
    EXPECT_FALSE(prolog(size)) << "pop esp";
    size = code({0xcc, 0x8b, 0xec});
    EXPECT_FALSE(prolog(size)) << "a breakpoint hides the instruction";
    EXPECT_FALSE(prolog(max_straight_line + 1));
}

TEST_F(StraightLine, FollowsTheWayToTheReturn) {
    // int 3; mov eax,1; pop esi; leave; ret 8
    code({0xcc, 0xb8, 1, 0, 0, 0, 0x5e, 0xc9, 0xc2, 0x08, 0x00});
    auto moves = rest(0);
    ASSERT_TRUE(moves);
    EXPECT_EQ(moves->esp, 0x44);
    EXPECT_EQ(moves->loaded[6], 0);
    EXPECT_EQ(moves->loaded[5], 0x40);
    EXPECT_EQ(rest(8)->esp, 0) << "at the return";
    // lea esp,[ebp-8]; pop esi; pop edi; pop ebp; ret
    code({0x8d, 0x65, 0xf8, 0x5e, 0x5f, 0x5d, 0xc3});
    EXPECT_EQ(rest(0)->esp, 0x44);
    EXPECT_EQ(rest(0)->loaded[7], 0x3c);
    // add esp,0Ch; pop ebp; ret
    code({0x83, 0xc4, 0x0c, 0x5d, 0xc3});
    EXPECT_EQ(rest(0)->esp, 0x10);
    EXPECT_EQ(rest(0)->loaded[5], 0xc);
}

TEST_F(StraightLine, DoesNotGuessTheWay) {
    code({0x74, 0x00, 0xc3});
    EXPECT_FALSE(rest(0)) << "a branch";
    code({0x90, 0xcc, 0xc3});
    EXPECT_FALSE(rest(0)) << "a breakpoint further on";
    code({0x8b, 0xe0, 0xc3});
    EXPECT_FALSE(rest(0)) << "mov esp,eax";
    code({0x5d, 0xc9, 0xc3});
    EXPECT_FALSE(rest(0)) << "leave after ebp was taken from the stack";
}

} // namespace
} // namespace poolkd::code::straight_line_test
