#include "code/site_index.h"
#include "code/site_search.h"
#include "code_machine.h"
#include "site_image.h"

namespace poolkd::code {
namespace {

using poolkd::testing::SiteImageFile;

const PoolTag abc{0x20636241};

class SiteIndexX64 : public ::testing::Test {
  protected:
    SiteImageFile image{x64_machine(),
                        {"ExAllocatePoolWithTag", "ExFreePoolWithTag", "ExAllocatePool", "ExFreePool",
                         "ExInitializeNPagedLookasideList", "ExAllocatePool2", "KeFoo"}};

    /// The one site there is.
    PoolSite only() const {
        auto sites = image.sites();
        EXPECT_EQ(sites.size(), 1u);
        return sites.empty() ? PoolSite{} : sites.front();
    }
    void expect_constant(PoolTag tag) {
        const PoolSite site = only();
        EXPECT_EQ(site.tag_source, TagSource::constant) << site.note;
        EXPECT_EQ(site.tag, tag);
    }
};

constexpr auto call_allocate = "call qword ptr [ExAllocatePoolWithTag]";

TEST_F(SiteIndexX64, ReadsTheArgumentsOfACall) {
    image.function(0x1000,
                   {"sub rsp,28", "mov r8d,20636241", "mov edx,64", "mov ecx,200", call_allocate, "add rsp,28", "ret"});
    const PoolSite site = only();
    EXPECT_EQ(site.rva, image.at(call_allocate));
    EXPECT_EQ(site.return_rva, image.at("add rsp,28"));
    EXPECT_EQ(site.function_rva, 0x1000u);
    EXPECT_EQ(site.kind, SiteKind::allocation);
    EXPECT_EQ(site.api, "ExAllocatePoolWithTag");
    EXPECT_EQ(site.tag, abc);
    EXPECT_EQ(site.tag_source, TagSource::constant);
    EXPECT_EQ(site.tag_rva, image.at("mov r8d,20636241") + 2);
    EXPECT_EQ(site.size, 0x64u);
    EXPECT_EQ(site.pool_type, 0x200u);
    EXPECT_EQ(site.paged, false);
    EXPECT_TRUE(site.via.empty());
}

TEST_F(SiteIndexX64, FollowsRegistersAndArithmetic) {
    image.function(0x1000, {"push rbx", "sub rsp,20", "mov ebx,20636200", "call qword ptr [KeFoo]", "or ebx,41",
                            "mov r8d,ebx", "xor ecx,ecx", call_allocate, "add rsp,20", "pop rbx", "ret"});
    expect_constant(abc);
    EXPECT_EQ(only().tag_rva, std::nullopt) << "the four bytes lie nowhere together";
    EXPECT_EQ(only().pool_type, 0u);
}

TEST_F(SiteIndexX64, FollowsLeaAndTheStack) {
    image.function(0x1000,
                   {"sub rsp,48", "xor eax,eax", "lea r9d,[rax+20636241]", "mov dword ptr [rsp+30],r9d",
                    "call qword ptr [KeFoo]", "mov r8d,dword ptr [rsp+30]", call_allocate, "add rsp,48", "ret"});
    expect_constant(abc);
}

TEST_F(SiteIndexX64, ExtendsShortImmediatesByTheirSign) {
    // A wrapper that takes the tag as its fifth argument, with a frame of 80h bytes.
    image.put(0x1000, {0x48, 0x83, 0xc4, 0x80}); // add rsp,-80h
    const std::uint32_t end = image.code(0x1004, {"mov r8d,dword ptr [rsp+a8]", call_allocate});
    image.put(end, {0x48, 0x83, 0xec, 0x80, 0xc3}); // sub rsp,-80h; ret
    image.unwind_entry(0x1000, end + 5, SiteImageFile::plain_unwind);
    image.function(0x1100, {"sub rsp,38", "mov dword ptr [rsp+20],20636241", "call L1000", "add rsp,38", "ret"});
    const auto sites = image.sites();
    ASSERT_EQ(sites.size(), 2u);
    EXPECT_EQ(sites[0].tag_source, TagSource::parameter) << sites[0].note;
    EXPECT_EQ(sites[1].tag, abc);
}

TEST_F(SiteIndexX64, ForgetsWhatACalleeMayHaveChanged) {
    image.function(0x1000,
                   {"sub rsp,48", "mov dword ptr [rsp+30],20636241", "lea rcx,[rsp+30]", "call qword ptr [KeFoo]",
                    "mov r8d,dword ptr [rsp+30]", call_allocate, "add rsp,48", "ret"});
    EXPECT_EQ(only().tag_source, TagSource::unresolved);
    EXPECT_EQ(only().tag, std::nullopt);
    EXPECT_FALSE(only().note.empty());
}

TEST_F(SiteIndexX64, ReadsArgumentsOnTheStack) {
    image.function(0x1000, {"sub rsp,48", "mov word ptr [rsp+30],0", "mov dword ptr [rsp+28],20636241",
                            "mov qword ptr [rsp+20],80", "xor r9d,r9d",
                            "call qword ptr [ExInitializeNPagedLookasideList]", "add rsp,48", "ret"});
    const PoolSite site = only();
    EXPECT_EQ(site.kind, SiteKind::lookaside);
    EXPECT_EQ(site.tag, abc);
    EXPECT_EQ(site.size, 0x80u);
    EXPECT_EQ(site.paged, false);
    EXPECT_EQ(site.tag_rva, image.at("mov dword ptr [rsp+28],20636241") + 4);
}

TEST_F(SiteIndexX64, KnowsRoutinesWithATagOfTheirOwnAndWithoutOne) {
    image.function(0x1000, {"sub rsp,28", "mov ecx,1", "mov edx,20", "call qword ptr [ExAllocatePool]", "mov rcx,rax",
                            "call qword ptr [ExFreePool]", "add rsp,28", "ret"});
    auto sites = image.sites();
    ASSERT_EQ(sites.size(), 2u);
    EXPECT_EQ(sites[0].tag_source, TagSource::fixed);
    EXPECT_EQ(sites[0].tag->text(), "None");
    EXPECT_EQ(sites[0].size, 0x20u);
    EXPECT_EQ(sites[0].paged, true);
    EXPECT_EQ(sites[1].tag_source, TagSource::none);
    EXPECT_EQ(sites[1].kind, SiteKind::release);
}

TEST_F(SiteIndexX64, UnderstandsPoolFlags) {
    image.function(0x1000, {"sub rsp,28", "mov ecx,100", "mov edx,20", "mov r8d,20636241",
                            "call qword ptr [ExAllocatePool2]", "add rsp,28", "ret"});
    EXPECT_EQ(only().pool_type, 0x100u);
    EXPECT_EQ(only().paged, true);
}

TEST_F(SiteIndexX64, ReadsATagFromAVariable) {
    image.function(0x1000, {"sub rsp,28", "mov r8d,dword ptr [L3010]", call_allocate, "add rsp,28", "ret"});
    EXPECT_EQ(only().tag_source, TagSource::unresolved) << "it holds nothing in the file";
    EXPECT_NE(only().note.find("3010"), std::string::npos);
    image.put(0x3010, abc.value);
    EXPECT_EQ(only().tag_source, TagSource::data);
    EXPECT_EQ(only().tag, abc);
    EXPECT_EQ(only().tag_rva, 0x3010u);
}

TEST_F(SiteIndexX64, CallsThroughRegistersOverALoop) {
    image.function(0x1000, {"push rdi", "sub rsp,20", "mov rdi,qword ptr [ExAllocatePoolWithTag]", "mov r8d,20636241",
                            "call rdi", "test rax,rax", "jne L100b", "add rsp,20", "pop rdi", "ret"});
    // The jump goes to whatever lies at 0x100b: the mov of the tag.
    ASSERT_EQ(image.at("mov r8d,20636241"), 0x100cu - 0u);
    expect_constant(abc);
}

TEST_F(SiteIndexX64, TellsEachTagThatReachesACall) {
    image.function(0x1000, {"sub rsp,28", "mov r8d,20636241", "test ecx,ecx", "je L1011", "mov r8d,20636242",
                            call_allocate, "add rsp,28", "ret"});
    ASSERT_EQ(image.at(call_allocate), 0x1014u);
    // je to the call itself.
    image.code(image.at("je L1011"), {"je L1014"});
    auto sites = image.sites();
    ASSERT_EQ(sites.size(), 2u);
    EXPECT_EQ(sites[0].tag, abc);
    EXPECT_EQ(sites[1].tag, PoolTag(0x20636242));
    EXPECT_EQ(sites[0].rva, sites[1].rva);
    EXPECT_NE(sites[0].tag_rva, sites[1].tag_rva);
    EXPECT_FALSE(sites[0].note.empty());
}

TEST_F(SiteIndexX64, SaysWhatItCannotKnow) {
    image.function(0x1000, {"sub rsp,28", "call qword ptr [KeFoo]", "mov r8d,eax", call_allocate, "add rsp,28", "ret"});
    EXPECT_EQ(only().tag_source, TagSource::unresolved);
    image.function(0x1100, {"sub rsp,28", "mov r8d,dword ptr [rcx+8]", call_allocate, "add rsp,28", "ret"});
    for (const PoolSite& site : image.sites()) {
        EXPECT_EQ(site.tag_source, TagSource::unresolved);
        EXPECT_FALSE(site.tag);
        EXPECT_FALSE(site.note.empty());
    }
}

TEST_F(SiteIndexX64, LooksThroughWrappersOfAnyDepth) {
    // inner(size, tag) -> allocate; middle(tag, size) -> inner; outer(tag) jumps to middle.
    image.function(0x1000,
                   {"sub rsp,28", "mov r8d,edx", "mov rdx,rcx", "mov ecx,1", call_allocate, "add rsp,28", "ret"});
    image.function(0x1100, {"push rbx", "sub rsp,20", "mov ebx,ecx", "call qword ptr [KeFoo]", "mov edx,ebx",
                            "mov ecx,40", "call L1000", "add rsp,20", "pop rbx", "ret"});
    image.function(0x1200, {"mov rdx,10", "jmp L1100"});
    image.function(0x1300, {"sub rsp,28", "mov ecx,20636241", "call L1200", "add rsp,28", "ret"});
    auto sites = image.sites();
    ASSERT_EQ(sites.size(), 4u);
    for (std::size_t i = 0; i < 3; ++i)
        EXPECT_EQ(sites[i].tag_source, TagSource::parameter);
    EXPECT_EQ(sites[2].return_rva, 0u) << "a jump";
    const PoolSite& site = sites[3];
    EXPECT_EQ(site.rva, image.at("call L1200"));
    EXPECT_EQ(site.tag, abc);
    EXPECT_EQ(site.via_rvas, (std::vector<std::uint32_t>{0x1200, 0x1100, 0x1000}));
    EXPECT_EQ(site.via.size(), 3u);
    EXPECT_EQ(site.api, "ExAllocatePoolWithTag");
    EXPECT_EQ(site.size, 0x40u) << "as the wrapper in the middle states it";
    EXPECT_EQ(site.paged, true);
}

TEST_F(SiteIndexX64, LooksThroughThunks) {
    image.function(0x1000, {"sub rsp,28", "mov r8d,20636241", "call L1100", "add rsp,28", "ret"});
    image.code(0x1100, {"jmp qword ptr [ExAllocatePoolWithTag]"});
    auto sites = image.sites();
    ASSERT_EQ(sites.size(), 2u);
    EXPECT_EQ(sites[0].tag, abc);
    EXPECT_TRUE(sites[0].via.empty());
    EXPECT_EQ(sites[1].tag_source, TagSource::parameter);
}

TEST_F(SiteIndexX64, FindsTheTailJumpOfALeaf) {
    image.function(0x1000, {"sub rsp,28", "call L1100", "add rsp,28", "ret"});
    image.code(0x1100, {"mov r8d,20636241", "mov edx,30", "jmp qword ptr [ExAllocatePoolWithTag]"});
    const PoolSite site = only();
    EXPECT_EQ(site.tag, abc);
    EXPECT_EQ(site.return_rva, 0u);
    EXPECT_EQ(site.function_rva, 0x1100u);
}

TEST_F(SiteIndexX64, AWrapperThatCallsItselfEnds) {
    image.function(0x1000, {"push rbx", "sub rsp,20", "mov ebx,edx", "call L1000", "mov edx,ebx", "call L1100",
                            "mov r8d,ebx", call_allocate, "add rsp,20", "pop rbx", "ret"});
    image.function(0x1100, {"sub rsp,28", "call L1000", "add rsp,28", "ret"});
    image.function(0x1200, {"sub rsp,28", "mov edx,20636241", "call L1100", "add rsp,28", "ret"});
    auto sites = image.sites();
    ASSERT_EQ(sites.size(), 5u);
    EXPECT_EQ(std::ranges::count(sites, TagSource::parameter, &PoolSite::tag_source), 4);
    EXPECT_EQ(sites.back().tag, abc);
    EXPECT_EQ(sites.back().via_rvas, (std::vector<std::uint32_t>{0x1100, 0x1000}));
}

TEST_F(SiteIndexX64, TellsThatItDidNotFollowAllWrappers) {
    // Each passes its arguments on to the one before.
    constexpr std::uint32_t first = 0x1000, apart = 0x20;
    constexpr int count = SiteSearch::max_rounds + 2;
    image.function(first, {"sub rsp,28", call_allocate, "add rsp,28", "ret"});
    for (std::uint32_t i = 1; i < count; ++i) {
        const std::string call = fmt::format("call L{:x}", first + (i - 1) * apart);
        image.function(first + i * apart, {"sub rsp,28", call, "add rsp,28", "ret"});
    }
    Work work;
    auto index = index_file(image.bytes(), work);
    ASSERT_TRUE(index);
    EXPECT_GE(index->sites.size(), SiteSearch::max_rounds);
    EXPECT_LT(index->sites.size(), count);
    EXPECT_NE(index->coverage.sentence().find("limit reached"), std::string::npos) << index->coverage.sentence();
}

TEST_F(SiteIndexX64, TellsThatAWrapperHasTooManyTags) {
    for (const std::size_t calls : {SiteSearch::max_callees, SiteSearch::max_callees + 1}) {
        // Each call passes on another argument that came on the stack.
        SiteImageFile many(x64_machine(), {"ExAllocatePoolWithTag"});
        std::uint32_t rva = many.code(0x1000, {"sub rsp,28"});
        for (std::size_t i = 0; i < calls; ++i)
            rva = many.code(rva, {fmt::format("mov r8d,dword ptr [rsp+{:x}]", 0x50 + 8 * i), call_allocate});
        many.unwind_entry(0x1000, many.code(rva, {"add rsp,28", "ret"}), many.plain_unwind);
        Work work;
        auto index = index_file(many.bytes(), work);
        ASSERT_TRUE(index);
        EXPECT_EQ(index->sites.size(), calls);
        EXPECT_EQ(std::ranges::count(index->sites, TagSource::parameter, &PoolSite::tag_source), calls);
        EXPECT_EQ(index->coverage.complete(), calls == SiteSearch::max_callees) << index->coverage.sentence();
    }
}

TEST_F(SiteIndexX64, TakesAnEmptyOverrideForNone) {
    // As some drivers do: a variable that is set for tests replaces the tag.
    image.function(0x1000, {"sub rsp,28", "mov eax,dword ptr [L3010]", "test eax,eax", "cmovne edx,eax", "mov r8d,edx",
                            call_allocate, "add rsp,28", "ret"});
    image.function(0x1100, {"sub rsp,28", "mov edx,20636241", "call L1000", "add rsp,28", "ret"});
    auto sites = image.sites();
    ASSERT_EQ(sites.size(), 2u);
    EXPECT_EQ(sites[0].tag_source, TagSource::parameter);
    EXPECT_EQ(sites[1].tag, abc);
}

TEST_F(SiteIndexX64, DoesNotTakeDataForCode) {
    image.function(0x1000, {"xor eax,eax", "ret"});
    image.code(0x1100, {"mov r8d,20636241", call_allocate}); // in no function, as the tables tell
    EXPECT_TRUE(image.sites().empty());
}

TEST_F(SiteIndexX64, FollowsTheCasesOfASwitch) {
    // lea rdx,[base]; mov ecx,[rdx+rax*4+2800]; add rcx,rdx; jmp rcx, with the table of RVAs at 0x2800.
    const std::uint32_t jump = image.code(0x1000, {"sub rsp,28", "lea rdx,[L0]"});
    image.put(jump, {0x8b, 0x8c, 0x82, 0x00, 0x28, 0x00, 0x00, 0x48, 0x03, 0xca, 0xff, 0xe1});
    const std::uint32_t first = image.code(jump + 12, {"mov r8d,20636241", "jmp L1060"}) - 8;
    const std::uint32_t second = image.code(0x1040, {"mov r8d,20636242", "jmp L1060"}) - 8;
    image.code(0x1060, {call_allocate, "add rsp,28", "ret"});
    image.unwind_entry(0x1000, 0x1080, SiteImageFile::plain_unwind);
    image.put(0x2800, first);
    image.put(0x2804, second);
    auto sites = image.sites();
    ASSERT_EQ(sites.size(), 2u);
    EXPECT_EQ(sites[0].tag, abc);
    EXPECT_EQ(sites[1].tag, PoolTag(0x20636242));
}

TEST_F(SiteIndexX64, KnowsARetpolineAndADispatchedCall) {
    // What the kernel makes of "call [slot]" in drivers built for it.
    image.function(0x1000, {"sub rsp,28", "mov r8d,20636241", "mov r10,qword ptr [ExAllocatePoolWithTag]", "call L1500",
                            "add rsp,28", "ret"});
    image.code(0x1500, {"jmp r10"});
    // Control flow guard: the pointer to the dispatcher is told by the load configuration.
    image.function(0x1100, {"sub rsp,28", "mov edx,20636242", "mov rax,qword ptr [ExFreePoolWithTag]",
                            "call qword ptr [L2e00]", "add rsp,28", "ret"});
    image.directory(10, 0x2d00, 0x94);
    image.put(0x2d00, std::uint32_t{0x94});
    image.put(0x2d78, image.base() + 0x2e00);
    auto sites = image.sites();
    ASSERT_EQ(sites.size(), 2u);
    EXPECT_EQ(sites[0].tag, abc);
    EXPECT_EQ(sites[1].tag, PoolTag(0x20636242));
    EXPECT_EQ(sites[1].kind, SiteKind::release);
}

TEST_F(SiteIndexX64, KnowsRoutinesOutsideByTheirAddress) {
    constexpr std::uint64_t outside = 0x150000000;
    image.function(0x1000, {"sub rsp,28", "mov r8d,20636241", "call 150000000", "add rsp,28", "ret"});
    // A pointer that was filled at run time.
    image.function(0x1100, {"sub rsp,28", "mov r8d,20636242", "call qword ptr [L3020]", "add rsp,28", "ret"});
    image.put(0x3020, outside);
    auto bytes = FlatImage::of_file(image.bytes());
    ASSERT_TRUE(bytes);
    SiteImage what;
    what.bytes = &*bytes;
    what.base = image.base();
    what.routines = {{outside, "ExAllocatePoolWithTag"}};
    Work work;
    auto index = index_image(what, work);
    ASSERT_TRUE(index);
    ASSERT_EQ(index->sites.size(), 2u);
    EXPECT_EQ(index->sites[0].tag, abc);
    EXPECT_EQ(index->sites[1].tag, PoolTag(0x20636242));
    EXPECT_EQ(sites_of_tag(*index, PoolTag(abc.value | PoolTag::protected_bit)).size(), 1u);
}

TEST_F(SiteIndexX64, AFileThatWasCutOffTellsSo) {
    image.function(0x1000, {"sub rsp,28", "mov r8d,20636241", call_allocate, "add rsp,28", "ret"});
    Work work;
    ByteVector cut = image.bytes();
    cut.resize(0x1800);
    auto index = index_file(cut, work);
    ASSERT_TRUE(index);
    EXPECT_FALSE(index->coverage.complete());
    cut.resize(0x60);
    EXPECT_FALSE(index_file(cut, work));
}

TEST_F(SiteIndexX64, AnExportOfExcessiveLengthIsNoName) {
    image.function(0x1000, {"sub rsp,28", call_allocate, "add rsp,28", "ret"});
    image.function(0x1100, {"sub rsp,28", "mov r8d,20636241", "call L1000", "add rsp,28", "ret"});
    const std::string longest(256, 'a');
    image.export_as(longest, 0x1000);
    auto sites = image.sites();
    ASSERT_EQ(sites.size(), 2u);
    EXPECT_EQ(sites[1].via, std::vector{longest});
    image.export_as(longest + 'a', 0x1000);
    sites = image.sites();
    ASSERT_EQ(sites.size(), 2u);
    EXPECT_EQ(sites[0].function, "");
    EXPECT_EQ(sites[1].via, std::vector<std::string>{"sub_1000"});
}

TEST_F(SiteIndexX64, StopsWhenAsked) {
    image.function(0x1000, {"sub rsp,28", "mov r8d,20636241", call_allocate, "add rsp,28", "ret"});
    Work work;
    work.request_stop();
    auto index = index_file(image.bytes(), work);
    ASSERT_TRUE(index);
    EXPECT_TRUE(index->coverage.stopped());
}

class SiteIndexX86 : public ::testing::Test {
  protected:
    SiteImageFile image{x86_machine(),
                        {"ExAllocatePoolWithTag", "ExFreePoolWithTag", "ExAllocatePool2", "KeFoo", "ExFreePool"}};

