#include "dumps/crash_writer.h"
#include "dumps/new_file.h"
#include "dumps/page_runs.h"
#include "dumps/recognise.h"
#include "image_builder.h"
#include "support/temporary_directory.h"

#include <sys/resource.h>

#include <csignal>
#include <fstream>

namespace poolkd::dumps {
namespace {

using namespace testing;

struct MemoryOutput final : DumpOutput {
    Result<void> write(std::uint64_t offset, Bytes from) override {
        if (from.size() > room) return fail(ErrorKind::io, "no room");
        room -= from.size();
        if (bytes.size() < offset + from.size()) bytes.resize(offset + from.size());
        std::memcpy(bytes.data() + offset, from.data(), from.size());
        return {};
    }
    Result<void> read(std::uint64_t offset, MutableBytes out) override {
        std::memcpy(out.data(), bytes.data() + offset, out.size());
        return {};
    }
    ByteVector bytes;
    std::size_t room = ~std::size_t{0};
};

/// All pages are there but some, and each has the content of the tests' machine.
struct HoledMemory final : memory::PhysicalMemory {
    memory::ReadResult read(PhysAddr address, MutableBytes out) override {
        std::size_t done = 0;
        for (; done < out.size(); done += page) {
            const std::uint64_t at = address.value + done;
            if (lost && at >= *lost) return {done, GapReason::link_lost};
            if (missing.contains(at / page)) return {done, GapReason::unmapped};
            for (std::uint64_t i = 0; i < page; i += 8)
                store(out, done + i, content(at + i));
        }
        if (stopped_by && ++reads == 2) stopped_by->request_stop();
        return {done};
    }
    Pages missing;
    std::optional<std::uint64_t> lost;
    Work* stopped_by = nullptr;
    int reads = 0;
};

ImageFacts facts_of(bool is_64) {
    ImageFacts facts;
    facts.machine = is_64 ? &x64_machine() : &x86_machine();
    facts.major = 0xf;
    facts.build = 19041;
    facts.processor_count = 3;
    facts.directory_table_base = 0x1ad000;
    facts.loaded_module_list = is_64 ? VirtAddr(0xfffff80000412340) : VirtAddr(0xffffffff80412340);
    facts.active_process_head = facts.loaded_module_list.value() + 0x100;
    facts.pfn_database = facts.loaded_module_list.value() + 0x200;
    facts.debugger_data = facts.loaded_module_list.value() + 0x300;
    if (!is_64) facts.pae = true;
    facts.bug_check = BugCheck{0xc2, {7, 8, 9, 10}};
    facts.exception = ExceptionRecord{0x80000003, 0, facts.loaded_module_list.value() + 0x400, {1, 2}};
    RegisterFile registers(*facts.machine, ByteVector(facts.machine->context_size));
    registers.set_ip(facts.exception->address);
    facts.context.assign(registers.bytes().begin(), registers.bytes().end());
    facts.system_time = 0x1d9000000000000;
    facts.up_time = 123'456'789;
    facts.product_type = 1;
    facts.suite_mask = 0x110;
    facts.comment = "of a test";
    return facts;
}

class CrashWriter : public ::testing::TestWithParam<bool> {
  protected:
    Result<WrittenDump> write(std::vector<PageRun> runs) {
        return write_crash_dump(facts_of(GetParam()), runs, memory, output, work);
    }
    MemoryImage opened() {
        auto image = open_image(ImageFile::from_bytes(output.bytes, "written.dmp"));
        EXPECT_TRUE(image) << (image ? "" : image.error().message);
        if (!image) return {};
        EXPECT_TRUE(image->coverage.complete()) << image->coverage.sentence();
        EXPECT_EQ(image->facts.remarks, std::vector<std::string>());
        return std::move(*image);
    }
    HoledMemory memory;
    MemoryOutput output;
    Work work;
};

TEST_P(CrashWriter, WhatIsWrittenIsReadBack) {
    const auto written = write({{1, 2}, {5, 20}});
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_EQ(written->type, DumpType::full);
    EXPECT_EQ(written->pages, 22u);
    EXPECT_EQ(written->runs, 2u);
    EXPECT_EQ(written->bytes, output.bytes.size());
    EXPECT_TRUE(written->coverage.complete());
    const MemoryImage image = opened();
    Pages expected;
    for (std::uint64_t p = 0; p < 30; ++p)
        if (p == 1 || p == 2 || (p >= 5 && p < 25)) expected.insert(p);
    EXPECT_EQ(read_pages(image, 30), expected);

    const ImageFacts facts = facts_of(GetParam());
    const ImageFacts& read = image.facts;
    EXPECT_EQ(read.machine, facts.machine);
    EXPECT_EQ(read.major, facts.major);
    EXPECT_EQ(read.build, facts.build);
    EXPECT_EQ(read.pae, facts.pae);
    EXPECT_EQ(read.processor_count, facts.processor_count);
    EXPECT_EQ(read.directory_table_base, facts.directory_table_base);
    EXPECT_EQ(read.loaded_module_list, facts.loaded_module_list);
    EXPECT_EQ(read.active_process_head, facts.active_process_head);
    EXPECT_EQ(read.pfn_database, facts.pfn_database);
    EXPECT_EQ(read.debugger_data, facts.debugger_data);
    ASSERT_TRUE(read.bug_check);
    EXPECT_EQ(read.bug_check->code, 0xc2u);
    EXPECT_EQ(read.bug_check->parameters, facts.bug_check->parameters);
    ASSERT_TRUE(read.exception);
    EXPECT_EQ(read.exception->code, 0x80000003u);
    EXPECT_EQ(read.exception->address, facts.exception->address);
    EXPECT_EQ(read.exception->parameters, facts.exception->parameters);
    EXPECT_EQ(RegisterFile(*read.machine, read.context).ip(), facts.exception->address); // though it had no flags
    EXPECT_EQ(read.system_time, facts.system_time);
    EXPECT_EQ(read.up_time, facts.up_time);
    EXPECT_EQ(read.product_type, facts.product_type);
    EXPECT_EQ(read.suite_mask, facts.suite_mask);
    EXPECT_EQ(read.attributes, std::nullopt);
    EXPECT_EQ(read.comment, "of a test");
}

TEST_P(CrashWriter, PagesThatCannotBeReadAreLeftOut) {
    memory.missing = {3, 4, 17};
    const auto written = write({{0, 40}});
    ASSERT_TRUE(written);
    EXPECT_EQ(written->pages, 37u);
    EXPECT_EQ(written->runs, 3u);
    EXPECT_EQ(written->coverage.missing(), 3 * page);
    const Pages there = read_pages(opened(), 40);
    EXPECT_EQ(there.size(), 37u);
    for (std::uint64_t p : memory.missing)
        EXPECT_FALSE(there.contains(p));
}

TEST_P(CrashWriter, MoreRunsThanTheHeaderHasRoomForGetABitmap) {
    for (const std::uint64_t count : {std::uint64_t{GetParam() ? 42u : 86u}, std::uint64_t{GetParam() ? 43u : 87u}}) {
        output.bytes.clear();
        std::vector<PageRun> runs;
        for (std::uint64_t i = 0; i < count; ++i)
            runs.push_back({3 * i + 1, 2});
        const auto written = write(runs);
        ASSERT_TRUE(written);
        const bool fits = count == (GetParam() ? 42u : 86u);
        EXPECT_EQ(written->type, fits ? DumpType::full : DumpType::bitmap_full);
        EXPECT_EQ(written->bytes, crash_dump_bytes(facts_of(GetParam()), runs));
        const MemoryImage image = opened();
        EXPECT_EQ(image.facts.container, fmt::format("{}-bit {}", GetParam() ? 64 : 32,
                                                     fits ? "complete dump" : "complete dump with a bitmap"));
        EXPECT_EQ(read_pages(image, 3 * count + 3).size(), 2 * count);
    }
}

TEST_P(CrashWriter, HolesMayMakeItTooManyRuns) {
    for (std::uint64_t p = 0; p < 400; p += 4)
        memory.missing.insert(p);
    const auto written = write({{0, 500}});
    ASSERT_TRUE(written);
    EXPECT_EQ(written->type, DumpType::bitmap_full);
    EXPECT_EQ(written->pages, 400u);
    EXPECT_EQ(written->coverage.missing(), 100 * page);
    EXPECT_EQ(read_pages(opened(), 500).size(), 400u);
}

TEST_P(CrashWriter, ErrorsEndIt) {
    memory.lost = 20 * page;
    auto written = write({{0, 100}});
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().kind, ErrorKind::link);

