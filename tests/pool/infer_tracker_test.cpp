// Tag usage of kernels whose symbols are not there: every shape that rows of the tracker tables have had.
#include "nt/kdbg.h"
#include "pool/tracker_row.h"
#include "pool/usage.h"
#include "support/fake_symbols.h"
#include "support/fake_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>

namespace poolkd::pool {
namespace {

using ::testing::HasSubstr;

struct Layout {
    unsigned pointer_size;
    std::uint64_t stride;
    std::uint32_t rows; ///< without the overflow row
};

/// A kernel with nothing but KDBG and tracker tables, filled as a kernel does it.
class BareKernel {
  public:
    explicit BareKernel(const Layout& layout, unsigned processors = 2)
        : layout_(layout), wide_(layout.pointer_size == 8) {
        target.edit_identity().machine = wide_ ? &x64_machine() : &x86_machine();
        target.edit_identity().processors = processors;
        base_ = VirtAddr(wide_ ? 0xfffff80000000000 : 0xffffffff80400000);
        first_table_ = VirtAddr(wide_ ? 0xffffa80000100000 : 0xffffffff86000000);
        target.edit_identity().kernel_base = base_;
        target.edit_identity().debugger_data = base_ + 0x1000;
        memory().map(base_, 0x20000);
        memory().put_value(base_ + 0x1010, nt::Kdbg::tag);
        memory().put_value(base_ + 0x1014, std::uint32_t{0x340});
        memory().put_value(base_ + 0x1018, base_.value);
        memory().put_value(base_ + 0x1000 + nt::Kdbg::pool_track_table, (base_ + variable).value);
        for (const TrackerRow& known : TrackerRow::known(layout.pointer_size))
            if (known.stride == layout.stride) row_ = known;
        EXPECT_EQ(row_.stride, layout.stride);
        put_pointer(variable, table(0));
        for (unsigned i = 0; i < processors; ++i)
            put_pointer(processor_tables + i * layout.pointer_size, table(1 + i));
        for (unsigned i = 0; i <= processors; ++i)
            memory().map(table(i), (layout.rows + 1) * layout.stride);
    }

    static constexpr std::uint32_t variable = 0x8000, processor_tables = 0xa000;

    [[nodiscard]] VirtAddr table(unsigned index) const { return first_table_ + index * std::uint64_t{0x800000}; }
    testing::FakeMemory& memory() { return target.virtual_memory(); }
    void put_pointer(std::uint32_t rva, VirtAddr value) {
        if (wide_)
            memory().put_value(base_ + rva, value.value);
        else
            memory().put_value(base_ + rva, static_cast<std::uint32_t>(value.value));
    }

    /// Where the tag is counted; its key goes into the global table.
    std::uint32_t slot_of(PoolTag tag) {
        const std::uint32_t mask = layout_.rows - 1;
        for (std::uint32_t i = tracker_hash(tag) & mask;; i = (i + 1) & mask) {
            const VirtAddr key = table(0) + i * layout_.stride + row_.key.offset;
            const auto there = *memory().value<std::uint32_t>(key);
            if (there != 0 && there != tag.value) continue;
            memory().put_value(key, tag.value);
            return i;
        }
    }
    void count(unsigned table_index, PoolTag tag, const PoolCounts& nonpaged, const PoolCounts& paged) {
        put_row(table_index, slot_of(tag), tag, nonpaged, paged);
    }
    void put_row(unsigned table_index, std::uint32_t slot, PoolTag tag, const PoolCounts& nonpaged,
                 const PoolCounts& paged) {
        const VirtAddr at = table(table_index) + slot * layout_.stride;
        ByteVector record(layout_.stride);
        row_.key.write(record, tag.value);
        row_.nonpaged_allocs.write(record, nonpaged.allocs);
        row_.nonpaged_frees.write(record, nonpaged.frees);
        row_.nonpaged_bytes.write(record, static_cast<std::uint64_t>(nonpaged.bytes));
        row_.paged_allocs.write(record, paged.allocs);
        row_.paged_frees.write(record, paged.frees);
        row_.paged_bytes.write(record, static_cast<std::uint64_t>(paged.bytes));
        memory().put(at, Bytes(record));
    }

