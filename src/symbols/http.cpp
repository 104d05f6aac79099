#include "symbols/http.h"

#include "symbols/curl.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

namespace poolkd::symbols {

using namespace std::chrono_literals;

namespace {

constexpr int poll_ms = 100; // how late a stop request is seen at most
constexpr long max_redirects = 5;

/// One transfer, as libcurl's callbacks see it.
struct Transfer {
    const Curl& curl;
    const HttpClient::Sink& sink;
    CURL* easy;
    std::uint64_t limit; ///< bytes
    std::uint64_t bytes = 0;
    std::chrono::steady_clock::time_point last_byte = std::chrono::steady_clock::now();
    bool sink_refused = false;
    bool too_large = false;
};

std::size_t take_bytes(char* data, std::size_t, std::size_t size, void* user) {
    auto& transfer = *static_cast<Transfer*>(user);
    transfer.last_byte = std::chrono::steady_clock::now();
    long status = 0;
    transfer.curl.easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) return size; // the page that comes with an error or a redirect
    transfer.bytes += size;
    transfer.too_large = transfer.bytes > transfer.limit;
    if (transfer.too_large) return 0;
    transfer.sink_refused = !transfer.sink(std::as_bytes(std::span(data, size)));
    return transfer.sink_refused ? 0 : size;
}

std::pair<HttpOutcome, std::string> judge_status(long status) {
    if (status == 200) return {HttpOutcome::done, {}};
    // Servers that ask for a login or for patience will do the same with the next file.
    if (status == 401 || status == 407) return {HttpOutcome::down, fmt::format("wants a login (HTTP {})", status)};
    if (status >= 500 || status == 408 || status == 429)
        return {HttpOutcome::down, fmt::format("fails (HTTP {})", status)};
    return {HttpOutcome::absent, fmt::format("does not have it (HTTP {})", status)};
}

std::pair<HttpOutcome, std::string> judge(CURLcode code, long status, const Transfer& transfer, const char* detail) {
    if (transfer.sink_refused) return {HttpOutcome::refused, "the file could not be written"};
    if (transfer.too_large) return {HttpOutcome::broken, "sends more than a symbol file can hold"};
    if (code == CURLE_OK) return judge_status(status);
    std::string reason = detail && *detail ? detail : transfer.curl.easy_strerror(code);
    // An answer that breaks off concerns this file. Silence would be waited for again with each file.
    if (status == 200 && code != CURLE_OPERATION_TIMEDOUT)
        return {HttpOutcome::broken, fmt::format("sent only {} bytes of it: {}", transfer.bytes, reason)};
    return {HttpOutcome::down, fmt::format("cannot be used: {}", reason)};
}

} // namespace

struct HttpClient::Handle {
    const Curl& curl;
    CURLM* multi = curl.multi_init(); ///< keeps the connections
    ~Handle() { curl.multi_cleanup(multi); }
};

HttpClient::HttpClient(HttpLimits limits) : limits_(std::move(limits)) {}
HttpClient::~HttpClient() = default;

HttpAnswer HttpClient::get(const std::string& url, const Sink& sink, Work* work, const std::string& what) {
    static const Result<Curl> library = load_curl();
    if (!library) return {.problem = "cannot be asked: " + library.error().message};
    const Curl& curl = *library;
    if (!handle_) handle_ = std::make_unique<Handle>(curl);
    std::unique_ptr<CURL, decltype(Curl::easy_cleanup)> easy(curl.easy_init(), curl.easy_cleanup);
    if (!easy || !handle_->multi) return {.problem = "cannot be asked: libcurl does not start"};
    char detail[CURL_ERROR_SIZE] = {};
    Transfer transfer{curl, sink, easy.get(), limits_.bytes};
    curl.easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
    curl.easy_setopt(easy.get(), CURLOPT_ERRORBUFFER, detail);
    curl.easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
    curl.easy_setopt(easy.get(), CURLOPT_USERAGENT, "poolkd");
    curl.easy_setopt(easy.get(), CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    curl.easy_setopt(easy.get(), CURLOPT_PROTOCOLS_STR, "http,https");
    curl.easy_setopt(easy.get(), CURLOPT_FOLLOWLOCATION, 1L);
    curl.easy_setopt(easy.get(), CURLOPT_MAXREDIRS, max_redirects);
    curl.easy_setopt(easy.get(), CURLOPT_REDIR_PROTOCOLS_STR, url.starts_with("https") ? "https" : "http,https");
    curl.easy_setopt(easy.get(), CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limits_.connect.count()));
    if (!limits_.proxy.empty()) curl.easy_setopt(easy.get(), CURLOPT_PROXY, limits_.proxy.c_str());
    curl.easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, take_bytes);
    curl.easy_setopt(easy.get(), CURLOPT_WRITEDATA, &transfer);

    curl.multi_add_handle(handle_->multi, easy.get());
    HttpAnswer answer;
    CURLcode code = CURLE_OK;
    for (int running = 1; running != 0;) {
        if (curl.multi_perform(handle_->multi, &running) != CURLM_OK) code = CURLE_FAILED_INIT;
        if (code != CURLE_OK || running == 0) break;
        if (work && work->stop_requested()) {
            answer.outcome = HttpOutcome::stopped;
            break;
        }
        // The time to connect counts from the start of the transfer too, and is longer than none at all.
        if (std::chrono::steady_clock::now() - transfer.last_byte > std::max(limits_.stall, limits_.connect)) {
            code = CURLE_OPERATION_TIMEDOUT;
            fmt::format_to_n(detail, sizeof detail - 1, "nothing came for {} seconds", limits_.stall / 1s);
            break;
        }
        if (work) {
            curl_off_t total = -1;
            curl.easy_getinfo(easy.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &total);
            work->progress("Fetching " + what, transfer.bytes, total > 0 ? static_cast<std::uint64_t>(total) : 0);
        }
        curl.multi_poll(handle_->multi, nullptr, 0, poll_ms, nullptr);
    }
    int left = 0;
    while (const CURLMsg* message = curl.multi_info_read(handle_->multi, &left))
        if (message->msg == CURLMSG_DONE && message->easy_handle == easy.get()) code = message->data.result;
    curl.easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &answer.status);
    curl.multi_remove_handle(handle_->multi, easy.get());
    answer.bytes = transfer.bytes;
    if (answer.outcome == HttpOutcome::stopped) {
        answer.problem = "was not waited for";
        return answer;
    }
    std::tie(answer.outcome, answer.problem) = judge(code, answer.status, transfer, detail);
    return answer;
}

std::string url_escape(std::string_view text) {
    std::string out;
    for (char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                           c == '.' || c == '_' || c == '~';
        out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

} // namespace poolkd::symbols
