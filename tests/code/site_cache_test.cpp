#include "code/site_cache.h"
#include "code/site_file.h"
#include "code/site_index.h"
#include "code_machine.h"
#include "site_image.h"
#include "support/temporary_directory.h"

namespace poolkd::code {
namespace {

using poolkd::testing::CodeMachine;
using poolkd::testing::SiteImageFile;
using poolkd::testing::TemporaryDirectory;

const PoolTag cached_tag{0x20636241};
constexpr auto allocate_by_slot = "call qword ptr [ExAllocatePoolWithTag]";

/// A wrapper, its caller, a tag in a variable, one that nobody can tell, and a release.
SiteImageFile cached_driver() {
    SiteImageFile image(x64_machine(), {"ExAllocatePoolWithTag", "ExFreePool"});
    image.function(0x1000, {"sub rsp,28", "mov edx,64", "xor ecx,ecx", allocate_by_slot, "add rsp,28", "ret"});
    image.function(0x1100, {"sub rsp,28", "mov r8d,20636241", "call L1000", "add rsp,28", "ret"});
    image.function(0x1200, {"sub rsp,28", "mov r8d,dword ptr [L3010]", allocate_by_slot, "add rsp,28", "ret"});
    image.function(0x1300, {"sub rsp,28", "mov r8d,dword ptr [rcx]", allocate_by_slot, "add rsp,28", "ret"});
    image.function(0x1400, {"sub rsp,28", "call qword ptr [ExFreePool]", "add rsp,28", "ret"});
    image.put(0x3010, 0x20636242u);
    return image;
}

SiteIndex index_of_image(const SiteImageFile& image) {
    Work work;
    auto index = index_file(image.bytes(), work);
    EXPECT_TRUE(index);
    return index ? std::move(*index) : SiteIndex{};
}

void expect_same_index(const SiteIndex& left, const SiteIndex& right) {
    EXPECT_EQ(left.code_bytes, right.code_bytes);
    EXPECT_EQ(left.tag_words, right.tag_words);
    EXPECT_EQ(left.site_words, right.site_words);
    EXPECT_EQ(left.coverage.read(), right.coverage.read());
    EXPECT_TRUE(left.coverage.complete() && right.coverage.complete());
    ASSERT_EQ(left.sites.size(), right.sites.size());
    for (std::size_t i = 0; i < left.sites.size(); ++i) {
        const PoolSite &a = left.sites[i], &b = right.sites[i];
        EXPECT_TRUE(std::tie(a.rva, a.return_rva, a.function_rva, a.function, a.kind, a.api, a.via, a.via_rvas) ==
                    std::tie(b.rva, b.return_rva, b.function_rva, b.function, b.kind, b.api, b.via, b.via_rvas));
        EXPECT_TRUE(std::tie(a.tag, a.tag_source, a.tag_rva, a.size, a.pool_type, a.paged, a.note) ==
                    std::tie(b.tag, b.tag_source, b.tag_rva, b.size, b.pool_type, b.paged, b.note));
    }
}

TEST(SiteFile, GivesBackWhatWasWritten) {
    const SiteIndex index = index_of_image(cached_driver());
    ASSERT_EQ(index.sites.size(), 5u);
    ASSERT_FALSE(index.tag_words.empty());
    const ByteVector file = write_sites("a key", index);
    const auto again = read_sites(file, "a key");
    ASSERT_TRUE(again);
    expect_same_index(index, *again);
    EXPECT_FALSE(read_sites(file, "another key"));
}

TEST(SiteFile, DamageIsSeen) {
    const ByteVector file = write_sites("key", index_of_image(cached_driver()));
    for (std::size_t size = 0; size < file.size(); ++size)
        EXPECT_FALSE(read_sites(Bytes(file).first(size), "key"));
    for (std::size_t at = 0; at < file.size(); ++at) {
        ByteVector damaged = file;
        damaged[at] ^= std::byte{0x40};
        EXPECT_FALSE(read_sites(damaged, "key")) << at;
        // With a sum that fits: whatever is made of it could have been found.
        seal_sites(damaged);
        if (auto index = read_sites(damaged, "key"))
            for (const PoolSite& site : index->sites) {
                EXPECT_EQ(site.via.size(), site.via_rvas.size());
                EXPECT_FALSE(site.tag_source == TagSource::constant && !site.tag);
            }
        damaged.resize(at);
        seal_sites(damaged);
        EXPECT_FALSE(read_sites(damaged, "key")) << at;
    }
}

class SiteCacheTest : public ::testing::Test {
  protected:
    [[nodiscard]] std::vector<std::filesystem::path> files() const {
        std::vector<std::filesystem::path> out;
        if (!std::filesystem::exists(folder.path() / "sites")) return out;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path() / "sites"))
            if (entry.is_regular_file()) out.push_back(entry.path());
        return out;
    }

    TemporaryDirectory folder;
    SiteCache cache{(folder.path() / "sites").string()};
    SiteKey key{"leaky.sys", 1, 2, 3, "GUID", "file"};
};

