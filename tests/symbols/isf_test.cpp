// Volatility's symbol tables: what they tell, how they are found, and what damaged ones come to.
#include "base/text.h"
#include "pe/debug_directory.h"
#include "support.h"
#include "symbols/isf/isf_search.h"
#include "symbols/isf/isf_symbols.h"
#include "symbols/isf/unpack.h"
#include "symbols/symbol_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lzma.h>
#include <zlib.h>

#include <map>

namespace poolkd::symbols {
namespace {

using testing::bytes_of;
using testing::fixture;
using testing::read_file;
using testing::shared_data;
using testing::TemporaryFolder;
using testing::text_of;
using testing::write_file;

constexpr std::string_view small_table = R"({
 "metadata": {"format": "6.2.0", "producer": {"name": "test"},
   "windows": {"pdb": {"GUID": "00112233445566778899AABBCCDDEEFF", "age": 2, "database": "ntkrnlmp.pdb",
     "machine_type": 34404}, "pe": {"major": 10}}},
 "base_types": {
   "unsigned long": {"kind": "int", "size": 4, "signed": false, "endian": "little"},
   "long long": {"kind": "int", "size": 8, "signed": true, "endian": "little"},
   "unsigned char": {"kind": "char", "size": 1, "signed": false, "endian": "little"},
   "wchar": {"kind": "int", "size": 2, "signed": true, "endian": "little"},
   "int": {"kind": "int", "size": 4, "signed": true, "endian": "little"},
   "void": {"kind": "void", "size": 0, "signed": true, "endian": "little"},
   "pointer": {"kind": "int", "size": 8, "signed": false, "endian": "little"}},
 "user_types": {
   "_RECORD": {"kind": "struct", "size": 64, "fields": {
     "Big": {"offset": 16, "type": {"kind": "base", "name": "long long"}},
     "Bits": {"offset": 4, "type": {"kind": "bitfield", "bit_position": 9, "bit_length": 23,
        "type": {"kind": "base", "name": "unsigned long"}}},
     "Low": {"offset": 4, "type": {"kind": "bitfield", "bit_position": 0, "bit_length": 9,
        "type": {"kind": "base", "name": "unsigned long"}}},
     "Count": {"offset": 0, "type": {"kind": "base", "name": "unsigned long"}},
     "Next": {"offset": 8, "type": {"kind": "pointer", "subtype": {"kind": "struct", "name": "_RECORD"}}},
     "Text": {"offset": 24, "type": {"kind": "array", "count": 4, "subtype": {"kind": "base", "name": "wchar"}}},
     "Kind": {"offset": 32, "type": {"kind": "enum", "name": "_KIND"}},
     "Call": {"offset": 40, "type": {"kind": "pointer", "subtype": {"kind": "function"}}},
     "Either": {"offset": 48, "type": {"kind": "union", "name": "_EITHER"}},
     "unnamed_field_7": {"offset": 56, "anonymous": true, "type": {"kind": "union", "name": "_EITHER"}},
     "Opaque": {"offset": 60, "type": {"kind": "struct", "name": "_NOWHERE"}}}},
   "_EITHER": {"kind": "union", "size": 4, "fields": {
     "Whole": {"offset": 0, "type": {"kind": "base", "name": "unsigned long"}},
     "Byte": {"offset": 0, "type": {"kind": "base", "name": "unsigned char"}}}},
   "_EMPTY": {"kind": "struct", "size": 0, "fields": {}}},
 "enums": {"_KIND": {"base": "int", "size": 4, "constants": {"Second": 1, "Negative": -1, "First": 0}}},
 "symbols": {
   "PoolHitTag": {"address": 8192},
   "ExFree\u0050ool": {"address": 4096},
   "CmDevice": {"address": 4352, "linkage_name": "_CmDevice"},
   "?Take@Pool@@QEAAXXZ": {"address": 4608},
   "??_C@_00CNPNBAHC@@": {"address": 4640},
   "Alias": {"address": 8192},
   "NotInTheImage": {"address": 18446744073709551615},
   "NoAddress": {"constant_data": "AAE="},
   "poolhittag": {"address": 8448}}
})";

const std::vector<pe::Section> sections{{".text", 0x1000, 0x1000, 0, 0, 0x60000020},
                                        {".data", 0x2000, 0x1000, 0, 0, 0xc0000040}};

Result<std::shared_ptr<IsfSymbols>> open_text(std::string_view text) {
    POOLKD_TRY(IsfTable table, IsfTable::parse(std::string(text), "test.json"));
    return std::make_shared<IsfSymbols>(std::move(table), "test.json", sections);
}

