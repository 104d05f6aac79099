#include "symbols/symbol_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace poolkd::symbols {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = SymbolPathElement::Kind;

const SymbolEnvironment environment{.home = "/home/u"};

/// "kind location" for each element.
std::vector<std::string> elements(std::string_view text) {
    std::vector<std::string> out;
    const SymbolPath path = SymbolPath::parse(text, environment);
    for (const SymbolPathElement& e : path.elements()) {
        const char* kind = e.kind == Kind::folder ? "folder " : e.kind == Kind::store ? "store " : "server ";
        out.push_back(std::string(e.is_cache ? "caching " : "") + kind + e.location);
    }
    return out;
}

TEST(SymbolPath, Folders) {
    EXPECT_THAT(elements(""), IsEmpty());
    EXPECT_THAT(elements("/a;/b c; ;~/sym"), ElementsAre("folder /a", "folder /b c", "folder /home/u/sym"));
    EXPECT_EQ(SymbolPath::parse(" /a;/b ", environment).text(), "/a;/b");
}

TEST(SymbolPath, Stores) {
    EXPECT_THAT(elements("srv*/store"), ElementsAre("store /store"));
    EXPECT_THAT(elements("SRV*/cache*/store"), ElementsAre("caching store /cache", "store /store"));
    EXPECT_THAT(elements("symsrv*symsrv.dll*/cache*http://host/s"),
                ElementsAre("caching store /cache", "server http://host/s"));
    EXPECT_THAT(elements("cache*/c;/f"), ElementsAre("caching store /c", "folder /f"));
    EXPECT_THAT(elements("cache*"), ElementsAre("caching store /home/u/.cache/poolkd/sym"));
    EXPECT_THAT(elements("srv**/store"), ElementsAre("caching store /home/u/.cache/poolkd/sym", "store /store"));
}

TEST(SymbolPath, Servers) {
    EXPECT_THAT(elements("srv*"), ElementsAre("caching store /home/u/.cache/poolkd/sym",
                                              "server https://msdl.microsoft.com/download/symbols"));
    EXPECT_THAT(elements("srv*https://host/s"),
                ElementsAre("caching store /home/u/.cache/poolkd/sym", "server https://host/s"));
    auto path = SymbolPath::parse("srv*;/mine", environment);
    EXPECT_EQ(path.expanded(), "srv*/home/u/.cache/poolkd/sym*https://msdl.microsoft.com/download/symbols;/mine");
    EXPECT_THAT(path.notes(), IsEmpty());
    EXPECT_THAT(elements("http://host/s"),
                ElementsAre("caching store /home/u/.cache/poolkd/sym", "server http://host/s"));
    EXPECT_EQ(SymbolPath::parse("http://host/s", environment).expanded(),
              "srv*/home/u/.cache/poolkd/sym*http://host/s");
}

TEST(SymbolPath, CachesKeepWhatComesFromTheirRight) {
    const auto path = SymbolPath::parse("/f;srv*/a*/b*http://one;cache*/c;/g;srv*/d*http://two", environment);
    ASSERT_EQ(path.elements().size(), 8u);
    EXPECT_THAT(path.caches_of(0), IsEmpty());
    EXPECT_THAT(path.caches_of(1), IsEmpty());
    EXPECT_THAT(path.caches_of(2), ElementsAre("/a"));
    EXPECT_THAT(path.caches_of(3), ElementsAre("/a", "/b"));
    EXPECT_THAT(path.caches_of(4), IsEmpty());
    EXPECT_THAT(path.caches_of(5), ElementsAre("/c"));
    EXPECT_THAT(path.caches_of(7), ElementsAre("/c", "/d"));
}

TEST(SymbolPath, NonsenseIsNoted) {
    auto path = SymbolPath::parse("foo*/a;*;srv*a*b*c*d;symsrv*", environment);
    EXPECT_EQ(path.notes().size(), 2u);
    EXPECT_EQ(path.elements().size(), 6u);
}

TEST(SymbolPath, Symfix) {
    EXPECT_EQ(SymbolPath::symfix(""), "srv*");
    EXPECT_EQ(SymbolPath::symfix(" /c "), "srv*/c*https://msdl.microsoft.com/download/symbols");
}

TEST(SymbolEnvironment, DefaultsComeFromVariables) {
    EXPECT_EQ(environment.default_store(), "/home/u/.cache/poolkd/sym");
    EXPECT_EQ((SymbolEnvironment{.cache_home = "/xdg", .home = "/h"}).default_store(), "/xdg/poolkd/sym");
    EXPECT_EQ((SymbolEnvironment{.home_directory = "/dbg", .home = "/h"}).default_store(), "/dbg/sym");
    EXPECT_EQ((SymbolEnvironment{.symbol_path = "/a", .alt_symbol_path = "/b"}).initial_path(), "/b;/a");
    EXPECT_EQ((SymbolEnvironment{.symbol_path = "/a"}).initial_path(), "/a");
    EXPECT_EQ(SymbolEnvironment{}.initial_path(), "");
}

} // namespace
} // namespace poolkd::symbols
