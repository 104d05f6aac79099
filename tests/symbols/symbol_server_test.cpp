// Symbols over HTTP, from a server on the loopback interface: what comes, what does not, and what stays behind.
#include "cabinet_builder.h"
#include "http_server.h"
#include "pe/debug_directory.h"
#include "support.h"
#include "symbols/cabinet.h"
#include "symbols/symbol_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <thread>

namespace poolkd::symbols {
namespace {

using namespace std::chrono_literals;
using testing::bytes_of;
using testing::CabinetMethod;
using testing::fixture;
using ::testing::HasSubstr;
using testing::HttpExchange;
using testing::HttpServer;
using ::testing::IsEmpty;
using testing::make_cabinet;
using testing::read_file;
using testing::TemporaryFolder;
using testing::text_of;
using testing::write_file;

namespace fs = std::filesystem;

class Servers : public ::testing::Test {
  protected:
    void SetUp() override {
        image_ = read_file(fixture("sample64.sys"));
        pe::SpanReader reader(image_);
        auto image = pe::Image::open(reader, pe::ImageLayout::file);
        ASSERT_TRUE(image) << image.error().message;
        identity_ = {"Sample64.sys", image->timestamp, image->size_of_image};
        auto reference = pe::find_pdb_reference(*image);
        ASSERT_TRUE(reference && *reference);
        wanted_ = **reference;
        key_ = StoreKey::of(wanted_);
        pdb_ = text_of(read_file(fixture("sample64.pdb")));
    }

    SymbolPath path(std::string_view text) {
        return SymbolPath::parse(text, SymbolEnvironment{.home_directory = cache_.path().string() + "/home"});
    }
    SymbolPath default_path() { return path("srv*" + cache() + "*" + server_.url()); }
    [[nodiscard]] std::string cache() const { return cache_.path().string() + "/cache"; }
    Result<std::shared_ptr<PdbFile>> fetch(const SymbolPath& where, Work* work = nullptr) {
        return find_pdb(wanted_, "sample64.sys", where, {.servers = &servers_, .log = &log_, .work = work});
    }
    /// Where it was found, below the test's folder; else the error.
    std::string fetched(const SymbolPath& where) {
        auto file = fetch(where);
        return file ? fs::relative((*file)->path(), cache_.path()).string() : file.error().message;
    }
    /// All files below the test's folder.
    std::vector<std::string> files() {
        std::vector<std::string> all;
        for (const auto& entry : fs::recursive_directory_iterator(cache_.path()))
            if (!entry.is_directory()) all.push_back(fs::relative(entry.path(), cache_.path()).string());
        return all;
    }
    bool logged(std::string_view text) {
        return std::ranges::any_of(log_.lines(), [&](const auto& line) { return line.contains(text); });
    }

