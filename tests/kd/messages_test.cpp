#include "kd/messages.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string_view>

namespace poolkd::kd {
namespace {

/// A state change whose padding is garbage, as on the wire.
ByteVector state_change(std::uint32_t state) {
    ByteVector payload(state_change_size, std::byte{0xf8});
    store(payload, 0, state);
    store(payload, 6, std::uint16_t{1});
    store(payload, 8, std::uint32_t{2});
    store(payload, 16, std::uint64_t{0xffff800012345678});
    store(payload, 24, std::uint64_t{0xfffff80011112222});
    return payload;
}

void append(ByteVector& payload, std::string_view text) {
    for (char c : text)
        payload.push_back(static_cast<std::byte>(c));
}

TEST(Messages, LoadSymbolsTakesThePathLengthAs32Bits) {
    ByteVector payload = state_change(state_load_symbols | state_alternate_bit);
    store(payload, 32, std::uint32_t{8}); // garbage follows in the padding
    store(payload, 40, std::uint64_t{0xfffff80000400000});
    store(payload, 48, std::uint64_t{4});
    store(payload, 56, std::uint32_t{0xabc});
    store(payload, 60, std::uint32_t{0x9000});
    store(payload, 64, std::uint8_t{0});
    append(payload, std::string_view("\\x\\a.sy\0", 8));
    const auto change = decode_state_change(payload);
    ASSERT_TRUE(change);
    EXPECT_EQ(change->processor, 1);
    EXPECT_EQ(change->processors, 2u);
    const auto& module = std::get<LoadSymbolsReport>(change->report);
    EXPECT_EQ(module.path, "\\x\\a.sy");
    EXPECT_EQ(module.base, 0xfffff80000400000u);
    EXPECT_EQ(module.process_id, 4u);
    EXPECT_EQ(module.checksum, 0xabcu);
    EXPECT_EQ(module.image_size, 0x9000u);
    EXPECT_FALSE(module.unload);
}

TEST(Messages, APathLengthBeyondThePacketIsCutToIt) {
    ByteVector payload = state_change(state_load_symbols);
    store(payload, 32, std::uint32_t{0xffffffff});
    append(payload, "abc");
    EXPECT_EQ(std::get<LoadSymbolsReport>(decode_state_change(payload)->report).path, "abc");
}

TEST(Messages, TheGoodbyeIsKnown) {
    ByteVector payload = state_change(state_load_symbols);
    store(payload, 32, std::uint32_t{0});
    store(payload, 40, ~std::uint64_t{0});
    store(payload, 64, std::uint8_t{1});
    EXPECT_TRUE(std::get<LoadSymbolsReport>(decode_state_change(payload)->report).forget_all());
}

TEST(Messages, ExceptionParametersPastTheirNumberAreLeftOut) {
    ByteVector payload = state_change(state_exception);
    store(payload, 32, std::uint32_t{0x80000003});
    store(payload, 48, std::uint64_t{0xfffff80011112222});
    store(payload, 56, std::uint32_t{2});
    store(payload, 64, std::uint64_t{11});
    store(payload, 72, std::uint64_t{22});
    store(payload, 184, std::uint32_t{0});
    auto change = decode_state_change(payload);
    const auto& exception = std::get<ExceptionReport>(change->report);
    EXPECT_EQ(exception.code, 0x80000003u);
    EXPECT_EQ(exception.parameters, (std::vector<std::uint64_t>{11, 22}));
    EXPECT_FALSE(exception.first_chance);

    store(payload, 56, std::uint32_t{0xffffffff}); // nonsense: the record holds 15
    EXPECT_EQ(std::get<ExceptionReport>(decode_state_change(payload)->report).parameters.size(), 15u);
}

TEST(Messages, ControlReportsByMachine) {
    ByteVector payload = state_change(state_exception);
    store(payload, 192, std::uint64_t{0xffff0ff0});
    store(payload, 200, std::uint64_t{0x400});
    store(payload, 208, std::uint32_t{0x246});
    store(payload, 212, std::uint16_t{3});
    store(payload, 216, std::uint32_t{0x00c3cc90});
    const auto x64 = decode_state_change(payload)->control_report(0x8664);
    EXPECT_EQ(x64.dr6, 0xffff0ff0u);
    EXPECT_EQ(x64.dr7, 0x400u);
    EXPECT_EQ(x64.flags, 0x246u);
    EXPECT_EQ(x64.instruction_bytes, (ByteVector{std::byte{0x90}, std::byte{0xcc}, std::byte{0xc3}}));

    store(payload, 212, std::uint16_t{0xffff}); // more than there can be
    EXPECT_EQ(decode_state_change(payload)->control_report(0x8664).instruction_bytes.size(), 16u);
}

TEST(Messages, ThereAreNoMoreProcessorsThanAWindowsCanHave) {
    ByteVector payload = state_change(state_exception);
    store(payload, 8, std::uint32_t{0xffffffff});
    EXPECT_EQ(decode_state_change(payload)->processors, 2048u);
    store(payload, 8, std::uint32_t{0});
    EXPECT_EQ(decode_state_change(payload)->processors, 1u);
}

TEST(Messages, TheSameStopWithOtherPaddingIsTheSame) {
    ByteVector a = state_change(state_exception);
    ByteVector b = a;
    store(b, 12, std::uint32_t{0}); // padding
    store(b, 4, std::uint16_t{6});  // processor level
    EXPECT_TRUE(decode_state_change(a)->same_stop(*decode_state_change(b)));
    store(b, 24, std::uint64_t{1});
    EXPECT_FALSE(decode_state_change(a)->same_stop(*decode_state_change(b)));
}

TEST(Messages, ShortOrUnknownStateChangesAreRefused) {
    EXPECT_FALSE(decode_state_change(ByteVector(239)));
    EXPECT_FALSE(decode_state_change(state_change(0x3033)));
}

TEST(Messages, PrintsWithBothHeadersAndWrongLengths) {
    ByteVector payload(16);
    store(payload, 0, print_string);
    store(payload, 8, std::uint32_t{5});
    append(payload, "hello");
    EXPECT_EQ(decode_debug_io(payload)->text, "hello");
    store(payload, 8, std::uint32_t{0x80000000});
    EXPECT_EQ(decode_debug_io(payload)->text, "hello");

    ByteVector old(12);
    store(old, 0, print_string);
    store(old, 8, std::uint32_t{5});
    append(old, "hello");
    EXPECT_EQ(decode_debug_io(old)->text, "hello");
    EXPECT_FALSE(decode_debug_io(ByteVector(16)));
}

TEST(Messages, PromptAnswersFitTheTargetsBuffer) {
    EXPECT_EQ(encode_prompt_answer(0, "hello", 2).size(), 18u);
    EXPECT_EQ(load<std::uint32_t>(encode_prompt_answer(0, "hello", 2), 12), 2u);
    EXPECT_EQ(encode_prompt_answer(0, std::string(9000, 'x'), 0xffffffff).size(), max_payload);
}

TEST(Messages, FilesAreNotServed) {
    ByteVector request(64, std::byte{0x77});
    store(request, 0, create_file);
    append(request, std::string_view("a\0.\0s\0\0\0", 8));
    EXPECT_EQ(file_io_name(request), "a.s");
    const auto answer = refuse_file_io(request);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->size(), 64u);
    EXPECT_EQ(load<std::uint32_t>(*answer, 4), status_no_such_file);
    EXPECT_FALSE(refuse_file_io(ByteVector(63)));
}

} // namespace
} // namespace poolkd::kd