    PoolSite only() const {
        auto sites = image.sites();
        EXPECT_EQ(sites.size(), 1u);
        return sites.empty() ? PoolSite{} : sites.front();
    }
};

constexpr auto call_allocate_x86 = "call dword ptr [ExAllocatePoolWithTag]";

TEST_F(SiteIndexX86, ReadsPushedArguments) {
    image.code(0x1000,
               {"push ebp", "mov ebp,esp", "push 20636241", "push 64", "push 1", call_allocate_x86, "pop ebp", "ret"});
    const PoolSite site = only();
    EXPECT_EQ(site.tag, abc);
    EXPECT_EQ(site.tag_rva, image.at("push 20636241") + 1);
    EXPECT_EQ(site.size, 0x64u);
    EXPECT_EQ(site.paged, true);
    EXPECT_EQ(site.function_rva, 0x1000u);
}

TEST_F(SiteIndexX86, ReadsArgumentsThatAreMovedToTheStack) {
    image.code(0x1000, {"push ebp", "mov ebp,esp", "sub esp,18", "mov dword ptr [esp+8],20636241",
                        "mov dword ptr [esp+4],64", "mov dword ptr [esp],0", call_allocate_x86, "leave", "ret"});
    EXPECT_EQ(only().tag, abc);
    EXPECT_EQ(only().size, 0x64u);
    EXPECT_EQ(only().pool_type, 0u);
}

TEST_F(SiteIndexX86, CountsFlagsAsTwoWords) {
    image.code(0x1000, {"push ebp", "mov ebp,esp", "push 20636241", "push 64", "push 0", "push 40",
                        "call dword ptr [ExAllocatePool2]", "pop ebp", "ret"});
    EXPECT_EQ(only().tag, abc);
    EXPECT_EQ(only().size, 0x64u);
    EXPECT_EQ(only().paged, false);
}

TEST_F(SiteIndexX86, GoesOnBehindACallThatRemovesAnUnknownNumberOfBytes) {
    image.code(0x1000, {"push ebp", "mov ebp,esp", "push 1", "push 2", "call dword ptr [KeFoo]", "push 20636241",
                        "push 64", "push 1", call_allocate_x86, "mov esi,eax", "push 20636242", "push esi",
                        "call dword ptr [ExFreePoolWithTag]", "leave", "ret"});
    auto sites = image.sites();
    ASSERT_EQ(sites.size(), 2u);
    EXPECT_EQ(sites[0].tag, abc);
    EXPECT_EQ(sites[1].tag, PoolTag(0x20636242));
}

TEST_F(SiteIndexX86, LooksThroughWrappersAndTailJumps) {
    image.code(0x1000, {"push ebp", "mov ebp,esp", "push dword ptr [ebp+c]", "push dword ptr [ebp+8]", "push 1",
                        call_allocate_x86, "pop ebp", "ret 8"});
    image.code(0x1100, {"jmp L1000"});
    image.code(0x1200, {"push ebp", "mov ebp,esp", "push 20636241", "push 70", "call L1000", "push 20636242", "push 80",
                        "call L1100", "pop ebp", "ret"});
    auto sites = image.sites();
    std::erase_if(sites, [](const PoolSite& s) { return s.tag_source == TagSource::parameter; });
    ASSERT_EQ(sites.size(), 2u);
    EXPECT_EQ(sites[0].tag, abc);
    EXPECT_EQ(sites[0].size, 0x70u);
    EXPECT_EQ(sites[0].via_rvas, std::vector<std::uint32_t>{0x1000});
    EXPECT_EQ(sites[1].tag, PoolTag(0x20636242));
}

TEST_F(SiteIndexX86, AnOverwrittenArgumentIsNoParameterAnyMore) {
    // A callee that is given its address may have changed it.
    image.code(0x1000, {"push ebp", "mov ebp,esp", "mov dword ptr [ebp+c],20636241", "lea eax,[ebp+c]", "push eax",
                        "call dword ptr [KeFoo]", "push dword ptr [ebp+c]", "push 64", "push 1", call_allocate_x86,
                        "leave", "ret 8"});
    EXPECT_EQ(only().tag_source, TagSource::unresolved);
    EXPECT_EQ(only().tag, std::nullopt);
}

TEST_F(SiteIndexX86, ANarrowStoreLeavesTheRestOfAnArgumentOverwritten) {
    const std::uint32_t wide = image.code(0x1000, {"push ebp", "mov ebp,esp"});
    image.put(wide, {0x66, 0x0f, 0xd6, 0x45, 0x08}); // movq [ebp+8],xmm0
    image.code(wide + 5, {"mov dword ptr [ebp+8],64", "push dword ptr [ebp+c]", "push dword ptr [ebp+8]", "push 1",
                          call_allocate_x86, "pop ebp", "ret 8"});
    EXPECT_EQ(only().tag_source, TagSource::unresolved);
    EXPECT_EQ(only().size, 0x64u);
}

TEST_F(SiteIndexX86, EveryLoopInstructionCounts) {
    for (unsigned opcode : {0xe0u, 0xe1u, 0xe2u}) {
        const std::uint32_t loop = image.code(0x1000, {"push ebp", "mov ebp,esp", "mov ecx,20636241"});
        image.put(loop, {opcode, 0x00}); // to what follows it
        image.code(loop + 2, {"push ecx", "push 64", "push 1", call_allocate_x86, "pop ebp", "ret"});
        EXPECT_EQ(only().tag_source, TagSource::unresolved) << opcode;
    }
}

TEST_F(SiteIndexX86, FindsAFunctionThatOnlyAPointerLeadsTo) {
    image.code(0x1000, {"push ebp", "mov ebp,esp", "push L1100", "call dword ptr [KeFoo]", "pop ebp", "ret"});
    image.code(0x1100, {"push 20636241", "push dword ptr [esp+8]", "call dword ptr [ExFreePoolWithTag]", "ret 4"});
    EXPECT_EQ(only().tag, abc);
    EXPECT_EQ(only().function_rva, 0x1100u);
}

TEST_F(SiteIndexX86, SwitchesWithoutNumberAreCutOff) {
    // Hundreds of jumps through one table that leads to all of them.
    constexpr std::uint32_t table = 0x3000, cases = 0x800, length = 7, jumps = 500;
    const std::uint32_t first =
        image.code(0x1000, {"push ebp", "mov ebp,esp", "push 1", "call dword ptr [ExFreePool]"});
    for (std::uint32_t i = 0; i < jumps; ++i)
        image.put(first + i * length, {0xff, 0x24, 0x85, 0x00, 0x30, 0x40, 0x00}); // jmp [eax*4+403000]
    for (std::uint32_t i = 0; i < cases; ++i)
        image.put(table + i * 4, static_cast<std::uint32_t>(image.base()) + first + i % jumps * length);
    Work work;
    auto index = index_file(image.bytes(), work);
    ASSERT_TRUE(index);
    EXPECT_EQ(index->sites.size(), 1u);
    EXPECT_FALSE(index->coverage.complete());
}

TEST(SiteStore, ReadsModulesOnceAndNamesThem) {
    SiteImageFile kernel_image(x64_machine(), {});
    kernel_image.function(0x1000, {"xor eax,eax", "ret"});
    SiteImageFile image(x64_machine(), {"ExAllocatePoolWithTag"});
    image.function(0x1000, {"sub rsp,28", "mov r8d,20636241", call_allocate, "add rsp,28", "ret"});
    poolkd::testing::CodeMachine machine;
    machine.add_module("ntoskrnl.exe", poolkd::testing::CodeMachine::kernel_base, kernel_image.bytes());
    machine.add_module("leaky.sys", VirtAddr(0xfffff80100000000), image.bytes());
    machine.add_symbol("leaky", "LeakyAllocate", 0x1000);
    nt::Kernel& kernel = machine.kernel();
    SiteStore store(kernel);
    Work work;
    auto all = store.all(work);
    ASSERT_EQ(all.value.size(), 2u);
    nt::Module* leaky = kernel.modules().find("leaky");
    ASSERT_TRUE(leaky);
    const ModuleSites* sites = store.of(*leaky, work);
    EXPECT_EQ(sites->error, "");
    ASSERT_EQ(sites->index.sites.size(), 1u);
    EXPECT_EQ(sites->index.sites[0].tag, abc);
    EXPECT_EQ(sites->index.sites[0].function, "LeakyAllocate");
    const std::uint64_t reads = machine.memory().reads();
    EXPECT_EQ(store.of(*leaky, work), sites);
    EXPECT_EQ(machine.memory().reads(), reads) << "asked of the target twice";
    Work stopped;
    stopped.request_stop();
    SiteStore fresh(kernel);
    EXPECT_FALSE(fresh.of(*leaky, stopped)->error.empty());
}

/// Another target whose link can be lost above an address.
class LossyTarget final : public target::Target, public memory::AddressSpace {
  public:
    explicit LossyTarget(target::Target& target) : target_(target) {}