    TemporaryFolder cache_;
    HttpServer server_;
    SymbolServers servers_{HttpLimits{.connect = 2s, .stall = 1s, .bytes = 1 << 24, .proxy = {}}};
    SearchLog log_;
    ByteVector image_;
    std::string pdb_;
    pe::PdbReference wanted_;
    StoreKey key_;
    ImageIdentity identity_;
};

TEST_F(Servers, AFileComesIntoTheCacheAndIsNotAskedForAgain) {
    server_.file(key_.path(), pdb_);
    EXPECT_EQ(fetched(default_path()), "cache/" + key_.path());
    EXPECT_EQ(text_of(read_file(cache() + "/" + key_.path())), pdb_);
    EXPECT_EQ(files(), std::vector<std::string>{"cache/" + key_.path()}) << "no partial file stays";
    EXPECT_TRUE(logged("SYMSRV:  HTTPGET: " + server_.url() + "/" + key_.path()));
    EXPECT_TRUE(logged("copied to"));
    EXPECT_EQ(fetched(default_path()), "cache/" + key_.path());
    EXPECT_EQ(server_.requests().size(), 1u);
}

TEST_F(Servers, WithoutAFolderTheDefaultStoreTakesIt) {
    server_.file(key_.path(), pdb_);
    EXPECT_EQ(fetched(path("srv*" + server_.url())), "home/sym/" + key_.path());
    EXPECT_EQ(fetched(path(server_.url() + "/")), "home/sym/" + key_.path());
    EXPECT_EQ(server_.requests().size(), 1u);
}

TEST_F(Servers, EveryCacheInFrontGetsACopy) {
    server_.file(key_.path(), pdb_);
    const std::string one = cache() + "1", two = cache() + "2", three = cache() + "3";
    EXPECT_EQ(fetched(path("srv*/proc/nowhere*" + three + ";cache*" + one + ";srv*" + two + "*" + server_.url())),
              "cache1/" + key_.path());
    EXPECT_THAT(files(), ::testing::UnorderedElementsAre("cache1/" + key_.path(), "cache2/" + key_.path()));
}

TEST_F(Servers, StoresAreCopiedIntoCachesToo) {
    write_file(cache_.path() / "far" / key_.path(), bytes_of(pdb_));
    EXPECT_EQ(fetched(path("srv*" + cache() + "*" + cache_.path().string() + "/far")), "cache/" + key_.path());
    EXPECT_EQ(text_of(read_file(cache() + "/" + key_.path())), pdb_);
}

TEST_F(Servers, ACacheOfTwoLevelsKeepsItsKind) {
    server_.file(key_.path(), pdb_);
    write_file(fs::path(cache()) / "index2.txt", {});
    EXPECT_EQ(fetched(default_path()), "cache/" + key_.two_tier_folder() + "/" + key_.name);
}

TEST_F(Servers, AServerOfTwoLevels) {
    server_.file("index2.txt", "");
    server_.file(key_.two_tier_folder() + "/" + key_.name, pdb_);
    EXPECT_EQ(fetched(default_path()), "cache/" + key_.path());
}

TEST_F(Servers, PackedFilesAreUnpacked) {
    for (CabinetMethod method : {CabinetMethod::stored, CabinetMethod::mszip}) {
        server_.file(key_.folder() + "/sample64.pd_", make_cabinet("sample64.pdb", bytes_of(pdb_), method));
        fs::remove_all(cache());
        EXPECT_EQ(fetched(default_path()), "cache/" + key_.path());
        EXPECT_EQ(text_of(read_file(cache() + "/" + key_.path())), pdb_);
        EXPECT_EQ(files().size(), 1u);
    }
}

TEST_F(Servers, PackedFilesOfAFolder) {
    write_file(fs::path(cache()) / key_.folder() / "SAMPLE64.pd_",
               bytes_of(make_cabinet("x", bytes_of(pdb_), CabinetMethod::mszip)));
    EXPECT_EQ(fetched(path("srv*" + cache())), "home/sym/" + key_.path());
}

TEST_F(Servers, CabinetsOfAllMethodsAndDamagedOnes) {
    const std::string text = "all that one needs to know";
    const std::string from = cache_.path() / "from", to = cache_.path() / "to";
    for (CabinetMethod method : {CabinetMethod::stored, CabinetMethod::mszip, CabinetMethod::lzx}) {
        const std::string packed = make_cabinet("name", bytes_of(text), method);
        write_file(from, bytes_of(packed));
        auto unpacked = unpack_cabinet(from, to, 1000);
        ASSERT_TRUE(unpacked) << unpacked.error().message;
        EXPECT_EQ(text_of(read_file(to)), text);
        EXPECT_THAT(unpack_cabinet(from, to, 3).error().message, HasSubstr("not credible"));
        for (std::size_t size = 0; size < packed.size(); ++size) {
            write_file(from, bytes_of(packed).first(size));
            EXPECT_FALSE(unpack_cabinet(from, to, 1000)) << size;
        }
    }
}

TEST_F(Servers, PointersAreFollowed) {
    server_.file(key_.folder() + "/file.ptr", "PATH:" + server_.url() + "/elsewhere\r\n");
    server_.file("elsewhere", pdb_);
    EXPECT_EQ(fetched(default_path()), "cache/" + key_.path());
    fs::remove_all(cache());
    server_.file(key_.folder() + "/file.ptr", "PATH:" + fixture("sample64.pdb"));
    EXPECT_EQ(fetched(default_path()), "cache/" + key_.path());
    fs::remove_all(cache());
    server_.file(key_.folder() + "/file.ptr", "MSG: Not released");
    EXPECT_THAT(fetched(default_path()), HasSubstr("says: Not released"));
    // In a folder.
    const std::string pointer = "path:" + fixture("sample64.pdb");
    write_file(fs::path(cache()) / key_.folder() / "file.ptr", bytes_of(pointer));
    auto file = fetch(path("srv*" + cache()));
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ((*file)->path(), fixture("sample64.pdb"));
}

TEST_F(Servers, RedirectsAndContentEncoding) {
    server_.page(key_.path(), [&](const HttpExchange& http) {
        http.answer(302, "moved", "Location: " + server_.url() + "/there\r\n");
    });
    std::string packed(compressBound(pdb_.size()), '\0');
    uLongf size = packed.size();
    compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(pdb_.data()), pdb_.size());
    packed.resize(size);
    server_.page("there", [&](const HttpExchange& http) { http.answer(200, packed, "Content-Encoding: deflate\r\n"); });
    EXPECT_EQ(fetched(default_path()), "cache/" + key_.path());
    EXPECT_EQ(text_of(read_file(cache() + "/" + key_.path())), pdb_);
}

TEST_F(Servers, WhatIsNotThereIsAskedOnce) {
    for (int i = 0; i < 3; ++i) {
        auto none = fetch(default_path());
        ASSERT_FALSE(none);
        EXPECT_EQ(none.error().kind, ErrorKind::not_found);
        EXPECT_THAT(none.error().message, HasSubstr(server_.url() + " does not have " + key_.path()));
    }
    EXPECT_TRUE(logged("80190194 - HTTP_STATUS_NOT_FOUND"));
    EXPECT_TRUE(logged("not asked again"));
    for (const std::string& name : {key_.path(), key_.folder() + "/sample64.pd_", key_.folder() + "/file.ptr"})
        EXPECT_EQ(server_.requests_for(name), 1u) << name;
    EXPECT_THAT(files(), IsEmpty());
    servers_.forget();
    server_.file(key_.path(), pdb_);
    EXPECT_TRUE(fetch(default_path()));
}

TEST_F(Servers, AServerThatIsDownIsAskedOnce) {
    std::string gone;
    {
        HttpServer closed;
        gone = closed.url();
    }
    server_.file(key_.path(), pdb_);
    EXPECT_EQ(fetched(path("srv*" + cache() + "*" + gone + "*" + server_.url())), "cache/" + key_.path());
    fs::remove_all(cache());
    auto none = fetch(path("srv*" + cache() + "*" + gone));
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().message, HasSubstr(gone + " cannot be used: "));
    EXPECT_TRUE(logged(gone + " - not asked again"));
}