std::string replaced(std::string_view what, std::string_view by) {
    std::string text(small_table);
    const std::size_t at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return text.replace(at, what.size(), by);
}

std::string packed_xz(std::string_view text) {
    std::string out(lzma_stream_buffer_bound(text.size()), '\0');
    std::size_t used = 0;
    EXPECT_EQ(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const std::uint8_t*>(text.data()),
                                      text.size(), reinterpret_cast<std::uint8_t*>(out.data()), &used, out.size()),
              LZMA_OK);
    out.resize(used);
    return out;
}

std::string packed_gzip(std::string_view text) {
    z_stream stream{};
    EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string out(deflateBound(&stream, text.size()), '\0');
    std::string in(text);
    stream.next_in = reinterpret_cast<Bytef*>(in.data());
    stream.avail_in = static_cast<uInt>(in.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

TEST(Isf, NamesAndAddresses) {
    auto table = open_text(small_table);
    ASSERT_TRUE(table) << table.error().message;
    IsfSymbols& nt = **table;
    EXPECT_EQ(nt.provenance(), Provenance::isf);
    EXPECT_TRUE(nt.has_types());
    EXPECT_EQ(nt.find("PoolHitTag")->rva, 0x2000u);
    EXPECT_EQ(nt.find("poolhittag")->rva, 0x2100u) << "the exact case goes first";
    EXPECT_EQ(nt.find_all("POOLHITTAG").size(), 2u);
    EXPECT_EQ(nt.find("ExFreePool")->rva, 0x1000u) << "an escape in a name";
    EXPECT_EQ(nt.find("CmDevice")->name, "CmDevice");
    EXPECT_EQ(nt.find("_CmDevice")->rva, 0x1100u);
    EXPECT_EQ(nt.find("pool::take")->name, "Pool::Take");
    EXPECT_FALSE(nt.find("NotInTheImage"));
    EXPECT_FALSE(nt.find("NoAddress"));
    EXPECT_FALSE(nt.find("KdDebuggerDataBlok"));
    EXPECT_TRUE(nt.find("ExFreePool")->is_code);
    EXPECT_FALSE(nt.find("PoolHitTag")->is_code);
    EXPECT_EQ(nt.nearest(0x1123)->name, "CmDevice");
    EXPECT_EQ(nt.nearest(0x1230)->name, "Pool::Take") << "a literal is no name for code";
    EXPECT_EQ(nt.nearest(0x2004)->name, "PoolHitTag") << "of several names the first counts";
    EXPECT_FALSE(nt.nearest(0xfff)) << "outside the sections";
    EXPECT_EQ(nt.next(0x1100)->name, "Pool::Take");
    EXPECT_FALSE(nt.next(0x2100));
    EXPECT_THAT(nt.match("pool*", 10), ::testing::SizeIs(3));
    EXPECT_THAT(nt.match("*", 2), ::testing::SizeIs(2));
    EXPECT_FALSE(nt.line(0x1000));
    EXPECT_FALSE(nt.type_of_symbol("PoolHitTag"));
}

TEST(Isf, TypesAreNamedAsThoseOfPdbs) {
    auto table = open_text(small_table);
    ASSERT_TRUE(table) << table.error().message;
    auto layout = (*table)->layout("_RECORD");
    ASSERT_TRUE(layout) << layout.error().message;
    EXPECT_EQ(layout->size, 64u);
    EXPECT_FALSE(layout->is_union);
    std::vector<std::string> lines;
    for (const Field& f : layout->fields)
        lines.push_back(fmt::format("{:#x} {} {} {}:{} {}", f.offset, f.name, f.type->name, f.bit_position, f.bit_count,
                                    f.type->size));
    EXPECT_THAT(lines, ::testing::ElementsAre(
                           "0x0 Count Uint4B 0:0 4", "0x4 Low Uint4B 0:9 4", "0x4 Bits Uint4B 9:23 4",
                           "0x8 Next Ptr64 _RECORD 0:0 8", "0x10 Big Int8B 0:0 8", "0x18 Text [4] Wchar 0:0 8",
                           "0x20 Kind _KIND 0:0 4", "0x28 Call Ptr64 <function> 0:0 8", "0x30 Either _EITHER 0:0 4",
                           "0x38 Byte UChar 0:0 1", "0x38 Whole Uint4B 0:0 4", "0x3c Opaque _NOWHERE 0:0 0"));
    const TypePtr kind = layout->find("kind")->type;
    ASSERT_EQ(kind->enumerators.size(), 3u);
    EXPECT_EQ(kind->enumerators[0].name, "Negative");
    EXPECT_EQ(kind->enumerators[0].value, ~0ull);
    EXPECT_EQ(kind->element->name, "Int4B");
    EXPECT_EQ((*table)->type("struct _record**").value()->name, "Ptr64 Ptr64 _RECORD");
    EXPECT_TRUE((*table)->layout("_EITHER")->is_union);
    EXPECT_TRUE((*table)->layout("_EMPTY")->fields.empty());
    EXPECT_EQ((*table)->layout("_KIND").error().kind, ErrorKind::usage);
    EXPECT_EQ((*table)->layout("_NONE").error().kind, ErrorKind::not_found);
    EXPECT_EQ((*table)->match_types("_E*", 10), (std::vector<std::string>{"_EITHER", "_EMPTY"}));
    EXPECT_EQ((*table)->layout_of(*layout->find("Either")->type)->fields.size(), 2u);
}

TEST(Isf, NamesOf32BitTablesLoseTheirDecoration) {
    auto table = open_text(R"({"metadata": {"format": "6.1.0", "windows": {"pdb": {"machine_type": 332, "age": 1,
        "GUID": "00112233445566778899AABBCCDDEEFF", "database": "ntkrpamp.pdb"}}}, "base_types": {}, "enums": {},
        "user_types": {"_R": {"kind": "struct", "size": 4, "fields":
            {"P": {"offset": 0, "type": {"kind": "pointer", "subtype": {"kind": "struct", "name": "_R"}}}}}},
        "symbols": {"_PoolHitTag": {"address": 8192}, "_ExFreePoolWithTag@8": {"address": 4096},
            "@KfLowerIrql@12": {"address": 4100}, "KeBugCheck": {"address": 4104, "linkage_name": "_KeBugCheck@4"}}})");
    ASSERT_TRUE(table) << table.error().message;
    EXPECT_EQ((*table)->find("PoolHitTag")->name, "PoolHitTag");
    EXPECT_EQ((*table)->find("ExFreePoolWithTag")->argument_bytes, 8);
    EXPECT_EQ((*table)->find("_ExFreePoolWithTag@8")->rva, 4096u);
    EXPECT_EQ((*table)->find("KfLowerIrql")->argument_bytes, 4);
    EXPECT_EQ((*table)->find("KeBugCheck")->argument_bytes, 4);
    EXPECT_EQ((*table)->nearest(4100)->name, "KfLowerIrql");
    EXPECT_EQ((*table)->layout("_R")->fields.front().type->name, "Ptr32 _R");
}