TEST_F(SiteCacheTest, FindsWhatItKeeps) {
    const SiteIndex index = index_of_image(cached_driver());
    EXPECT_FALSE(cache.find(key));
    cache.keep(key, index);
    auto found = cache.find(key);
    ASSERT_TRUE(found);
    expect_same_index(index, *found);
    EXPECT_EQ(files().size(), 1u) << "nothing is left over";
    for (SiteKey other : {SiteKey{"leaky.sys", 1, 2, 3, "GUID", "other"}, SiteKey{"leaky.sys", 1, 2, 3, "DIUG", "file"},
                          SiteKey{"leaky.sys", 1, 2, 4, "GUID", "file"}, SiteKey{"tight.sys", 1, 2, 3, "GUID", "file"}})
        EXPECT_FALSE(cache.find(other));
    EXPECT_FALSE(SiteCache().find(key));
    SiteCache().keep(key, index);
}

TEST_F(SiteCacheTest, ADamagedOrForeignFileIsIgnoredAndWrittenAnew) {
    const SiteIndex index = index_of_image(cached_driver());
    cache.keep(key, index);
    ASSERT_EQ(files().size(), 1u);
    for (const char* content : {"", "PKSITES", "something quite different, and long enough for a head"}) {
        std::ofstream(files().front(), std::ios::binary | std::ios::trunc) << content;
        EXPECT_FALSE(cache.find(key));
        cache.keep(key, index);
        EXPECT_TRUE(cache.find(key));
    }
    std::filesystem::remove(files().front());
    EXPECT_FALSE(cache.find(key));
}

TEST_F(SiteCacheTest, WhatIsIncompleteIsNotKept) {
    SiteIndex index = index_of_image(cached_driver());
    for (GapReason reason : {GapReason::unmapped, GapReason::stopped}) {
        index.coverage = Coverage();
        index.coverage.add_gap(reason, VirtAddr(0x1000), 0x1000);
        cache.keep(key, index);
        EXPECT_FALSE(cache.find(key));
    }
}

TEST_F(SiteCacheTest, WhatIsTooLargeToBeReadIsNotKept) {
    SiteIndex index = index_of_image(cached_driver());
    index.sites.front().note.assign(17u << 20, 'n');
    cache.keep(key, index);
    EXPECT_TRUE(files().empty());
}

