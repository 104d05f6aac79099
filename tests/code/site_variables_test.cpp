// Sites that are no calls of imports: through variables that the image fills by asking for a routine's name, through
// KMDF's table of functions, and through StorPort's one entry for many.

#include "code/site_index.h"
#include "code_machine.h"
#include "site_image.h"

namespace poolkd::code {
namespace {

using poolkd::testing::SiteImageFile;

const PoolTag ask_tag{0x20636241};
constexpr auto ask = "call qword ptr [MmGetSystemRoutineAddress]";
constexpr auto init = "call qword ptr [RtlInitUnicodeString]";
constexpr auto call_variable = "call qword ptr [L3020]";

void put_utf16(SiteImageFile& image, std::uint32_t rva, std::string_view text) {
    for (char c : text) {
        image.put(rva, {static_cast<unsigned char>(c), 0u});
        rva += 2;
    }
    image.put(rva, {0u, 0u});
}

class NamedPointersX64 : public ::testing::Test {
  protected:
    NamedPointersX64() {
        put_utf16(image, 0x2800, "ExAllocatePool2");
        put_utf16(image, 0x2840, "ExFreePool");
        put_utf16(image, 0x2880, "KeQueryTimeIncrement");
    }
    /// A function that allocates through the variable.
    void use() {
        image.function(0x1100, {"sub rsp,28", "mov r8d,20636241", "mov edx,40", "mov ecx,100", call_variable,
                                "add rsp,28", "ret"});
    }
    void expect_found() {
        use();
        const auto sites = image.sites();
        ASSERT_EQ(sites.size(), 1u);
        EXPECT_EQ(sites[0].rva, image.at(call_variable));
        EXPECT_EQ(sites[0].api, "ExAllocatePool2");
        EXPECT_EQ(sites[0].tag, ask_tag);
        EXPECT_EQ(sites[0].paged, true);
        EXPECT_EQ(sites[0].note, "Called through the variable at +0x3020, which gets what MmGetSystemRoutineAddress "
                                 "knows as ExAllocatePool2.");
    }
    void expect_nothing() {
        use();
        EXPECT_TRUE(image.sites().empty());
    }