TEST(Isf, WithoutSectionsAllIsData) {
    auto table = IsfTable::parse(std::string(small_table), "t");
    ASSERT_TRUE(table);
    IsfSymbols nt(std::move(*table), "t");
    EXPECT_FALSE(nt.find("ExFreePool")->is_code);
    EXPECT_EQ(nt.nearest(0x1101)->name, "CmDevice");
}

TEST(Isf, PackedAsXzAndGzip) {
    for (const std::string& file : {packed_xz(small_table), packed_gzip(small_table), std::string(small_table)}) {
        auto text = unpack_text(bytes_of(file), "t");
        ASSERT_TRUE(text) << text.error().message;
        EXPECT_EQ(*text, small_table);
    }
}

TEST(Isf, DamagedPackingsAreToldAndBombsStopped) {
    for (const std::string& whole : {packed_xz(small_table), packed_gzip(small_table)}) {
        for (std::size_t size = 8; size < whole.size(); size += 7) {
            auto cut = unpack_text(bytes_of(whole.substr(0, size)), "t.json.xz");
            ASSERT_FALSE(cut) << size;
            EXPECT_EQ(cut.error().kind, ErrorKind::malformed);
            EXPECT_THAT(cut.error().message, ::testing::HasSubstr("t.json.xz cannot be unpacked: it ends too early"));
        }
        std::string flipped = whole;
        flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 0x55);
        EXPECT_FALSE(unpack_text(bytes_of(flipped), "t"));
    }
    const std::string zeros(8u << 20, '0');
    for (const std::string& bomb : {packed_xz(zeros), packed_gzip(zeros)}) {
        EXPECT_LT(bomb.size(), 64u << 10);
        auto text = unpack_text(bytes_of(bomb), "bomb", 1u << 20);
        ASSERT_FALSE(text);
        EXPECT_EQ(text.error().message, "bomb unpacks to more than 1 MB, too much for a symbol table");
        EXPECT_TRUE(unpack_text(bytes_of(bomb), "fits", 8u << 20));
        EXPECT_FALSE(unpack_text(bytes_of(bomb), "nearly fits", (8u << 20) - 1));
    }
}

