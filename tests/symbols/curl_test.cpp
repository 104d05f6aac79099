#include "symbols/curl.h"

#include <gmock/gmock.h>

namespace poolkd::symbols {
namespace {

TEST(Curl, IsLoaded) {
    auto curl = load_curl();
    ASSERT_TRUE(curl) << curl.error().message;
    EXPECT_STREQ(curl->easy_strerror(CURLE_OK), "No error");
}

TEST(Curl, AnAbsentOrStrangeLibraryIsNamed) {
    EXPECT_THAT(load_curl("libabsent.so.4").error().message, testing::HasSubstr("libabsent.so.4"));
    EXPECT_THAT(load_curl("libm.so.6").error().message, testing::HasSubstr("curl_global_init"));
}

} // namespace
} // namespace poolkd::symbols