TEST_F(Servers, AServerThatFailsOrWantsALoginIsAskedOnce) {
    for (int status : {500, 503, 401}) {
        servers_.forget();
        server_.page(key_.path(), [=](const HttpExchange& http) { http.answer(status, "no"); });
        const std::size_t before = server_.requests().size();
        EXPECT_THAT(fetched(default_path()), HasSubstr(fmt::format("HTTP {}", status)));
        EXPECT_THAT(fetched(default_path()), HasSubstr(fmt::format("HTTP {}", status)));
        EXPECT_EQ(server_.requests().size(), before + 1);
    }
}

TEST_F(Servers, AFileThatBreaksOffLeavesNothing) {
    server_.page(key_.path(), [&](const HttpExchange& http) {
        http.head(200, pdb_.size());
        http.send(std::string_view(pdb_).substr(0, pdb_.size() / 2));
    });
    EXPECT_THAT(fetched(default_path()), HasSubstr(fmt::format("sent only {} bytes", pdb_.size() / 2)));
    EXPECT_THAT(files(), IsEmpty());
    EXPECT_THAT(fetched(default_path()), HasSubstr("sent only"));
    EXPECT_EQ(server_.requests().size(), 1u);
    // Without a length only the PDB itself tells.
    servers_.forget();
    server_.page(key_.path(), [&](const HttpExchange& http) {
        http.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        http.send(std::string_view(pdb_).substr(0, pdb_.size() / 2));
    });
    EXPECT_THAT(fetched(default_path()), HasSubstr("sent another file"));
    EXPECT_THAT(files(), IsEmpty());
}

TEST_F(Servers, AServerThatFallsSilentIsGivenUp) {
    for (bool after_half : {false, true}) {
        servers_.forget();
        server_.page(key_.path(), [&, after_half](const HttpExchange& http) {
            if (after_half) {
                http.head(200, pdb_.size());
                http.send(std::string_view(pdb_).substr(0, pdb_.size() / 2));
            }
            http.keep_silent();
        });
        SymbolServers impatient(HttpLimits{.connect = 200ms, .stall = 200ms, .bytes = 1 << 24, .proxy = {}});
        const auto start = std::chrono::steady_clock::now();
        auto none = find_pdb(wanted_, "sample64.sys", default_path(), {.servers = &impatient, .log = &log_});
        ASSERT_FALSE(none);
        EXPECT_THAT(none.error().message, HasSubstr("nothing came"));
        EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
        const std::size_t asked = server_.requests().size();
        EXPECT_FALSE(find_pdb(wanted_, "sample64.sys", default_path(), {.servers = &impatient}));
        EXPECT_EQ(server_.requests().size(), asked);
        EXPECT_THAT(files(), IsEmpty());
    }
}