TEST(Isf, EveryTruncationIsAnError) {
    for (std::size_t size = 0; size + 1 < small_table.size(); size += 3)
        EXPECT_FALSE(IsfTable::parse(std::string(small_table.substr(0, size)), "cut")) << size;
}

TEST(Isf, WhatIsNoTableIsToldWithItsPlace) {
    for (const auto& [text, message] : std::initializer_list<std::pair<std::string, const char*>>{
             {"", "the text ends too early at character 0"},
             {"[1, 2]", "unexpected character"},
             {"{}", "it has no section \"symbols\""},
             {R"({"symbols": []})", "unexpected character at character 12"},
             {R"({"symbols": {"a": 5}})", "unexpected character"},
             {R"({"symbols": {}} x)", "unexpected character"},
             {R"({"symbols": {"a": {"address": 1)", "the text ends too early"},
             {R"({"symbols": {"a\q": {"address": 1}}})", "a damaged string"},
             {R"({"symbols": {}, "x": )" + std::string(1'000'000, '[') + "}", "nested too deeply"},
             {R"({"symbols": {}, "user_types": {"a": {"fields": {]}}})", "unexpected character"},
             {replaced("00112233", "0011223x"), "GUID and age of the PDB make no sense"},
             {replaced("\"age\": 2", "\"age\": 99999999999"), "GUID and age of the PDB make no sense"}}) {
        auto table = IsfTable::parse(text, "bad.json");
        ASSERT_FALSE(table) << message;
        EXPECT_EQ(table.error().kind, ErrorKind::malformed);
        EXPECT_THAT(table.error().message, ::testing::HasSubstr(message));
    }
    auto later = IsfTable::parse(replaced("6.2.0", "7.0.0"), "later.json");
    ASSERT_FALSE(later);
    EXPECT_EQ(later.error().kind, ErrorKind::unsupported);
}

TEST(Isf, DamagedTypesAreToldWhenTheyAreAskedFor) {
    for (const auto& [what, by, message] : std::initializer_list<std::tuple<std::string, std::string, const char*>>{
             {"\"offset\": 0", "\"offset\": -1", "has no offset"},
             {"\"offset\": 16", "\"offset\": 99999999999999999999", "has no offset"},
             {"\"offset\": 16", "\"offset\": 4294967296", "lies too far inside"},
             {"\"offset\": 16", "\"offset\": \"16\"", "has no offset"},
             {"\"bit_length\": 23", "\"bit_length\": 64", "its bit-field Bits makes no sense"},
             {"\"bit_length\": 23", "\"bit_length\": {}", "its bit-field Bits makes no sense"},
             {"\"Big\": {", "\"Big\": nonsense, \"B\": {", "its members make no sense"}}) {
        auto table = open_text(replaced(what, by));
        ASSERT_TRUE(table) << by;
        auto layout = (*table)->layout("_RECORD");
        ASSERT_FALSE(layout) << by;
        EXPECT_EQ(layout.error().kind, ErrorKind::malformed);
        EXPECT_THAT(layout.error().message, ::testing::HasSubstr(message));
        EXPECT_TRUE((*table)->layout("_EITHER")) << "the others are still good";
        EXPECT_TRUE((*table)->find("PoolHitTag"));
    }
    auto strange =
        open_text(replaced(R"({"kind": "base", "name": "long long"})", R"({"kind": "base", "name": "what"})"));
    ASSERT_TRUE(strange);
    EXPECT_EQ((*strange)->layout("_RECORD")->find("Big")->type->size, 0u);
    auto huge = open_text(replaced("\"count\": 4", "\"count\": 18446744073709551615"));
    EXPECT_EQ((*huge)->layout("_RECORD")->find("Text")->type->size, 0u);
}

