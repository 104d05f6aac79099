#pragma once

#include "base/error.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace poolkd::kd {

/// Where the target is, as `-k` names it.
struct LinkSpec {
    enum class Kind { serial, unix_socket, tcp };
    Kind kind = Kind::unix_socket;
    std::string path;            ///< device or socket
    std::string host;            ///< tcp only
    std::uint16_t port = 0;      ///< tcp only
    std::uint32_t baud = 115200; ///< serial only
    bool resets = true;          ///< false: no RESET while the first contact is made
    bool reconnect = false;      ///< open it again when it closes
    std::string text;            ///< as the user wrote it
};

/// Understands `com:port=/dev/ttyS0[,baud=N]`, `com:pipe,port=SOCKET[,resets=0][,reconnect]`,
/// `com:ipport=N,port=HOST[,reconnect]`, `unix:PATH[,reconnect]` and `tcp:HOST:PORT[,reconnect]`.
/// Errors are of kind `usage` (or `unsupported` for transports that do not exist here) and name the word at fault.
[[nodiscard]] Result<LinkSpec> parse_connection_string(std::string_view text);

} // namespace poolkd::kd