TEST_F(Servers, ASlowServerIsWaitedFor) {
    server_.page(key_.path(), [&](const HttpExchange& http) {
        http.head(200, pdb_.size());
        for (std::size_t at = 0; at < pdb_.size(); at += pdb_.size() / 8 + 1) {
            http.send(std::string_view(pdb_).substr(at, pdb_.size() / 8 + 1));
            std::this_thread::sleep_for(150ms); // in all longer than the time for silence
        }
    });
    std::uint64_t most = 0, total = 0;
    Work work(
        [&](std::string_view what, std::uint64_t done, std::uint64_t of) {
            EXPECT_EQ(what, "Fetching sample64.pdb");
            most = std::max(most, done);
            total = std::max(total, of);
        },
        0ms);
    auto file = fetch(default_path(), &work);
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_GT(most, 0u);
    EXPECT_EQ(total, pdb_.size());
}

TEST_F(Servers, AStopEndsTheWaitAndIsNotRemembered) {
    server_.page(key_.path(), [](const HttpExchange& http) { http.keep_silent(); });
    SymbolServers patient;
    Work work;
    std::jthread user([&] {
        std::this_thread::sleep_for(200ms);
        work.request_stop();
    });
    const auto start = std::chrono::steady_clock::now();
    auto none = find_pdb(wanted_, "sample64.sys", default_path(), {.servers = &patient, .work = &work});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind, ErrorKind::stopped);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
    user.join();
    work.clear_stop();
    server_.file(key_.path(), pdb_);
    EXPECT_TRUE(find_pdb(wanted_, "sample64.sys", default_path(), {.servers = &patient, .work = &work}));
}

TEST_F(Servers, AStopWhileTheKindOfStoreIsAskedForIsNotRemembered) {
    Work work;
    server_.page("index2.txt", [&](const HttpExchange& http) {
        work.request_stop();
        http.keep_silent();
    });
    server_.file(key_.two_tier_folder() + "/" + key_.name, pdb_);
    SymbolServers patient;
    auto none = find_pdb(wanted_, "sample64.sys", default_path(), {.servers = &patient, .work = &work});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind, ErrorKind::stopped);
    work.clear_stop();
    server_.file("index2.txt", "");
    EXPECT_TRUE(find_pdb(wanted_, "sample64.sys", default_path(), {.servers = &patient, .work = &work}));
}

TEST_F(Servers, AnotherBuildsPdbIsRefused) {
    server_.file(key_.path(), text_of(read_file(fixture("sample32.pdb"))));
    EXPECT_THAT(fetched(default_path()), HasSubstr("sent another file than " + key_.path()));
    EXPECT_TRUE(logged("the image asks for " + key_.index));
    server_.file(key_.path(), "<html>Please log in</html>");
    servers_.forget();
    EXPECT_THAT(fetched(default_path()), HasSubstr("sent another file"));
    EXPECT_THAT(files(), IsEmpty());
}

TEST_F(Servers, ADamagedCopyInTheCacheIsReplaced) {
    server_.file(key_.path(), pdb_);
    write_file(fs::path(cache()) / key_.path(), bytes_of(pdb_).first(5000));
    EXPECT_EQ(fetched(default_path()), "cache/" + key_.path());
    EXPECT_EQ(text_of(read_file(cache() + "/" + key_.path())), pdb_);
}