TEST(Isf, StructuresThatHoldEachOtherEnd) {
    auto table = open_text(R"({"symbols": {}, "user_types": {"_A": {"kind": "struct", "size": 8, "fields": {
        "x": {"offset": 0, "anonymous": true, "type": {"kind": "struct", "name": "_B"}},
        "y": {"offset": 0, "anonymous": true, "type": {"kind": "struct", "name": "_B"}}}},
        "_B": {"kind": "struct", "size": 8, "fields": {
        "x": {"offset": 0, "anonymous": true, "type": {"kind": "struct", "name": "_A"}},
        "y": {"offset": 0, "type": {"kind": "struct", "name": "_A"}}}}}})");
    ASSERT_TRUE(table) << table.error().message;
    auto layout = (*table)->layout("_A");
    ASSERT_FALSE(layout);
    EXPECT_THAT(layout.error().message, ::testing::HasSubstr("nests without end"));
}

// Each level keeps its parsed members: all together are bounded, whatever the depth.
TEST(Isf, LargeStructuresInsideEachOtherAreBounded) {
    const std::string blanks(3u << 20, ' ');
    std::string text = R"({"symbols": {}, "user_types": {)";
    for (int i = 0; i < 6; ++i)
        text += fmt::format(R"("_{}": {{"kind": "struct", "size": 8, "fields": {{{}"x": {{"offset": 0, )"
                            R"("anonymous": true, "type": {{"kind": "struct", "name": "_{}"}}}}}}}},)",
                            i, blanks, i + 1);
    text += R"("_6": {"kind": "struct", "size": 8, "fields": {}}}})";
    auto table = open_text(text);
    ASSERT_TRUE(table) << table.error().message;
    auto layout = (*table)->layout("_0");
    ASSERT_FALSE(layout);
    EXPECT_THAT(layout.error().message, ::testing::HasSubstr("nests without end"));
    EXPECT_TRUE((*table)->layout("_3"));
}

/// A table made for the image of fixtures.cmake, so that the whole way from an image to its symbols is walked.
class IsfStore : public ::testing::Test {
  protected:
    void SetUp() override {
        image_ = read_file(fixture("sample64.sys"));
        pe::SpanReader reader(image_);
        auto image = pe::Image::open(reader, pe::ImageLayout::file);
        ASSERT_TRUE(image);
        auto reference = pe::find_pdb_reference(*image);
        ASSERT_TRUE(reference && *reference);
        wanted_ = **reference;
        stem_ = fmt::format("{}-{}", wanted_.identity.text().substr(0, 32), wanted_.identity.age);
        auto pdb = testing::open_pdb(fixture("sample64.pdb"));
        ASSERT_TRUE(pdb);
        rva_ = pdb->find("SampleTake")->rva;
        text_ = fmt::format(R"({{"metadata": {{"format": "6.1.0", "windows": {{"pdb": {{"GUID": "{}", "age": {},
            "database": "sample64.pdb", "machine_type": 34404}}}}}}, "symbols": {{"SampleTake": {{"address": {}}}}}}})",
                            wanted_.identity.text().substr(0, 32), wanted_.identity.age, rva_);
    }
    LoadedSymbols load(const std::string& path) {
        pe::SpanReader reader(image_);
        log_ = SearchLog();
        return store_.load(reader, pe::ImageLayout::file, {"sample64.sys"},
                           SymbolPath::parse(path, SymbolEnvironment{.home = "/none"}), {.log = &log_});
    }

    TemporaryFolder folder_;
    std::string root_ = folder_.path().string();
    ByteVector image_;
    pe::PdbReference wanted_;
    std::string stem_, text_;
    std::uint32_t rva_ = 0;
    SymbolStore store_;
    SearchLog log_;
};

TEST_F(IsfStore, FoundWhereVolatilityKeepsThem) {
    const std::string xz = packed_xz(text_), gz = packed_gzip(text_);
    for (const auto& [name, content] : std::initializer_list<std::pair<std::string, std::string>>{
             {"sample64.pdb/" + stem_ + ".json.xz", xz},
             {"windows/sample64.pdb/" + stem_ + ".json.gz", gz},
             {"symbols/windows/Sample64.pdb/" + to_lower(stem_) + ".JSON", text_},
             {stem_ + ".json.xz", xz},
             {stem_ + ".json", text_}}) {
        const std::filesystem::path file = folder_.path() / name;
        write_file(file, bytes_of(content));
        auto loaded = load("/no/such/folder;" + root_);
        ASSERT_TRUE(loaded.symbols) << name;
        EXPECT_EQ(loaded.symbols->provenance(), Provenance::isf) << name << ": " << loaded.note;
        EXPECT_EQ(loaded.symbols->file(), file.string());
        EXPECT_EQ(loaded.note, "");
        EXPECT_FALSE(loaded.missing);
        EXPECT_TRUE(loaded.symbols->find("SampleTake")->is_code) << "the image's sections are known";
        EXPECT_EQ(load("srv*" + root_).symbols, loaded.symbols) << "it is open already";
        loaded.symbols.reset();
        std::filesystem::remove_all(file);
    }
    EXPECT_EQ(load(root_).symbols->provenance(), Provenance::exports);
}