    VirtAddr lost_from{~0ull};

    memory::ReadResult read(VirtAddr address, MutableBytes out, Work* work = nullptr) override {
        if (address + out.size() > lost_from && address < lost_from + 0x10000) return {0, GapReason::link_lost};
        return target_.memory().read(address, out, work);
    }
    [[nodiscard]] const target::Identity& identity() const override { return target_.identity(); }
    [[nodiscard]] target::Epoch epoch() const override { return target_.epoch(); }
    memory::AddressSpace& memory() override { return *this; }
    memory::PhysicalMemory& physical() override { return target_.physical(); }
    Result<RegisterFile> registers(std::uint32_t processor) override { return target_.registers(processor); }
    Result<ByteVector> special_registers(std::uint32_t processor) override {
        return target_.special_registers(processor);
    }
    Result<VirtAddr> processor_block(std::uint32_t processor) override { return target_.processor_block(processor); }

  private:
    target::Target& target_;
};

TEST(SiteStore, ReadsAgainWhatALostLinkCutOff) {
    SiteImageFile image(x64_machine(), {"ExAllocatePoolWithTag"});
    image.function(0x1000, {"sub rsp,28", "mov r8d,20636241", call_allocate, "add rsp,28", "ret"});
    constexpr VirtAddr base{0xfffff80100000000};
    poolkd::testing::CodeMachine machine;
    machine.add_module("ntoskrnl.exe", poolkd::testing::CodeMachine::kernel_base, image.bytes());
    machine.add_module("leaky.sys", base, image.bytes());
    machine.kernel(); // writes the list of modules
    LossyTarget target(machine.target);
    nt::Kernel kernel(target, [](nt::Module&) {});
    kernel.reload();
    nt::Module* leaky = kernel.modules().find("leaky");
    ASSERT_TRUE(leaky);
    // Lost before the headers, and before the code.
    for (std::uint32_t from : {0u, 0x1000u}) {
        SiteStore store(kernel);
        Work work;
        target.lost_from = base + from;
        const ModuleSites* sites = store.of(*leaky, work);
        EXPECT_TRUE(sites->index.sites.empty());
        EXPECT_FALSE(sites->index.coverage.complete());
        target.lost_from = VirtAddr(~0ull);
        EXPECT_EQ(store.of(*leaky, work), sites) << "the pointer stays good";
        EXPECT_EQ(sites->error, "");
        EXPECT_TRUE(sites->index.coverage.complete()) << sites->index.coverage.sentence();
        EXPECT_EQ(sites->index.sites.size(), 1u);
    }
}

} // namespace
} // namespace poolkd::code