    /// Tags as a busy machine has them: allocated on one processor, freed on another; or all in one table.
    void fill(std::size_t tags, unsigned into = 1) {
        std::mt19937 random(7);
        for (std::size_t i = 0; i < tags; ++i) {
            std::uint32_t value = 0;
            for (int c = 0; c < 4; ++c)
                value = value << 8 | static_cast<std::uint32_t>((random() % 2 != 0 ? 'A' : 'a') + random() % 26);
            const std::uint64_t allocs = 1 + random() % 100000, frees = random() % allocs;
            const std::int64_t size = 16 * (1 + static_cast<std::int64_t>(random() % 100));
            const PoolCounts allocated{allocs, 0, static_cast<std::int64_t>(allocs) * size};
            const PoolCounts freed{0, frees, -static_cast<std::int64_t>(frees) * size};
            const PoolCounts none;
            const bool paged = random() % 2 != 0;
            const unsigned other = target.identity().processors > 1 ? 2 : 0;
            count(into, PoolTag(value), paged ? none : allocated, paged ? allocated : none);
            if (other != 0) count(other, PoolTag(value), paged ? none : freed, paged ? freed : none);
        }
    }

    Result<Answer<UsageTable>> usage() {
        kernel = std::make_unique<nt::Kernel>(target, [this](nt::Module& module) {
            module.symbols = symbols;
            module.symbol_note = "ntkrnlmp.pdb was not found.";
        });
        (void)kernel->reload();
        Work work;
        return read_usage(*kernel, work);
    }

    testing::FakeTarget target;
    std::shared_ptr<testing::FakeSymbols> symbols; ///< null: none
    std::unique_ptr<nt::Kernel> kernel;

