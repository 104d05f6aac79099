#include "debugger/output.h"
#include "support/temporary_directory.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace poolkd::debugger {
namespace {

TEST(LoggedOutput, NamesFromATargetSteerNeitherTerminalNorTheOneThatShowsTheLog) {
    testing::TemporaryDirectory folder;
    const auto log = folder.path() / "log.txt";
    TextOutput console;
    LoggedOutput output(console);
    ASSERT_TRUE(output.open(log, false));
    output.write("leaky!\x1b[2JExport\n");
    output.close();
    EXPECT_EQ(console.text(), "leaky!.[2JExport\n");
    std::ifstream in(log);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), console.text());
    // What a script takes up stays as it is.
    std::string captured;
    output.capture_into(&captured);
    output.write("\x1b[2J");
    EXPECT_EQ(captured, "\x1b[2J");
}

} // namespace
} // namespace poolkd::debugger
