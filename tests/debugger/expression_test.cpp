#include "base/text.h"
#include "debugger/expression.h"
#include "debugger/range.h"

#include <gtest/gtest.h>

#include <map>

namespace poolkd::debugger {
namespace {

/// A world of maps.
class FakeContext final : public ExpressionContext {
  public:
    unsigned base = 16;
    unsigned pointer = 8;
    std::map<std::string, RegisterValue> registers{
        {"rax", {0x1234}}, {"eax", {0xfffffff0, 32}}, {"esp", {0x2000, 32}}, {"ah", {0x7f, 8}}, {"efl", {0x246, 32}}};
    std::map<std::string, std::uint64_t> pseudo{{"$ip", 0xfffff80000001000}, {"$t0", 5}, {"$t19", 19}, {"$ptrsize", 8}};
    std::map<std::uint64_t, std::uint64_t> memory{{0x2000, 0x1122334455667788}, {0x2004, 0xcccccccc80000000}};
    std::vector<NamedAddress> names{{"nt!PoolHitTag", VirtAddr(0xfffff80000345678)},
                                    {"zeta!Twice", VirtAddr(0x100)},
                                    {"zeta!Twice", VirtAddr(0x200)},
                                    {"zeta!Fade", VirtAddr(0x5000)},
                                    {"nt", VirtAddr(0xfffff80000000000)},
                                    {"leak!Block", VirtAddr(0x2040)}};
    Error* link = nullptr;

    unsigned radix() const override { return base; }
    unsigned pointer_size() const override { return pointer; }
    Result<std::optional<RegisterValue>> machine_register(std::string_view name) override {
        auto found = registers.find(to_lower(name));
        if (found == registers.end()) return std::optional<RegisterValue>{};
        return std::optional(found->second);
    }
    Result<std::optional<std::uint64_t>> pseudo_register(std::string_view name) override {
        auto found = pseudo.find(to_lower(name));
        if (found == pseudo.end()) return std::optional<std::uint64_t>{};
        return std::optional(found->second);
    }
    Result<std::uint64_t> read(VirtAddr address, unsigned size) override {
        if (link) return std::unexpected(*link);
        auto found = memory.find(address.value);
        if (found == memory.end()) return fail_at(address, ErrorKind::unreadable, "no memory");
        return size == 8 ? found->second : found->second & ((1ull << (8 * size)) - 1);
    }
    Result<std::uint64_t> read_physical(PhysAddr address, unsigned size) override {
        return address.value * 0x100 + size;
    }
    Result<std::vector<NamedAddress>> symbols(std::string_view name) override {
        std::vector<NamedAddress> out;
        for (const NamedAddress& n : names) {
            std::size_t bang = n.name.find('!');
            std::string_view bare =
                bang == std::string::npos ? std::string_view(n.name) : std::string_view(n.name).substr(bang + 1);
            if (equals_ignore_case(n.name, name) || equals_ignore_case(bare, name)) out.push_back(n);
        }
        return out;
    }
};

class Expressions : public testing::Test {
  protected:
    FakeContext context;