  private:
    Layout layout_;
    bool wide_;
    VirtAddr base_, first_table_;
    TrackerRow row_;
};

const TagUsage* find_tag(const UsageTable& table, std::string_view tag) {
    for (const TagUsage& usage : table.tags)
        if (usage.tag == PoolTag::from_text(tag)) return &usage;
    return nullptr;
}

class EveryShape : public ::testing::TestWithParam<Layout> {};

TEST_P(EveryShape, GivesTheCountsAndSaysThatTheLayoutIsInferred) {
    BareKernel fake(GetParam());
    fake.fill(GetParam().rows / 3);
    fake.count(1, *PoolTag::from_text("Abc "), {10, 4, 600}, {7, 0, 700});
    fake.count(2, *PoolTag::from_text("Abc "), {0, 2, -200}, {});
    auto usage = fake.usage();
    ASSERT_TRUE(usage) << usage.error().message;
    EXPECT_TRUE(usage->coverage.complete()) << usage->coverage.sentence();
    EXPECT_EQ(usage->value.tables, 3u);
    const TagUsage* abc = find_tag(usage->value, "Abc ");
    ASSERT_NE(abc, nullptr);
    EXPECT_EQ(abc->nonpaged.allocs, 10u);
    EXPECT_EQ(abc->nonpaged.frees, 6u);
    EXPECT_EQ(abc->nonpaged.bytes, 400);
    EXPECT_EQ(abc->paged.outstanding(), 7);
    EXPECT_EQ(abc->paged.bytes, 700);
    EXPECT_THAT(usage->value.inferred, HasSubstr("Layout inferred, not from symbols"));
    EXPECT_THAT(usage->value.inferred, HasSubstr(fmt::format("rows of {} bytes", GetParam().stride)));
    EXPECT_EQ(usage->value.table_bytes, 3 * (GetParam().rows + 1) * GetParam().stride);
}

INSTANTIATE_TEST_SUITE_P(Windows, EveryShape,
                         ::testing::Values(Layout{4, 0x1c, 1024}, Layout{4, 0x1c, 2048}, Layout{4, 0x30, 2048},
                                           Layout{8, 0x28, 1024}, Layout{8, 0x28, 4096}, Layout{8, 0x38, 2048},
                                           Layout{8, 0x38, 16384}, Layout{8, 0x50, 8192}),
                         [](const auto& info) {
                             return fmt::format("{}bit_{}bytes_{}rows", info.param.pointer_size * 8, info.param.stride,
                                                info.param.rows);
                         });

TEST(InferredUsage, OneTableIsAllOfAnOldKernel) {
    BareKernel fake({4, 0x1c, 1024}, 1);
    fake.put_pointer(BareKernel::processor_tables, VirtAddr());
    fake.fill(200, 0);
    auto usage = fake.usage();
    ASSERT_TRUE(usage) << usage.error().message;
    EXPECT_EQ(usage->value.tables, 1u);
    EXPECT_THAT(usage->value.inferred, HasSubstr("no tables of processors"));
}

TEST(InferredUsage, TheGlobalTablesAddressMayStandElsewhere) {
    for (unsigned processors : {1u, 2u}) {
        BareKernel fake({8, 0x28, 1024}, processors);
        fake.fill(13);
        for (std::uint32_t at : {0x7000u, 0x7100u, 0x7108u, 0x9000u})
            fake.put_pointer(at, fake.table(0));
        auto usage = fake.usage();
        ASSERT_TRUE(usage) << usage.error().message;
        EXPECT_EQ(usage->value.tables, 1 + processors);
    }
}

TEST(InferredUsage, TagsBesideAFullTableAreFoundOrMissed) {
    for (bool there : {true, false}) {
        BareKernel fake({8, 0x38, 64});
        fake.fill(64);
        const VirtAddr list(0xffffa80000050000);
        fake.put_pointer(0x8040, list);
        fake.put_pointer(0x8048, VirtAddr(73));
        if (there) {
            fake.memory().map(list, 0x1000);
            for (std::uint64_t i = 1; i < 6; ++i) {
                // One of them cannot be printed.
                fake.memory().put_value(list + i * 0x38, static_cast<std::uint32_t>(0x4e4d4cf0 + (i << 25) + i));
                fake.memory().put_value(list + i * 0x38 + 0x20, i * 32);
                fake.memory().put_value(list + i * 0x38 + 0x28, i);
            }
            for (std::uint64_t i = 1; i < 5; ++i)
                fake.memory().put_value(list + i * 0x38, static_cast<std::uint32_t>(0x4e4d4c41 + i));
            fake.memory().put_value(list, PoolTag::from_text("Late")->value);
            fake.memory().put_value(list + 0x08, std::uint64_t{640});
            fake.memory().put_value(list + 0x10, std::uint64_t{5});
        }
        auto usage = fake.usage();
        ASSERT_TRUE(usage) << usage.error().message;
        EXPECT_EQ(usage->coverage.complete(), there);
        EXPECT_THAT(usage->value.inferred, HasSubstr(there ? "further tags was found" : "tags are missing"));
        const TagUsage* late = find_tag(usage->value, "Late");
        ASSERT_EQ(late != nullptr, there);
        if (late) EXPECT_EQ(late->nonpaged.bytes, 640);
        EXPECT_EQ(usage->value.table_bytes, (3 * 65 + (there ? 73u : 0u)) * 0x38);
        EXPECT_EQ(usage->value.tags.size(), there ? 70u : 64u);
    }
}

TEST(InferredUsage, OfAWrongCandidateOnePageIsRead) {
    constexpr std::uint32_t candidates = 100;
    std::uint64_t read[2] = {};
    for (const bool wrong : {false, true}) {
        BareKernel fake({8, 0x28, 4096});
        fake.fill(1000);
        for (std::uint32_t i = 0; wrong && i < candidates; ++i) {
            const VirtAddr other(0xffffb00000000000 + i * std::uint64_t{0x100000});
            fake.memory().map(other, 4097 * 0x28);
            for (std::uint32_t at = 0; at < 0x1000; at += 4)
                fake.memory().put_value(other + at, std::uint32_t{0x2a2a2a2a});
            fake.put_pointer(0xc000 + 16 * i, other);
        }
        const std::uint64_t before = fake.memory().bytes_read();
        auto usage = fake.usage();
        ASSERT_TRUE(usage) << usage.error().message;
        EXPECT_EQ(usage->value.tables, 3u);
        read[wrong] = fake.memory().bytes_read() - before;
    }
    EXPECT_LE(read[1] - read[0], candidates * 0x1000u);
}

TEST(InferredUsage, AStopEndsTheSearch) {
    BareKernel fake({8, 0x38, 2048});
    fake.fill(500);
    ASSERT_TRUE(fake.usage());
    Work work;
    work.request_stop();
    const auto usage = read_usage(*fake.kernel, work);
    ASSERT_FALSE(usage);
    EXPECT_EQ(usage.error().kind, ErrorKind::stopped);
}

TEST(InferredUsage, AProcessorMayHaveCountedNothingYet) {
    BareKernel fake({8, 0x38, 2048}, 3);
    fake.fill(500);
    auto usage = fake.usage();
    ASSERT_TRUE(usage) << usage.error().message;
    EXPECT_EQ(usage->value.tables, 4u);
}

TEST(InferredUsage, TypesAloneMayBeMissing) {
    BareKernel fake({8, 0x38, 2048});
    fake.fill(500);
    fake.target.edit_identity().debugger_data = VirtAddr();
    fake.symbols = std::make_shared<testing::FakeSymbols>();
    fake.symbols->add("PoolTrackTable", BareKernel::variable);
    auto usage = fake.usage();
    ASSERT_TRUE(usage) << usage.error().message;
    EXPECT_FALSE(usage->value.inferred.empty());
}

TEST(InferredUsage, WhatTheDataDoNotDecideIsNotAnswered) {
    const auto refused = [](BareKernel& fake, const char* message) {
        auto usage = fake.usage();
        ASSERT_FALSE(usage) << message;
        EXPECT_EQ(usage.error().kind, ErrorKind::not_found);
        EXPECT_THAT(usage.error().message, HasSubstr(message));
    };
    {
        BareKernel fake({8, 0x38, 2048});
        refused(fake, "have no shape that is known"); // it is empty
    }
    {
        BareKernel fake({8, 0x38, 2048});
        fake.fill(500);
        fake.target.edit_identity().debugger_data = VirtAddr();
        refused(fake, "no debugger data block tells where PoolTrackTable is");
    }
    {
        BareKernel fake({8, 0x38, 2048});
        fake.put_pointer(BareKernel::variable, VirtAddr());
        refused(fake, "PoolTrackTable is null");
    }
    {
        BareKernel fake({8, 0x38, 2048}, 3);
        fake.fill(500);
        fake.put_pointer(BareKernel::processor_tables + 16, VirtAddr());
        refused(fake, "not all tables of the 3 processors were found");
    }
    {
        BareKernel fake({8, 0x38, 2048});
        fake.fill(500);
        fake.target.edit_identity().processors = 1;
        fake.put_pointer(BareKernel::processor_tables + 8, VirtAddr());
        fake.put_pointer(BareKernel::processor_tables + 0x100, fake.table(2));
        refused(fake, "several arrays could be");
    }
    {
        BareKernel fake({8, 0x38, 2048});
        fake.fill(500);
        fake.memory().unmap(fake.table(0) + 0x2000);
        refused(fake, "have no shape that is known");
    }
    {
        // All that was freed is missing from half of the tags.
        BareKernel fake({8, 0x38, 2048});
        fake.fill(500);
        for (unsigned i = 0; i < 100; ++i)
            fake.count(1, PoolTag(0x41424344 + i * 11), {1, 5, 64}, {});
        refused(fake, "of 600 counts make sense");
    }
    {
        BareKernel fake({8, 0x38, 2048});
        fake.fill(500);
        fake.count(1, *PoolTag::from_text("Pool"), {}, {3, 0, 0x20000});
        refused(fake, "cannot be told apart");
    }
}

TEST(InferredUsage, RowsOfNoKnownKernelAreNotGuessed) {
    // Rows of 0x40 bytes, with hashes in order.
    BareKernel fake({8, 0x38, 2048});
    std::mt19937 random(3);
    fake.memory().map(fake.table(0), 2049 * 0x40);
    for (unsigned i = 0; i < 700; ++i) {
        const PoolTag tag(0x41414141 + (static_cast<std::uint32_t>(random()) & 0x0f0f0f0f));
        fake.memory().put_value(fake.table(0) + (tracker_hash(tag) & 2047) * 0x40ull, tag.value);
    }
    auto usage = fake.usage();
    ASSERT_FALSE(usage);
    EXPECT_THAT(usage.error().message, HasSubstr("have no shape that is known"));
    EXPECT_THAT(usage.error().message, HasSubstr("ntkrnlmp.pdb was not found"));
}

TEST(InferredUsage, HashesOfPublishedTags) {
    for (const auto& [tag, hash] : {std::pair{"Frag", 0x81b0a40eu},
                                    {"Proc", 0xaee8f633u},
                                    {"File", 0x8c347a44u},
                                    {"Ntfs", 0x0ecd0b96u},
                                    {"Pool", 0x040deda5u},
                                    {"None", 0xccad4f4du}})
        EXPECT_EQ(tracker_hash(*PoolTag::from_text(tag)), hash) << tag;
}

} // namespace
} // namespace poolkd::pool