    memory.lost.reset();
    memory.stopped_by = &work;
    written = write({{0, 100}});
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().kind, ErrorKind::stopped);

    work.clear_stop();
    output.room = 5 * page;
    written = write({{0, 100}});
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().kind, ErrorKind::io);

    output.room = ~std::size_t{0};
    written = write({{1ull << 40, 1}});
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().kind, ErrorKind::unsupported);
}

INSTANTIATE_TEST_SUITE_P(Widths, CrashWriter, ::testing::Values(true, false),
                         [](const auto& parameter) { return parameter.param ? "Of64Bits" : "Of32Bits"; });

TEST(PageRuns, OfAnImage) {
    const auto image = open_bytes(bitmap_dump(true, 5, {1, 2, 3, 9, 70, 71}, 100));
    ASSERT_TRUE(image);
    std::vector<std::pair<std::uint64_t, std::uint64_t>> runs;
    for (const PageRun& run : page_runs(image->physical->placement()))
        runs.emplace_back(run.first, run.count);
    EXPECT_EQ(runs, (std::vector<std::pair<std::uint64_t, std::uint64_t>>{{1, 3}, {9, 1}, {70, 2}}));
}

TEST(PageRuns, PiecesThatTouchAreOneAndPartsOfPagesAreNone) {
    ImageCoverage coverage;
    const auto table = RunTable<PhysAddr>::build({{PhysAddr(0x800), 0x2800, FileOffset(0x10000)},  // to 3000
                                                  {PhysAddr(0x3000), 0x1400, FileOffset(0)},       // to 4400
                                                  {PhysAddr(0x9800), 0x1000, FileOffset(0x5000)}}, // no whole page
                                                 0x20000, coverage);
    const auto runs = page_runs(table);
    ASSERT_EQ(runs.size(), 1u);
    EXPECT_EQ(runs[0].first, 1u);
    EXPECT_EQ(runs[0].count, 3u);
}

