#include "symbols/curl.h"

#include <dlfcn.h>

namespace poolkd::symbols {

namespace {

template <class Function>
bool find(void* library, Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(library, name));
    return function != nullptr;
}

} // namespace

Result<Curl> load_curl(const char* library) {
    void* handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    Curl curl{};
    const bool found =
        handle && find(handle, curl.global_init, "curl_global_init") &&
        find(handle, curl.easy_init, "curl_easy_init") && find(handle, curl.easy_cleanup, "curl_easy_cleanup") &&
        find(handle, curl.easy_setopt, "curl_easy_setopt") && find(handle, curl.easy_getinfo, "curl_easy_getinfo") &&
        find(handle, curl.easy_strerror, "curl_easy_strerror") && find(handle, curl.multi_init, "curl_multi_init") &&
        find(handle, curl.multi_cleanup, "curl_multi_cleanup") &&
        find(handle, curl.multi_add_handle, "curl_multi_add_handle") &&
        find(handle, curl.multi_remove_handle, "curl_multi_remove_handle") &&
        find(handle, curl.multi_perform, "curl_multi_perform") && find(handle, curl.multi_poll, "curl_multi_poll") &&
        find(handle, curl.multi_info_read, "curl_multi_info_read");
    if (!found) {
        const char* reason = dlerror(); // NOLINT(concurrency-mt-unsafe): of this thread, as glibc has it
        return fail(ErrorKind::not_found, "{}", reason ? reason : library);
    }
    curl.global_init(CURL_GLOBAL_DEFAULT);
    return curl;
}

} // namespace poolkd::symbols