TEST_F(IsfStore, APdbThatMatchesGoesFirst) {
    write_file(folder_.path() / (stem_ + ".json"), bytes_of(text_));
    write_file(folder_.path() / "pdbs/sample64.pdb", read_file(fixture("sample64.pdb")));
    EXPECT_EQ(load(root_ + ";" + root_ + "/pdbs").symbols->provenance(), Provenance::pdb_private);
    write_file(folder_.path() / "pdbs/sample64.pdb", bytes_of("damaged"));
    EXPECT_EQ(load(root_ + "/pdbs;" + root_).symbols->provenance(), Provenance::isf);
}

TEST_F(IsfStore, OneOfAnotherPdbOrDamagedIsToldAndNotUsed) {
    const auto file = folder_.path() / (stem_ + ".json");
    std::string other = text_;
    other.replace(other.find("\"GUID\": \"") + 9, 4, "FFFF");
    for (const auto& [content, message] : std::initializer_list<std::pair<std::string, const char*>>{
             {other, "does not belong to this image"},
             {R"({"symbols": {}})", "does not tell of which PDB it was made"},
             {text_.substr(0, 200), "no symbol table that can be read"}}) {
        write_file(file, bytes_of(content));
        auto loaded = load(root_);
        ASSERT_TRUE(loaded.symbols);
        EXPECT_EQ(loaded.symbols->provenance(), Provenance::exports);
        EXPECT_THAT(loaded.note, ::testing::HasSubstr(message));
        EXPECT_EQ(loaded.missing, StoreKey::of(wanted_));
    }
    std::filesystem::remove(file);
    std::filesystem::create_directory(file);
    EXPECT_THAT(load(root_).note, ::testing::HasSubstr("is not a file that can be read"));
}

TEST(Isf, TablesOfRealKernels) {
    const std::string folder = shared_data("isf/ntkrnlmp.pdb");
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << "shared test data is absent: " << folder;
    // Builds and what their symbols say, as another program found it (symbols-by-build.tsv).
    std::map<std::string, std::vector<std::string>> expected;
    std::ifstream in(shared_data("isf/symbols-by-build.tsv"));
    std::string line;
    std::getline(in, line);
    const std::vector<std::string> columns = [&] {
        std::vector<std::string> names;
        for (std::string_view name : split(line, '\t'))
            names.emplace_back(name);
        return names;
    }();
    const auto column = [&](std::string_view name) {
        return static_cast<std::size_t>(std::ranges::find(columns, name) - columns.begin());
    };
    while (std::getline(in, line)) {
        std::vector<std::string> row;
        for (std::string_view cell : split(line, '\t'))
            row.emplace_back(cell);
        expected.emplace(row.at(column("guid")), row);
    }
    std::size_t tables = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        auto text = read_packed_text(entry.path().string());
        ASSERT_TRUE(text) << text.error().message;
        auto table = IsfTable::parse(std::move(*text), entry.path().string());
        ASSERT_TRUE(table) << table.error().message;
        ASSERT_TRUE(table->pdb());
        const std::string guid = table->pdb()->identity.text().substr(0, 32);
        ASSERT_TRUE(expected.contains(guid)) << guid;
        const auto& row = expected[guid];
        EXPECT_EQ(std::to_string(table->symbols().size()), row.at(column("nsym")));
        IsfSymbols nt(std::move(*table), entry.path().string());
        for (std::size_t i = column("PoolHitTag"); i < columns.size(); ++i) {
            if (columns[i].starts_with("sizeof")) {
                auto layout = nt.layout(columns[i].substr(6));
                EXPECT_EQ(layout ? std::to_string(layout->size) : "-", row.at(i)) << guid << columns[i];
            } else {
                auto symbol = nt.find(columns[i]);
                EXPECT_EQ(symbol ? fmt::format("{:#x}", symbol->rva) : "-", row.at(i)) << guid << columns[i];
            }
        }
        for (const std::string& name : nt.match_types("*", 100'000)) {
            auto layout = nt.layout(name);
            EXPECT_TRUE(layout || layout.error().kind == ErrorKind::usage) << layout.error().message;
        }
        ++tables;
    }
    EXPECT_GE(tables, 8u);
}

} // namespace
} // namespace poolkd::symbols