TEST(PageRuns, AKernelsListIsPutInOrder) {
    const auto runs = in_order({{100, 10}, {5, 5}, {10, 2}, {0, 0}, {104, 20}, {~0ull, 2}});
    ASSERT_EQ(runs.size(), 2u);
    EXPECT_EQ(runs[0].first, 5u);
    EXPECT_EQ(runs[0].count, 7u);
    EXPECT_EQ(runs[1].first, 100u);
    EXPECT_EQ(runs[1].count, 24u);
}

class NewFiles : public ::testing::Test {
  protected:
    [[nodiscard]] std::string text() const {
        std::ifstream stream(path);
        return {std::istreambuf_iterator<char>(stream), {}};
    }
    [[nodiscard]] std::size_t files() const {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder.path()), {}));
    }
    static Bytes bytes_of(std::string_view words) { return std::as_bytes(std::span(words)); }
    poolkd::testing::TemporaryDirectory folder;
    std::filesystem::path path = folder.path() / "new.dmp";
};

TEST_F(NewFiles, AppearWhole) {
    {
        auto file = NewFile::create(path, false);
        ASSERT_TRUE(file) << file.error().message;
        ASSERT_TRUE(file->reserve(1u << 20));
        ASSERT_TRUE(file->write(5, bytes_of("world")));
        ASSERT_TRUE(file->write(0, bytes_of("hello")));
        EXPECT_FALSE(std::filesystem::exists(path));
        ASSERT_TRUE(file->commit());
    }
    EXPECT_EQ(text(), "helloworld");
    EXPECT_EQ(files(), 1u);
}

TEST_F(NewFiles, WithoutCommitNothingStays) {
    {
        auto file = NewFile::create(path, false);
        ASSERT_TRUE(file && file->write(0, bytes_of("hello")));
    }
    EXPECT_EQ(files(), 0u);
}

TEST_F(NewFiles, ReplaceOnlyWhenAsked) {
    std::ofstream(path) << "old";
    auto refused = NewFile::create(path, false);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::refused);
    auto replaced = NewFile::create(path, true);
    ASSERT_TRUE(replaced && replaced->write(0, bytes_of("new")));
    EXPECT_EQ(text(), "old");
    ASSERT_TRUE(replaced->commit());
    EXPECT_EQ(text(), "new");
    EXPECT_FALSE(NewFile::create(folder.path(), true));
}

TEST_F(NewFiles, OneThatAppearedMeanwhileStays) {
    auto file = NewFile::create(path, false);
    ASSERT_TRUE(file && file->write(0, bytes_of("new")));
    std::ofstream(path) << "theirs";
    const auto committed = file->commit();
    ASSERT_FALSE(committed);
    EXPECT_EQ(committed.error().kind, ErrorKind::refused);
    EXPECT_EQ(text(), "theirs");
}

TEST_F(NewFiles, NoRoomIsSaidBeforeAnythingIsWritten) {
    const rlimit small{1u << 20, RLIM_INFINITY};
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    auto file = NewFile::create(path, false);
    setrlimit(RLIMIT_FSIZE, &small);
    const auto reserved = file ? file->reserve(2u << 20) : Result<void>();
    setrlimit(RLIMIT_FSIZE, &before);
    (void)std::signal(SIGXFSZ, handler);
    ASSERT_TRUE(file);
    ASSERT_FALSE(reserved);
    EXPECT_EQ(reserved.error().kind, ErrorKind::io);
    EXPECT_NE(reserved.error().message.find("larger than a file may be here"), std::string::npos);
}

TEST(ImagesAmongOtherFiles, AreTold) {
    auto looks = [](ByteVector bytes) { return looks_like_image(ImageFile::from_bytes(std::move(bytes), "file.bin")); };
    EXPECT_TRUE(looks(full_dump(true, {1, 2}).bytes()));
    EXPECT_TRUE(looks(elf_core(true, {1, 2}).bytes()));
    ByteVector memory(1u << 20);
    EXPECT_TRUE(looks(memory)); // raw
    memory.resize(memory.size() + 1);
    EXPECT_FALSE(looks(memory)); // no whole pages
    memory.resize(1u << 20);
    std::memcpy(memory.data(), "SQLite format 3", 16);
    EXPECT_FALSE(looks(memory));
    EXPECT_FALSE(looks(ByteVector(1u << 20, std::byte{'a'})));
    EXPECT_FALSE(looks({}));
    ByteVector wide(1u << 20);
    for (std::size_t i = 0; i < wide.size(); i += 2)
        wide[i] = std::byte{'a'};
    EXPECT_FALSE(looks(wide)); // UTF-16
}

} // namespace
} // namespace poolkd::dumps
