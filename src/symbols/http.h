#pragma once

#include "base/bytes.h"
#include "base/work.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace poolkd::symbols {

/// No store has a larger file, and no server sends one that is larger when it is unpacked: a PDB cannot be.
inline constexpr std::uint64_t largest_file = std::uint64_t{4} << 30;

struct HttpLimits {
    std::chrono::milliseconds connect{10'000}; ///< name look-up, connection and TLS handshake together
    std::chrono::milliseconds stall{30'000};   ///< how long nothing may arrive
    std::uint64_t bytes = largest_file;        ///< of one file, unpacked
    std::string proxy;                         ///< "host:port"; empty: the usual variables (https_proxy) decide
};

enum class HttpOutcome {
    done,    ///< all of the file arrived
    absent,  ///< the server does not have it
    broken,  ///< the file arrived in part, or is larger than the limit
    down,    ///< the server cannot be reached, fails, wants a login, or went silent
    refused, ///< the sink did not take the bytes
    stopped, ///< the user did not want to wait
};

struct HttpAnswer {
    HttpOutcome outcome = HttpOutcome::down;
    long status = 0;         ///< of the last response; 0 when none came
    std::uint64_t bytes = 0; ///< handed to the sink
    std::string problem;     ///< what went wrong, to be shown behind the server's name; empty when done
};

/// Fetches files by HTTP and HTTPS, one at a time; the connection stays open between them. libcurl does the work.
/// Redirects are followed, from HTTPS to HTTPS only; gzip and deflate as content encodings are undone.
class HttpClient {
  public:
    explicit HttpClient(HttpLimits limits = {});
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    /// Takes a piece of the file; false ends the transfer.
    using Sink = std::function<bool(Bytes)>;
    /// Waits for the whole file. `what` names it in the progress report; a stop request ends it within 0.1 s.
    HttpAnswer get(const std::string& url, const Sink& sink, Work* work, const std::string& what);

  private:
    struct Handle;
    HttpLimits limits_;
    std::unique_ptr<Handle> handle_;
};

/// A file name as part of a URL's path: everything but letters, digits and -._~ as %XX.
std::string url_escape(std::string_view text);

} // namespace poolkd::symbols
