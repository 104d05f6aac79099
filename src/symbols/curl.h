#pragma once

#include "base/error.h"

#include <curl/curl.h>

namespace poolkd::symbols {

/// What is used of libcurl. It is loaded when something is first fetched and not linked: it brings thirty libraries
/// along, and starting those would take longer than all else that the program does at its start.
struct Curl {
    decltype(&curl_global_init) global_init;
    decltype(&curl_easy_init) easy_init;
    decltype(&curl_easy_cleanup) easy_cleanup;
    decltype(&curl_easy_setopt) easy_setopt;
    decltype(&curl_easy_getinfo) easy_getinfo;
    decltype(&curl_easy_strerror) easy_strerror;
    decltype(&curl_multi_init) multi_init;
    decltype(&curl_multi_cleanup) multi_cleanup;
    decltype(&curl_multi_add_handle) multi_add_handle;
    decltype(&curl_multi_remove_handle) multi_remove_handle;
    decltype(&curl_multi_perform) multi_perform;
    decltype(&curl_multi_poll) multi_poll;
    decltype(&curl_multi_info_read) multi_info_read;
};

/// Loads and starts libcurl; it stays loaded. Errors: kind `not_found`, with the reason that the system gives.
Result<Curl> load_curl(const char* library = "libcurl.so.4");

} // namespace poolkd::symbols