TEST_F(Servers, AFileBeyondTheLimitIsCutOff) {
    SymbolServers small(HttpLimits{.connect = 2s, .stall = 2s, .bytes = 10'000, .proxy = {}});
    server_.file(key_.path(), pdb_);
    ASSERT_GT(pdb_.size(), 10'000u);
    auto none = find_pdb(wanted_, "sample64.sys", default_path(), {.servers = &small});
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().message, HasSubstr("more than"));
}

TEST_F(Servers, ACacheThatCannotBeWrittenIsNamed) {
    server_.file(key_.path(), pdb_);
    write_file(cache(), {}); // a file in place of the folder
    EXPECT_THAT(fetched(default_path()), HasSubstr(cache()));
    EXPECT_EQ(server_.requests().size(), 0u);
}

TEST_F(Servers, ProcessesFillOneCacheAtTheSameTime) {
    server_.page(key_.path(), [&](const HttpExchange& http) {
        http.head(200, pdb_.size());
        http.send(std::string_view(pdb_).substr(0, 5000));
        std::this_thread::sleep_for(50ms);
        http.send(std::string_view(pdb_).substr(5000));
    });
    std::vector<pid_t> children;
    for (int i = 0; i < 4; ++i) {
        const pid_t child = ::fork();
        if (child == 0) {
            SymbolServers own;
            auto file = find_pdb(wanted_, "sample64.sys", default_path(), {.servers = &own});
            ::_exit(file && (*file)->path() == cache() + "/" + key_.path() ? 0 : 1);
        }
        children.push_back(child);
    }
    for (pid_t child : children) {
        int status = -1;
        ::waitpid(child, &status, 0);
        EXPECT_EQ(status, 0);
    }
    EXPECT_EQ(files(), std::vector<std::string>{"cache/" + key_.path()});
    EXPECT_EQ(text_of(read_file(cache() + "/" + key_.path())), pdb_);
}

TEST_F(Servers, RemaindersOfKilledProcessesGo) {
    const fs::path remainder = fs::path(cache()) / ".partial" / "1-1", fresh = fs::path(cache()) / ".partial" / "1-2";
    write_file(remainder, {});
    write_file(fresh, {});
    fs::last_write_time(remainder, fs::file_time_type::clock::now() - 1h);
    server_.file(key_.path(), pdb_);
    EXPECT_TRUE(fetch(default_path()));
    EXPECT_FALSE(fs::exists(remainder));
    EXPECT_TRUE(fs::exists(fresh)) << "may be of a process that has just begun";
}

/// The headers of an image whose pages are paged out.
class NoPages final : public pe::ByteReader {
    Result<Bytes> bytes(std::uint32_t, std::uint32_t) override { return fail(ErrorKind::unreadable, "paged out"); }
};

TEST_F(Servers, TheImageIsFetchedWhereItsPagesAreNotInMemory) {
    NoPages none;
    SymbolStore store;
    const SearchOptions options{.servers = &servers_, .log = &log_};
    const StoreKey image_key = identity_.key();
    LoadedSymbols loaded = store.load(none, pe::ImageLayout::memory, identity_, default_path(), options);
    EXPECT_FALSE(loaded.symbols);
    EXPECT_THAT(loaded.note, HasSubstr("paged out"));
    ASSERT_TRUE(loaded.missing);
    EXPECT_EQ(*loaded.missing, image_key);

    servers_.forget();
    server_.file(image_key.path(), text_of(image_));
    loaded = store.load(none, pe::ImageLayout::memory, identity_, default_path(), options);
    ASSERT_TRUE(loaded.symbols) << loaded.note;
    EXPECT_EQ(loaded.symbols->provenance(), Provenance::exports);
    ASSERT_TRUE(loaded.missing);
    EXPECT_EQ(*loaded.missing, key_) << "now the PDB is what is missing";

    servers_.forget();
    server_.file(key_.path(), pdb_);
    loaded = store.load(none, pe::ImageLayout::memory, identity_, default_path(), options);
    ASSERT_TRUE(loaded.symbols);
    EXPECT_EQ(loaded.symbols->provenance(), Provenance::pdb_private);
    EXPECT_FALSE(loaded.missing);
    EXPECT_EQ(loaded.note, "");

    // An image of another build is refused.
    ImageIdentity other = identity_;
    other.timestamp ^= 1;
    server_.file(other.key().path(), text_of(image_));
    EXPECT_THAT(store.load(none, pe::ImageLayout::memory, other, default_path(), options).note,
                HasSubstr("sent another file"));
}

TEST(StoreKeys, NamesAndIndexes) {
    const StoreKey image = StoreKey::of_image("\\SystemRoot\\..\\Zeta.sys", 0x5f3a1b2, 0x1a000);
    EXPECT_EQ(image.path(), "Zeta.sys/05F3A1B21a000/Zeta.sys");
    EXPECT_EQ(image.two_tier_folder(), "ze/Zeta.sys/05F3A1B21a000");
    EXPECT_EQ(image.packed_name(), "Zeta.sy_");
    EXPECT_EQ(StoreKey::of_image("..", 1, 1).name, "");
    EXPECT_EQ(url_escape("a b+c.pdb"), "a%20b%2Bc.pdb");
}

} // namespace
} // namespace poolkd::symbols