    std::uint64_t value(std::string_view text) {
        auto result = evaluate(text, 0, context);
        EXPECT_TRUE(result) << text << ": " << (result ? "" : result.error().message);
        if (!result) return 0xdeadbeefdeadbeef;
        EXPECT_EQ(result->end, text.size()) << text;
        return result->value;
    }
    std::string error(std::string_view text) {
        auto result = evaluate(text, 0, context);
        EXPECT_FALSE(result) << text;
        return result ? "" : result.error().message;
    }
};

TEST_F(Expressions, NumbersInAllForms) {
    EXPECT_EQ(value("1f"), 0x1fu);
    EXPECT_EQ(value("1fh"), 0x1fu);
    EXPECT_EQ(value("0x1f"), 0x1fu);
    EXPECT_EQ(value("0X1F"), 0x1fu);
    EXPECT_EQ(value("0n31"), 31u);
    EXPECT_EQ(value("0t37"), 31u);
    EXPECT_EQ(value("0y11111"), 31u);
    EXPECT_EQ(value("0"), 0u);
    EXPECT_EQ(value("0x"), 0u);
    EXPECT_EQ(value("0n"), 0u);
    EXPECT_EQ(value("fffff804`7ac15e40"), 0xfffff8047ac15e40u);
    EXPECT_EQ(value("fffff8047ac15e40"), 0xfffff8047ac15e40u);
    EXPECT_EQ(value("1`1"), 0x11u);
    EXPECT_EQ(error("`1"), "Syntax error at '`1'");
}

TEST_F(Expressions, TheRadixAppliesToBareNumbersOnly) {
    context.base = 10;
    EXPECT_EQ(value("31"), 31u);
    EXPECT_EQ(value("0x31"), 0x31u);
    EXPECT_EQ(value("31h"), 0x31u);
    context.base = 8;
    EXPECT_EQ(value("37"), 31u);
    EXPECT_EQ(error("9"), "Couldn't resolve error at '9'");
}

TEST_F(Expressions, ConstantsSignExtendUnlessWrittenWithAGrave) {
    EXPECT_EQ(value("80000000"), 0xffffffff80000000u);
    EXPECT_EQ(value("ffffffff"), ~0ull);
    EXPECT_EQ(value("7fffffff"), 0x7fffffffu);
    EXPECT_EQ(value("0`80000000"), 0x80000000u);
    EXPECT_EQ(value("0`ffffffff & fffffff0"), 0xfffffff0u);
    EXPECT_EQ(value("100000000"), 0x100000000u);
}

TEST_F(Expressions, NumbersThatDoNotFitAreRefused) {
    EXPECT_EQ(value("ffffffffffffffff"), ~0ull);
    EXPECT_EQ(error("10000000000000000"), "Overflow error at '10000000000000000'");
}

TEST_F(Expressions, CharacterConstantsPutTheFirstCharacterInTheTopByte) {
    EXPECT_EQ(value("' cbA'"), 0x20636241u);
    EXPECT_EQ(value("'Abc '"), 0x41626320u);
    EXPECT_EQ(value("'1atZ'"), 0x3161745au);
    EXPECT_EQ(value("'Z'"), 0x5au);
    EXPECT_EQ(error("'abcde'"), "Overflow error at ''abcde''");
    EXPECT_EQ(error("'abc"), "Syntax error at ''abc'");
}

TEST_F(Expressions, OperatorsBindAsDocumented) {
    EXPECT_EQ(value("1 + 2 * 3"), 7u);
    EXPECT_EQ(value("(1+2)*3"), 9u);
    EXPECT_EQ(value("10 - 2 - 3"), 0xbu);
    EXPECT_EQ(value("1 + 1 << 4"), 0x20u);
    EXPECT_EQ(value("7 mod 4"), 3u);
    EXPECT_EQ(value("7%4"), 3u);
    EXPECT_EQ(value("1 or 2 and 0"), 1u);
    EXPECT_EQ(value("1 | 6 ^ 2"), 5u);
    EXPECT_EQ(value("3 xor 1"), 2u);
    EXPECT_EQ(value("2 = 1 + 1"), 1u);
    EXPECT_EQ(value("2 == 3"), 0u);
    EXPECT_EQ(value("2 != 3"), 1u);
    EXPECT_EQ(value("1 <= 1"), 1u);
    EXPECT_EQ(value("-1"), ~0ull);
    EXPECT_EQ(value("- 1 + 2"), 1u);
    EXPECT_EQ(value("not 0"), 1u);
    EXPECT_EQ(value("not 5"), 0u);
    EXPECT_EQ(value("hi 12345678"), 0x1234u);
    EXPECT_EQ(value("low(12345678)"), 0x5678u);
    EXPECT_EQ(value("-10 >> 3c"), 0xfu);
    EXPECT_EQ(value("-10 >>> 1"), static_cast<std::uint64_t>(-8));
    EXPECT_EQ(value("1 << 40"), 0u);
}

TEST_F(Expressions, DivisionByZeroIsAnOperandError) {
    EXPECT_EQ(error("1/0"), "Operand error");
    EXPECT_EQ(error("1 mod 0"), "Operand error");
}

TEST_F(Expressions, MemoryOperators) {
    EXPECT_EQ(value("by(2000)"), 0x88u);
    EXPECT_EQ(value("wo 2000"), 0x7788u);
    EXPECT_EQ(value("dwo(2000)"), 0x55667788u);
    EXPECT_EQ(value("qwo(2000)"), 0x1122334455667788u);
    EXPECT_EQ(value("poi(2000)"), 0x1122334455667788u);
    EXPECT_EQ(value("poi @esp"), 0x1122334455667788u);
    EXPECT_EQ(value("poi @esp+4"), 0x112233445566778cu) << "unary operators bind tighter than +";
    EXPECT_EQ(value("$pdwo(10)"), 0x1004u);
    EXPECT_EQ(error("poi(0) + 1"), "Memory access error at 'poi(0) + 1'");
    context.pointer = 4;
    EXPECT_EQ(value("poi(@esp+4)"), 0xffffffff80000000u) << "addresses of 32-bit targets are held sign-extended";
    EXPECT_EQ(value("dwo(@esp+4)"), 0x80000000u);
}

TEST_F(Expressions, ALostLinkIsNotDisguised) {
    Error gone{ErrorKind::link, "The link is gone"};
    context.link = &gone;
    EXPECT_EQ(error("poi(2000)"), "The link is gone");
}

TEST_F(Expressions, Registers) {
    EXPECT_EQ(value("@rax"), 0x1234u);
    EXPECT_EQ(value("@RAX"), 0x1234u);
    EXPECT_EQ(value("rax"), 0x1234u);
    EXPECT_EQ(value("@eax"), 0xfffffffffffffff0u) << "32-bit registers are sign-extended";
    EXPECT_EQ(value("ah"), 0xau) << "a number comes first";
    EXPECT_EQ(value("@ah"), 0x7fu);
    EXPECT_EQ(error("@foo"), "Bad register error at '@foo'");
    context.names.push_back({"zeta!efl", VirtAddr(0x77)});
    context.names.push_back({"zeta!rax", VirtAddr(0x78)});
    EXPECT_EQ(value("efl"), 0x246u) << "an everyday register wins over a symbol";
    EXPECT_EQ(value("rax"), 0x78u) << "others do not";
}

TEST_F(Expressions, PseudoRegisters) {
    EXPECT_EQ(value("."), 0xfffff80000001000u);
    EXPECT_EQ(value(".+5"), 0xfffff80000001005u);
    EXPECT_EQ(value("@$ip"), 0xfffff80000001000u);
    EXPECT_EQ(value("$t0 + @$t19"), 24u);
    EXPECT_EQ(error("@$nothing"), "Bad register error at '@$nothing'");
    EXPECT_EQ(error("$nothing + 1"), "Bad register error at '$nothing + 1'");
}

TEST_F(Expressions, Symbols) {
    EXPECT_EQ(value("nt!poolhittag"), 0xfffff80000345678u);
    EXPECT_EQ(value("PoolHitTag+8"), 0xfffff80000345680u);
    EXPECT_EQ(value("nt"), 0xfffff80000000000u);
    EXPECT_EQ(value("fade"), 0xfadeu);
    EXPECT_EQ(value("!fade"), 0x5000u);
    EXPECT_EQ(value("zeta!fade"), 0x5000u);
    EXPECT_EQ(value("@!\"zeta!Fade\"+1"), 0x5001u);
    EXPECT_EQ(value("zeta!fade!=5000"), 0u);
    EXPECT_EQ(error("1 + nt!nosuch * 2"), "Couldn't resolve error at 'nt!nosuch * 2'");
}

TEST_F(Expressions, SeveralMatchesAreListed) {
    EXPECT_EQ(error("zeta!twice + 1"), "Matched: 00000000`00000100 zeta!Twice\nMatched: 00000000`00000200 zeta!Twice\n"
                                       "Ambiguous symbol error at 'zeta!twice + 1'");
    context.names.push_back({"zeta!Alias", VirtAddr(0x300)});
    context.names.push_back({"zeta!ALIAS", VirtAddr(0x300)});
    EXPECT_EQ(value("zeta!alias"), 0x300u) << "two names of one address are no ambiguity";
}

TEST_F(Expressions, ErrorTexts) {
    EXPECT_EQ(error("1+"), "Numeric expression missing from '<EOL>'");
    EXPECT_EQ(error(""), "Numeric expression missing from '<EOL>'");
    EXPECT_EQ(error("*1"), "Numeric expression missing from '*1'");
    EXPECT_EQ(error("(1"), "Syntax error at '<EOL>'");
    EXPECT_EQ(error("(1 2)"), "Syntax error at '2)'");
    EXPECT_EQ(error("1 && 2"), "Numeric expression missing from '& 2'");
    EXPECT_EQ(error("foo"), "Couldn't resolve error at 'foo'");
}

TEST_F(Expressions, DeepNestingIsRefusedInsteadOfOverflowingTheStack) {
    std::string deep(100'000, '(');
    EXPECT_NE(error(deep).find("Syntax error"), std::string::npos);
    std::string minus(100'000, '-');
    EXPECT_NE(error(minus).find("Syntax error"), std::string::npos);
    std::string wide = "1";
    for (int i = 0; i < 5000; ++i)
        wide += "+1";
    EXPECT_EQ(value(wide), 5001u) << "a long flat expression is none";
}

TEST_F(Expressions, AnExpressionEndsWhereNoOperatorFollows) {
    auto result = evaluate("1 + 2 L4", 0, context);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->value, 3u);
    EXPECT_EQ(result->end, 5u);
    result = evaluate("db @rax \"x\"", 2, context);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->end, 7u);
}

TEST_F(Expressions, Functions) {
    EXPECT_EQ(value("$scmp(\"a\", \"a\")"), 0u);
    EXPECT_EQ(value("$scmp(\"a\",\"A\") != 0"), 1u);
    EXPECT_EQ(value("$sicmp(\"a\",\"A\")"), 0u);
    EXPECT_EQ(value("$spat(\"zeta.sys\",\"ZE*\")"), 1u);
    EXPECT_EQ(value("$vvalid(2000, 1)"), 1u);
    EXPECT_EQ(value("$vvalid(7000, 1)"), 0u);
    EXPECT_EQ(error("$vvalid(7000)"), "Syntax error at '$vvalid(7000)'");
    EXPECT_EQ(error("$iment(0)"), "Memory access error at '$iment(0)'");
}

TEST_F(Expressions, OtherEvaluators) {
    EXPECT_EQ(value("@@masm(1+1)"), 2u);
    EXPECT_NE(error("@@c++(1)").find("C++ evaluator"), std::string::npos);
}

class Ranges : public Expressions {
  protected:
    AddressRange range(std::string_view text, unsigned element = 4, std::uint64_t standard = 32) {
        auto result = parse_range(text, 0, element, standard, context);
        EXPECT_TRUE(result) << text << ": " << (result ? "" : result.error().message);
        return result.value_or(AddressRange{});
    }
    std::string range_error(std::string_view text, unsigned element = 1) {
        auto result = parse_range(text, 0, element, 32, context);
        return result ? "" : result.error().message;
    }
};

TEST_F(Ranges, AllForms) {
    EXPECT_EQ(range("1000").count, 32u);
    EXPECT_FALSE(range("1000").explicit_count);
    EXPECT_EQ(range("1000 L4").count, 4u);
    EXPECT_EQ(range("1000 l4").count, 4u);
    EXPECT_EQ(range("1000 L 0n100").count, 100u);
    EXPECT_EQ(range("1000 100f").count, 4u);
    EXPECT_EQ(range("1000 1010").count, 5u);
    EXPECT_EQ(range("1000, 100f").count, 4u);
    EXPECT_EQ(range("1000 L-4").address.value, 0xff0u);
    EXPECT_EQ(range("1000 L-4").count, 4u);
    EXPECT_EQ(range("1000 L?4").count, 4u);
    EXPECT_EQ(range("1000 L(2+2)").count, 4u);
    EXPECT_EQ(range("1000 leak!Block").count, 0x411u) << "a name that begins with l is an end address";
    EXPECT_EQ(range("1000 L4 \"x\"").end, 7u);
    EXPECT_EQ(range("1000 \"x\"").end, 4u);
}

TEST_F(Ranges, TheGuard) {
    EXPECT_EQ(range_error("1000 L10000000"), "");
    EXPECT_EQ(range_error("1000 L10000001"), "Range error");
    EXPECT_EQ(range_error("1000 L?10000001"), "");
    EXPECT_EQ(range_error("1000 fff"), "Range error");
    EXPECT_EQ(range_error("0 ffffffffffffffff"), "Range error");
    EXPECT_EQ(range_error("0 L?ffffffffffffffff", 8), "Range error") << "more bytes than an address space has";
}

} // namespace
} // namespace poolkd::debugger
