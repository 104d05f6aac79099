// Drivers that clang compiles here, which call the pool through what is no import.

#include "code/site_index.h"
#include "code_machine.h"
#include "support/temporary_directory.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace poolkd::code {
namespace {

constexpr const char* named_source = R"(
typedef struct { unsigned short length, size; const unsigned short* buffer; } UNICODE_STRING;
__declspec(dllimport) void __stdcall RtlInitUnicodeString(UNICODE_STRING*, const unsigned short*);
__declspec(dllimport) void* __stdcall MmGetSystemRoutineAddress(UNICODE_STRING*);
typedef void* (__stdcall *ALLOCATE)(int type, __SIZE_TYPE__ bytes, unsigned tag);
typedef void (__stdcall *RELEASE)(void*, unsigned tag);
static ALLOCATE allocate, other;
static RELEASE release;
static UNICODE_STRING release_name = {34, 36, L"ExFreePoolWithTag"};
void* kept;
__attribute__((noinline)) void use(__SIZE_TYPE__ bytes) {
    if (allocate) kept = allocate(1, bytes, 0x20636241);
}
__attribute__((noinline)) void drop(void) { release(kept, 0x20636241); }
__attribute__((noinline)) void use_other(void) { kept = other(1, 8, 0x20636242); }
long __stdcall entry(void* driver, void* path) {
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, L"ExAllocatePoolWithTag");
    allocate = (ALLOCATE)MmGetSystemRoutineAddress(&name);
    RtlInitUnicodeString(&name, L"KeQueryInterruptTime");
    other = (ALLOCATE)MmGetSystemRoutineAddress(&name);
    release = (RELEASE)MmGetSystemRoutineAddress(&release_name);
    if (!allocate || !release) return -1;
    use((__SIZE_TYPE__)path);
    drop();
    use_other();
    return 0;
}
)";

constexpr const char* wdf_source = R"(
typedef void (*WDFFUNC)(void);
struct bind_info {
    unsigned size;
    const unsigned short* component;
    unsigned major, minor, build, functions;
    const WDFFUNC** table;
    void* module;
};
const WDFFUNC* WdfFunctions;
void* WdfDriverGlobals;
struct bind_info info = {sizeof(struct bind_info), L"KmdfLibrary", 1, 15, 0, 444, &WdfFunctions, 0};
__declspec(dllimport) long __stdcall WdfVersionBind(void*, void*, struct bind_info*, void**);
struct config { unsigned size; void* add; void* unload; unsigned flags, tag; };
typedef long (__stdcall *DRIVER_CREATE)(void*, void*, void*, void*, struct config*, void**);
typedef long (__stdcall *MEMORY_CREATE)(void*, void*, int, unsigned, __SIZE_TYPE__, void**, void**);
void *memory, *buffer;
__attribute__((noinline)) long make(__SIZE_TYPE__ bytes) {
    return ((MEMORY_CREATE)WdfFunctions[192])(WdfDriverGlobals, 0, 1, 0x20636241, bytes, &memory, &buffer);
}
__attribute__((noinline)) long make_plain(void) {
    return ((MEMORY_CREATE)WdfFunctions[192])(WdfDriverGlobals, 0, 512, 0, 96, &memory, &buffer);
}
long __stdcall entry(void* driver, void* path) {
    struct config config;
    __builtin_memset(&config, 0, sizeof config);
    WdfVersionBind(driver, path, &info, &WdfDriverGlobals);
    config.size = sizeof config;
    config.tag = 0x20636244;
    ((DRIVER_CREATE)WdfFunctions[116])(WdfDriverGlobals, driver, path, 0, &config, 0);
    return make((__SIZE_TYPE__)path) + make_plain();
}
void* memset(void* to, int value, __SIZE_TYPE__ bytes) {
    for (volatile char* p = to; bytes--; ++p) *p = (char)value;
    return to;
}
)";