    SiteImageFile image{x64_machine(), {"MmGetSystemRoutineAddress", "RtlInitUnicodeString", "KeFoo"}};
};

TEST_F(NamedPointersX64, InitUnicodeStringOnTheStack) {
    image.function(0x1000, {"sub rsp,48", "lea rdx,[L2800]", "lea rcx,[rsp+20]", init, "lea rcx,[rsp+20]", ask,
                            "mov qword ptr [L3020],rax", "add rsp,48", "ret"});
    expect_found();
}

TEST_F(NamedPointersX64, AStaticUnicodeString) {
    image.put(0x2900, std::uint32_t{0x0020001e});
    image.put(0x2908, image.base() + 0x2800);
    image.function(0x1000, {"sub rsp,28", "lea rcx,[L2900]", ask, "mov qword ptr [L3020],rax", "add rsp,28", "ret"});
    expect_found();
}

TEST_F(NamedPointersX64, AStaticUnicodeStringOfAnotherLength) {
    image.put(0x2900, std::uint32_t{0x0020001c}); // "ExAllocatePool", without the 2
    image.put(0x2908, image.base() + 0x2800);
    image.function(0x1000, {"sub rsp,28", "lea rcx,[L2900]", ask, "mov qword ptr [L3020],rax", "add rsp,28", "ret"});
    use();
    const auto sites = image.sites();
    ASSERT_EQ(sites.size(), 1u);
    EXPECT_EQ(sites[0].api, "ExAllocatePool");
}

TEST_F(NamedPointersX64, OneThatTheCodeMakes) {
    image.function(0x1000,
                   {"sub rsp,48", "mov dword ptr [rsp+20],20001e", "lea rax,[L2800]", "mov qword ptr [rsp+28],rax",
                    "lea rcx,[rsp+20]", ask, "mov qword ptr [L3020],rax", "add rsp,48", "ret"});
    expect_found();
}

TEST_F(NamedPointersX64, SeveralFromOneUnicodeString) {
    image.function(0x1000,
                   {"sub rsp,48", "lea rdx,[L2880]", "lea rcx,[rsp+20]", init, "lea rcx,[rsp+20]", ask,
                    "mov qword ptr [L3018],rax", "lea rdx,[L2800]", "lea rcx,[rsp+20]", init, "lea rcx,[rsp+20]", ask,
                    "mov rbx,rax", "test rax,rax", "mov qword ptr [L3020],rbx", "add rsp,48", "ret"});
    expect_found();
}

TEST_F(NamedPointersX64, AnotherNameIsAnotherRoutine) {
    image.function(0x1000, {"sub rsp,48", "lea rdx,[L2880]", "lea rcx,[rsp+20]", init, "lea rcx,[rsp+20]", ask,
                            "mov qword ptr [L3020],rax", "add rsp,48", "ret"});
    expect_nothing();
}

TEST_F(NamedPointersX64, TheTextMayHaveChangedInBetween) {
    image.function(0x1000, {"sub rsp,48", "lea rdx,[L2800]", "lea rcx,[rsp+20]", init, "lea rcx,[rsp+20]",
                            "call qword ptr [KeFoo]", "lea rcx,[rsp+20]", ask, "mov qword ptr [L3020],rax",
                            "add rsp,48", "ret"});
    expect_nothing();
}

TEST_F(NamedPointersX64, TheAnswerMayBeAnotherOne) {
    image.function(0x1000, {"sub rsp,48", "lea rdx,[L2800]", "lea rcx,[rsp+20]", init, "lea rcx,[rsp+20]", ask,
                            "call qword ptr [KeFoo]", "mov qword ptr [L3020],rax", "add rsp,48", "ret"});
    expect_nothing();
}

TEST_F(NamedPointersX64, NotWhereSomethingElseIsStoredToo) {
    image.function(0x1000, {"sub rsp,48", "lea rdx,[L2800]", "lea rcx,[rsp+20]", init, "lea rcx,[rsp+20]", ask,
                            "mov qword ptr [L3020],rax", "add rsp,48", "ret"});
    image.function(0x1200, {"lea rax,[L1300]", "mov qword ptr [L3020],rax", "ret"});
    expect_nothing();
}

TEST_F(NamedPointersX64, ZeroIsNothing) {
    image.function(0x1000, {"sub rsp,48", "lea rdx,[L2800]", "lea rcx,[rsp+20]", init, "lea rcx,[rsp+20]", ask,
                            "mov qword ptr [L3020],rax", "add rsp,48", "ret"});
    image.function(0x1200, {"xor eax,eax", "mov qword ptr [L3020],rax", "ret"});
    image.function(0x1240, {"and qword ptr [L3020],0", "cmp qword ptr [L3020],0", "ret"});
    expect_found();
}

TEST_F(NamedPointersX64, AZeroByteIsNotZero) {
    image.function(0x1000, {"sub rsp,48", "lea rdx,[L2800]", "lea rcx,[rsp+20]", init, "lea rcx,[rsp+20]", ask,
                            "mov qword ptr [L3020],rax", "add rsp,48", "ret"});
    image.function(0x1200, {"mov rax,rcx", "xor al,al", "mov qword ptr [L3020],rax", "ret"});
    expect_nothing();
}

TEST_F(NamedPointersX64, NotWhereItsAddressIsTaken) {
    image.function(0x1000, {"sub rsp,48", "lea rdx,[L2800]", "lea rcx,[rsp+20]", init, "lea rcx,[rsp+20]", ask,
                            "mov qword ptr [L3020],rax", "add rsp,48", "ret"});
    image.function(0x1200, {"lea rcx,[L3020]", "jmp qword ptr [KeFoo]"});
    expect_nothing();
}

TEST_F(NamedPointersX64, NotWhereItsStructureIsStoredTo) {
    image.function(0x1000, {"sub rsp,48", "lea rdx,[L2800]", "lea rcx,[rsp+20]", init, "lea rcx,[rsp+20]", ask,
                            "mov qword ptr [L3020],rax", "add rsp,48", "ret"});
    image.function(0x1200, {"lea rax,[L3010]", "mov qword ptr [rax+10],rcx", "ret"});
    expect_nothing();
}

TEST_F(NamedPointersX64, WhatLiesBeforeItMayBeUsed) {
    image.function(0x1000, {"sub rsp,48", "lea rdx,[L2800]", "lea rcx,[rsp+20]", init, "lea rcx,[rsp+20]", ask,
                            "mov qword ptr [L3020],rax", "add rsp,48", "ret"});
    image.function(0x1200, {"lea rax,[L3010]", "mov qword ptr [rax+8],rcx", "mov qword ptr [rax+10],0",
                            "mov qword ptr [rsp+10],rcx", "mov rcx,qword ptr [rax+10]", "ret"});
    image.function(0x1280, {"lea rcx,[L3010]", "jmp qword ptr [KeFoo]"});
    expect_found();
}

TEST_F(NamedPointersX64, NotWhereAPointerLeadsToIt) {
    image.put(0x2a00, image.base() + 0x3020);
    image.function(0x1000, {"sub rsp,48", "lea rdx,[L2800]", "lea rcx,[rsp+20]", init, "lea rcx,[rsp+20]", ask,
                            "mov qword ptr [L3020],rax", "add rsp,48", "ret"});
    expect_nothing();
}

TEST_F(NamedPointersX64, TwoNamesForOneVariable) {
    image.function(0x1000, {"sub rsp,48", "lea rdx,[L2800]", "lea rcx,[rsp+20]", init, "lea rcx,[rsp+20]", ask,
                            "mov qword ptr [L3020],rax", "lea rdx,[L2840]", "lea rcx,[rsp+20]", init,
                            "lea rcx,[rsp+20]", ask, "mov qword ptr [L3020],rax", "add rsp,48", "ret"});
    expect_nothing();
}

TEST_F(NamedPointersX64, InMemoryTheVariableTellsItself) {
    constexpr std::uint64_t outside = 0x150000000;
    use();
    image.put(0x3020, outside);
    auto bytes = FlatImage::of_file(image.bytes());
    ASSERT_TRUE(bytes);
    SiteImage what;
    what.bytes = &*bytes;
    what.base = image.base();
    what.routines = {{outside, "ExAllocatePool2"}};
    Work work;
    auto index = index_image(what, work);
    ASSERT_TRUE(index);
    ASSERT_EQ(index->sites.size(), 1u);
    EXPECT_EQ(index->sites[0].note, "Called through the variable at +0x3020, which holds the routine's address.");
}

TEST(NamedPointersX86, InitUnicodeStringOnTheStack) {
    SiteImageFile image(x86_machine(), {"MmGetSystemRoutineAddress", "RtlInitUnicodeString"});
    put_utf16(image, 0x2800, "ExAllocatePoolWithTag");
    image.function(0x1000, {"push ebp", "mov ebp,esp", "sub esp,8", "push 402800", "lea eax,[ebp-8]", "push eax",
                            "call dword ptr [RtlInitUnicodeString]", "lea eax,[ebp-8]", "push eax",
                            "call dword ptr [MmGetSystemRoutineAddress]", "mov dword ptr [L3020],eax", "leave", "ret"});
    image.function(0x1100, {"push 20636241", "push 40", "push 1", "call dword ptr [L3020]", "ret"});
    const auto sites = image.sites();
    ASSERT_EQ(sites.size(), 1u);
    EXPECT_EQ(sites[0].api, "ExAllocatePoolWithTag");
    EXPECT_EQ(sites[0].tag, ask_tag);
    EXPECT_EQ(sites[0].size, 0x40u);
}

// --- KMDF -------------------------------------------------------------------------------------------------------

/// What WdfVersionBind gets, at 0x3100, for functions at 0x3400.
void bind(SiteImageFile& image, std::uint32_t minor, bool wide) {
    put_utf16(image, 0x2800, "KmdfLibrary");
    const std::uint32_t width = wide ? 8 : 4;
    image.put(0x3100, std::uint32_t{wide ? 0x30u : 0x20u});
    image.put(0x3100 + width, static_cast<std::uint32_t>(image.base() + 0x2800));
    if (wide) image.put(0x310c, static_cast<std::uint32_t>((image.base() + 0x2800) >> 32));
    image.put(0x3100 + 2 * width, 1u);
    image.put(0x3104 + 2 * width, minor);
    image.put(0x310c + 2 * width, 0x18cu);
    image.put(0x3110 + 2 * width, static_cast<std::uint32_t>(image.base() + 0x3400));
    if (wide) image.put(0x3114 + 2 * width, static_cast<std::uint32_t>((image.base() + 0x3400) >> 32));
}

class WdfX64 : public ::testing::Test {
  protected:
    /// WdfMemoryCreate(globals, attributes, pool type, tag, size, &memory, &buffer).
    std::vector<std::string> create(std::vector<std::string> call, const char* tag = "mov r9d,20636241") {
        std::vector<std::string> lines{"sub rsp,48",  "mov qword ptr [rsp+20],60", tag, "mov r8d,200",
                                       "xor edx,edx", "mov rcx,qword ptr [L3208]"};
        lines.insert(lines.end(), call.begin(), call.end());
        lines.insert(lines.end(), {"add rsp,48", "ret"});
        return lines;
    }
    void expect_site(std::string_view at) {
        const auto sites = image.sites();
        ASSERT_EQ(sites.size(), 1u);
        EXPECT_EQ(sites[0].rva, image.at(std::string(at)));
        EXPECT_EQ(sites[0].api, "WdfMemoryCreate");
        EXPECT_EQ(sites[0].kind, SiteKind::allocation);
        EXPECT_EQ(sites[0].tag, ask_tag);
        EXPECT_EQ(sites[0].size, 0x60u);
        EXPECT_EQ(sites[0].paged, false);
        EXPECT_EQ(sites[0].note, "Called through KMDF's table of functions.");
    }