TEST_F(SiteCacheTest, NamesFromATargetStayInTheFolder) {
    const SiteIndex index = index_of_image(cached_driver());
    for (const char* name : {"", "..", "../../out.sys", "a\\..\\..\\out.sys", "\x1b[2J.sys"}) {
        key.image_name = name;
        cache.keep(key, index);
        EXPECT_TRUE(cache.find(key)) << name;
    }
    EXPECT_EQ(files().size(), 5u);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST_F(SiteCacheTest, AFolderThatCannotBeWrittenHurtsNobody) {
    std::ofstream(folder.path() / "sites") << "a file";
    cache.keep(key, index_of_image(cached_driver()));
    EXPECT_FALSE(cache.find(key));
}

/// A kernel that exports one routine of the pool, and a driver.
class SiteStoreCache : public SiteCacheTest {
  protected:
    static constexpr VirtAddr base{0xfffff80100000000};

    explicit SiteStoreCache(SiteImageFile image = cached_driver()) {
        SiteImageFile kernel_image(x64_machine(), {});
        kernel_image.function(0x1000, {"xor eax,eax", "ret"});
        kernel_image.export_as("ExAllocatePoolWithTag", 0x1000);
        machine.add_module("ntoskrnl.exe", CodeMachine::kernel_base, kernel_image.bytes());
        machine.add_module("leaky.sys", base, image.bytes());
        leaky = machine.kernel().modules().find("leaky");
    }
    /// As another run of the debugger has it.
    SiteIndex fresh() {
        SiteStore store(machine.kernel());
        store.use_cache(cache);
        return store.of(*leaky, work)->index;
    }
    /// Bytes read for it.
    std::uint64_t cost(SiteIndex* index = nullptr) {
        const std::uint64_t before = machine.memory().bytes_read();
        SiteIndex found = fresh();
        if (index) *index = std::move(found);
        return machine.memory().bytes_read() - before;
    }

    CodeMachine machine;
    nt::Module* leaky = nullptr;
    Work work;
};

TEST_F(SiteStoreCache, TheNextRunReadsNoCode) {
    SiteIndex first, second;
    const std::uint64_t code = cost(&first);
    EXPECT_EQ(first.sites.size(), 5u);
    EXPECT_EQ(files().size(), 1u);
    EXPECT_LT(cost(&second), code - 0x1000);
    expect_same_index(first, second);
}

TEST_F(SiteStoreCache, TagsThatWereChangedInMemoryAreSeen) {
    SiteIndex index = fresh();
    const auto found = std::ranges::find(index.sites, cached_tag, &PoolSite::tag);
    ASSERT_NE(found, index.sites.end());
    const VirtAddr at = base + *found->tag_rva;
    machine.memory().put_value(at, std::uint32_t{0x31306241});
    index = fresh();
    EXPECT_EQ(std::ranges::count(index.sites, PoolTag(0x31306241), &PoolSite::tag), 1);
    machine.memory().put_value(at, cached_tag.value);
    index = fresh();
    EXPECT_EQ(std::ranges::count(index.sites, cached_tag, &PoolSite::tag), 1);
    // A variable.
    machine.memory().put_value(base + 0x3010, std::uint32_t{0x20636243});
    index = fresh();
    EXPECT_EQ(std::ranges::count(index.sites, PoolTag(0x20636243), &PoolSite::tag), 1);
}

TEST_F(SiteStoreCache, AnotherImageOfTheSameIdentityIsSeen) {
    const SiteIndex index = fresh();
    const auto at = std::ranges::find(index.sites, SiteKind::release, &PoolSite::kind);
    ASSERT_NE(at, index.sites.end());
    ASSERT_FALSE(at->tag_rva) << "no tag tells it";
    ASSERT_EQ(index.site_words.size(), 5u);
    machine.memory().put(base + at->rva, {0x90, 0x90, 0x90, 0x90, 0x90, 0x90});
    EXPECT_EQ(std::ranges::count(fresh().sites, SiteKind::release, &PoolSite::kind), 0);
}

class SiteStorePointer : public SiteStoreCache {
  protected:
    SiteStorePointer() : SiteStoreCache(image()) {}
    static SiteImageFile image() {
        SiteImageFile out(x64_machine(), {"KeFoo"});
        out.function(0x1000, {"sub rsp,28", "mov r8d,20636241", "call qword ptr [L3020]", "add rsp,28", "ret"});
        return out;
    }
};

TEST_F(SiteStorePointer, PointersThatCameLaterAreSeen) {
    EXPECT_TRUE(fresh().sites.empty());
    machine.memory().put_value(base + 0x3020, (CodeMachine::kernel_base + 0x1000).value);
    EXPECT_EQ(fresh().sites.size(), 1u);
    EXPECT_EQ(fresh().sites.size(), 1u);
    machine.memory().put_value(base + 0x3020, std::uint64_t{0});
    EXPECT_TRUE(fresh().sites.empty());
}

class SiteStoreDiscarded : public SiteStoreCache {
  protected:
    SiteStoreDiscarded() : SiteStoreCache(image()) {}
    static SiteImageFile image() {
        SiteImageFile out = cached_driver();
        out.put(SiteImageFile::pe + 24 + 240 + 36, 0x62000020u); // .text is discardable
        return out;
    }
};

TEST_F(SiteStoreDiscarded, WithoutTheCodeThatIsThrownAwayItIsAnotherIndex) {
    machine.memory().unmap(base + 0x1000);
    SiteIndex index = fresh();
    EXPECT_TRUE(index.sites.empty());
    EXPECT_TRUE(index.coverage.complete()) << "nobody runs it any more";
    EXPECT_EQ(files().size(), 1u);
    const SiteImageFile whole = image();
    machine.memory().put(base, Bytes(whole.bytes()));
    EXPECT_EQ(fresh().sites.size(), 5u);
    EXPECT_EQ(files().size(), 2u);
    machine.memory().unmap(base + 0x1000);
    EXPECT_TRUE(fresh().sites.empty()) << "nothing of the whole one is told";
}

TEST_F(SiteStoreCache, WhatLacksPagesIsMadeAnewWhenTheyCome) {
    machine.memory().unmap(base + 0x1000);
    SiteStore store(machine.kernel());
    store.use_cache(cache);
    const ModuleSites* sites = store.of(*leaky, work);
    EXPECT_FALSE(sites->index.coverage.complete());
    EXPECT_TRUE(files().empty());
    const SiteImageFile image = cached_driver();
    machine.memory().put(base, Bytes(image.bytes()));
    EXPECT_EQ(store.of(*leaky, work), sites);
    EXPECT_TRUE(sites->index.sites.empty()) << "the target did not run";
    ASSERT_TRUE(machine.target.write(base + 0x3f00, {}));
    EXPECT_EQ(store.of(*leaky, work), sites) << "pointers stay good";
    EXPECT_EQ(sites->index.sites.size(), 5u);
    EXPECT_TRUE(sites->index.coverage.complete()) << sites->index.coverage.sentence();
    EXPECT_EQ(files().size(), 1u);
    // Whole: never again.
    ASSERT_TRUE(machine.target.write(base + 0x3f00, {}));
    const std::uint64_t before = machine.memory().bytes_read();
    (void)store.of(*leaky, work);
    EXPECT_EQ(machine.memory().bytes_read(), before);
}

TEST_F(SiteStoreCache, PagesThatStayAwayCostLittle) {
    machine.memory().unmap(base + 0x1000);
    SiteStore store(machine.kernel());
    (void)store.of(*leaky, work);
    ASSERT_TRUE(machine.target.write(base + 0x3f00, {}));
    const std::uint64_t before = machine.memory().bytes_read();
    (void)store.of(*leaky, work);
    EXPECT_EQ(machine.memory().bytes_read(), before);
}

} // namespace
} // namespace poolkd::code