class CompiledSites : public ::testing::TestWithParam<std::tuple<bool, const char*>> {
  protected:
    /// By RVA; nothing where the tools are missing.
    std::vector<PoolSite> sites_of(const char* source, const char* exports) {
        const auto [wide, level] = GetParam();
        poolkd::testing::TemporaryDirectory folder;
        std::ofstream(folder.path() / "a.c") << source;
        std::ofstream(folder.path() / "lib.def") << exports;
        const std::string build = fmt::format(
            "cd {} && llvm-dlltool-19 -k -m {} -d lib.def -l lib.lib && clang-19 --target={}-pc-windows-msvc "
            "-ffreestanding {} -w -mno-sse -fno-stack-protector -c a.c -o a.obj && lld-link-19 /driver "
            "/subsystem:native "
            "/entry:entry /nodefaultlib /out:a.sys a.obj lib.lib",
            folder.path().string(), wide ? "i386:x86-64" : "i386", wide ? "x86_64" : "i686", level);
        EXPECT_EQ(std::system(build.c_str()), 0);
        Work work;
        auto index = index_file(poolkd::testing::read_file(folder.path() / "a.sys"), work);
        EXPECT_TRUE(index) << (index ? "" : index.error().message);
        return index ? std::move(index->sites) : std::vector<PoolSite>{};
    }
    void SetUp() override {
        for (const char* tool : {"clang-19", "lld-link-19", "llvm-dlltool-19"})
            if (std::system(fmt::format("command -v {} >/dev/null", tool).c_str()) != 0)
                GTEST_SKIP() << "not installed: " << tool;
    }
    static const PoolSite* with(const std::vector<PoolSite>& sites, std::string_view api, std::uint32_t tag) {
        auto found = std::ranges::find_if(
            sites, [&](const PoolSite& site) { return site.api == api && site.tag == PoolTag(tag); });
        return found == sites.end() ? nullptr : &*found;
    }
};

TEST_P(CompiledSites, ThroughVariablesThatALookupFills) {
    const bool wide = std::get<0>(GetParam());
    const auto sites =
        sites_of(named_source, wide ? "LIBRARY ntoskrnl.exe\nEXPORTS\nRtlInitUnicodeString\nMmGetSystemRoutineAddress\n"
                                    : "LIBRARY ntoskrnl.exe\nEXPORTS\nRtlInitUnicodeString@8\n"
                                      "MmGetSystemRoutineAddress@4\n");
    EXPECT_EQ(sites.size(), 2u);
    const PoolSite* allocation = with(sites, "ExAllocatePoolWithTag", 0x20636241);
    ASSERT_TRUE(allocation);
    EXPECT_EQ(allocation->paged, true);
    EXPECT_NE(allocation->note.find("MmGetSystemRoutineAddress"), std::string::npos);
    EXPECT_TRUE(with(sites, "ExFreePoolWithTag", 0x20636241));
}

TEST_P(CompiledSites, ThroughTheTableOfKmdf) {
    const bool wide = std::get<0>(GetParam());
    const auto sites = sites_of(wdf_source, wide ? "LIBRARY WDFLDR.SYS\nEXPORTS\nWdfVersionBind\n"
                                                 : "LIBRARY WDFLDR.SYS\nEXPORTS\nWdfVersionBind@16\n");
    EXPECT_EQ(sites.size(), 3u);
    const PoolSite* stated = with(sites, "WdfMemoryCreate", 0x20636241);
    ASSERT_TRUE(stated);
    EXPECT_EQ(stated->paged, true);
    const PoolSite* plain = with(sites, "WdfMemoryCreate", 0x20636244);
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->tag_source, TagSource::fixed);
    EXPECT_EQ(plain->size, 96u);
    EXPECT_TRUE(with(sites, "WdfDriverCreate", 0x20636244));
}

INSTANTIATE_TEST_SUITE_P(Machines, CompiledSites,
                         ::testing::Combine(::testing::Bool(), ::testing::Values("-O1", "-O2")));

} // namespace
} // namespace poolkd::code