    SiteImageFile image{x64_machine(), {"WdfVersionBind"}};
};

TEST_F(WdfX64, ThroughThePointerToTheTable) {
    bind(image, 15, true);
    image.function(0x1000, create({"mov rax,qword ptr [L3400]", "call qword ptr [rax+600]"}));
    expect_site("call qword ptr [rax+600]");
}

TEST_F(WdfX64, ThroughControlFlowGuard) {
    bind(image, 31, true);
    image.directory(10, 0x2d00, 0x94);
    image.put(0x2d00, std::uint32_t{0x94});
    image.put(0x2d78, image.base() + 0x2e00);
    image.function(0x1000,
                   create({"mov rax,qword ptr [L3400]", "mov rax,qword ptr [rax+600]", "call qword ptr [L2e00]"}));
    expect_site("call qword ptr [L2e00]");
}

TEST_F(WdfX64, OtherFunctionsAndOtherTablesAreNone) {
    bind(image, 15, true);
    image.function(0x1000, create({"mov rax,qword ptr [L3400]", "call qword ptr [rax+608]"}));
    image.function(0x1100, create({"mov rax,qword ptr [L3408]", "call qword ptr [rax+600]"}));
    image.function(0x1200, create({"call qword ptr [L3a00]"}));
    EXPECT_TRUE(image.sites().empty());
}

TEST_F(WdfX64, OldDriversHaveTheTableItself) {
    bind(image, 9, true);
    // The image is too small for it: nothing is claimed.
    image.function(0x1000, create({"call qword ptr [L3a00]"}));
    EXPECT_TRUE(image.sites().empty());
    image.put(0x3100 + 0x1c, 200u); // so many functions fit
    image.put(0x3120, static_cast<std::uint32_t>(image.base() + 0x3400));
    expect_site("call qword ptr [L3a00]");
}

TEST_F(WdfX64, WithoutTheRecordNothingIsClaimed) {
    image.function(0x1000, create({"mov rax,qword ptr [L3400]", "call qword ptr [rax+600]"}));
    EXPECT_TRUE(image.sites().empty());
}

TEST_F(WdfX64, TagZeroIsTheDriversOwn) {
    bind(image, 15, true);
    image.function(0x1000, create({"mov rax,qword ptr [L3400]", "call qword ptr [rax+600]"}, "xor r9d,r9d"));
    const auto sites = image.sites();
    ASSERT_EQ(sites.size(), 1u);
    EXPECT_EQ(sites[0].tag_source, TagSource::unresolved);
    EXPECT_EQ(sites[0].tag, std::nullopt);
    EXPECT_TRUE(sites[0].note.starts_with("Tag 0: ")) << sites[0].note;
}

TEST_F(WdfX64, TheDriversOwnTag) {
    bind(image, 15, true);
    image.function(0x1000, create({"mov rax,qword ptr [L3400]", "call qword ptr [rax+600]"}, "xor r9d,r9d"));
    // WdfDriverCreate(globals, driver object, registry path, attributes, &config, &driver).
    constexpr auto call_create = "call qword ptr [rax+3a0]";
    constexpr auto set_tag = "mov dword ptr [rsp+4c],20636241";
    auto make = [&](const char* tag) {
        image.function(0x1100, {"sub rsp,68", "mov qword ptr [rsp+28],0", "mov dword ptr [rsp+30],20", tag,
                                "lea rax,[rsp+30]", "mov qword ptr [rsp+20],rax", "xor r9d,r9d",
                                "mov rax,qword ptr [L3400]", call_create, "add rsp,68", "ret"});
    };
    make("mov dword ptr [rsp+4c],0");
    EXPECT_EQ(image.sites().size(), 1u) << "it states none";
    make(set_tag);
    const auto sites = image.sites();
    ASSERT_EQ(sites.size(), 2u);
    EXPECT_EQ(sites[0].tag, ask_tag) << sites[0].note;
    EXPECT_EQ(sites[0].tag_source, TagSource::fixed);
    EXPECT_EQ(sites[1].rva, image.at(call_create));
    EXPECT_EQ(sites[1].api, "WdfDriverCreate");
    EXPECT_EQ(sites[1].tag_source, TagSource::constant);
    EXPECT_EQ(sites[1].tag, ask_tag);
    EXPECT_EQ(sites[1].tag_rva, std::nullopt) << "changing it later would have no effect";
}

TEST_F(WdfX64, TheAddressOfAStaticRecordIsNoTag) {
    bind(image, 15, true);
    image.function(0x1000, create({"mov rax,qword ptr [L3400]", "call qword ptr [rax+600]"}, "xor r9d,r9d"));
    image.function(0x1100,
                   {"sub rsp,68", "mov qword ptr [rsp+28],0", "lea rax,[L3040]", "mov qword ptr [rsp+20],rax",
                    "xor r9d,r9d", "mov rax,qword ptr [L3400]", "call qword ptr [rax+3a0]", "add rsp,68", "ret"});
    const auto sites = image.sites();
    ASSERT_EQ(sites.size(), 1u);
    EXPECT_EQ(sites[0].api, "WdfMemoryCreate");
    EXPECT_EQ(sites[0].tag, std::nullopt);
}

TEST(WdfX86, ThroughThePointerToTheTable) {
    SiteImageFile image(x86_machine(), {"WdfVersionBind"});
    bind(image, 11, false);
    image.function(0x1000, {"push 0", "push 0", "push 60", "push 20636241", "push 1", "push 0",
                            "mov eax,dword ptr [L3400]", "push dword ptr [L3208]", "call dword ptr [eax+300]", "ret"});
    const auto sites = image.sites();
    ASSERT_EQ(sites.size(), 1u);
    EXPECT_EQ(sites[0].api, "WdfMemoryCreate");
    EXPECT_EQ(sites[0].tag, ask_tag);
    EXPECT_EQ(sites[0].size, 0x60u);
    EXPECT_EQ(sites[0].paged, true);
}

TEST(WdfX86, TheAddressOfAStaticRecordIsNoTag) {
    SiteImageFile image(x86_machine(), {"WdfVersionBind"});
    bind(image, 11, false);
    image.function(0x1000, {"push 0", "push 403040", "push 0", "push 0", "push 0", "mov eax,dword ptr [L3400]",
                            "push dword ptr [L3208]", "call dword ptr [eax+1d0]", "ret"});
    EXPECT_TRUE(image.sites().empty());
}

// --- StorPort ---------------------------------------------------------------------------------------------------

TEST(StorPortSites, TheNumberOfTheFunctionDecides) {
    SiteImageFile image(x64_machine(), {"StorPortExtendedFunction"});
    constexpr auto call = "call qword ptr [StorPortExtendedFunction]";
    auto function = [&](std::uint32_t rva, const char* number) {
        image.function(rva, {"sub rsp,38", "lea rax,[rsp+40]", "mov qword ptr [rsp+20],rax", "mov r9d,20636241",
                             "mov r8d,80", "mov rdx,rcx", number, call, "add rsp,38", "ret"});
        return image.at(call);
    };
    const std::uint32_t allocates = function(0x1000, "xor ecx,ecx");
    const std::uint32_t frees = function(0x1100, "mov ecx,1");
    function(0x1200, "mov ecx,5");
    function(0x1300, "mov ecx,dword ptr [rdx]");
    const auto sites = image.sites();
    ASSERT_EQ(sites.size(), 2u);
    EXPECT_EQ(sites[0].rva, allocates);
    EXPECT_EQ(sites[0].api, "StorPortAllocatePool");
    EXPECT_EQ(sites[0].tag, ask_tag);
    EXPECT_EQ(sites[0].size, 0x80u);
    EXPECT_EQ(sites[0].paged, false);
    EXPECT_EQ(sites[1].rva, frees);
    EXPECT_EQ(sites[1].kind, SiteKind::release);
    EXPECT_EQ(sites[1].tag_source, TagSource::none);
}

TEST(StorPortSites, X86) {
    SiteImageFile image(x86_machine(), {"StorPortExtendedFunction"});
    image.function(0x1000, {"push ebp", "mov ebp,esp", "push ecx", "lea eax,[ebp-4]", "push eax", "push 20636241",
                            "push 80", "push dword ptr [ebp+8]", "push 0", "call dword ptr [StorPortExtendedFunction]",
                            "add esp,14", "leave", "ret 4"});
    const auto sites = image.sites();
    ASSERT_EQ(sites.size(), 1u);
    EXPECT_EQ(sites[0].api, "StorPortAllocatePool");
    EXPECT_EQ(sites[0].tag, ask_tag);
    EXPECT_EQ(sites[0].size, 0x80u);
}

} // namespace
} // namespace poolkd::code
