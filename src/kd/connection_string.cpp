#include "kd/connection_string.h"

#include "base/text.h"

#include <optional>

namespace poolkd::kd {

namespace {

constexpr std::string_view forms = "com:port=DEVICE,baud=N; com:pipe,port=SOCKET[,resets=0][,reconnect]; "
                                   "com:ipport=N,port=HOST; unix:PATH; tcp:HOST:PORT";

Result<std::uint16_t> port_number(std::string_view text) {
    const auto value = decimal_number(text);
    if (!value || *value == 0 || *value > 65535)
        return fail(ErrorKind::usage, "'{}' is not a TCP port (1 to 65535).", text);
    return static_cast<std::uint16_t>(*value);
}

/// Cuts a trailing ",reconnect" off.
bool take_reconnect(std::string_view& text) {
    constexpr std::string_view word = ",reconnect";
    if (!equals_ignore_case(text.substr(text.size() - std::min(text.size(), word.size())), word)) return false;
    text.remove_suffix(word.size());
    return true;
}

Result<LinkSpec> parse_tcp(std::string_view rest, LinkSpec spec) {
    spec.kind = LinkSpec::Kind::tcp;
    spec.reconnect = take_reconnect(rest);
    const std::size_t colon = rest.rfind(':');
    if (colon == std::string_view::npos || colon == 0)
        return fail(ErrorKind::usage, "'{}' has no host and port: write tcp:HOST:PORT.", spec.text);
    std::string_view host = rest.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    spec.host = host;
    POOLKD_TRY(spec.port, port_number(rest.substr(colon + 1)));
    return spec;
}

struct ComOptions {
    bool pipe = false;
    std::optional<std::string_view> port;
    std::optional<std::string_view> ip_port;
    std::optional<std::uint32_t> baud;
};

Result<void> take_option(std::string_view option, ComOptions& com, LinkSpec& spec) {
    const std::size_t equals = option.find('=');
    const std::string name = to_lower(option.substr(0, equals));
    const bool has_value = equals != std::string_view::npos;
    const std::string_view value = has_value ? option.substr(equals + 1) : std::string_view{};
    if (name == "pipe" && !has_value) {
        com.pipe = true;
    } else if (name == "reconnect" && !has_value) {
        spec.reconnect = true;
    } else if (name == "port" && !value.empty()) {
        com.port = value;
    } else if (name == "ipport" && !value.empty()) {
        com.ip_port = value;
    } else if (name == "baud") {
        com.baud = decimal_number(value);
        if (!com.baud || *com.baud == 0) return fail(ErrorKind::usage, "'{}' is not a baud rate.", value);
    } else if (name == "resets") {
        const auto count = decimal_number(value);
        if (!count) return fail(ErrorKind::usage, "'{}' is not a number of resets.", value);
        spec.resets = *count != 0;
    } else {
        return fail(ErrorKind::usage,
                    "'{}' is no option of a com: connection (port, baud, pipe, ipport, resets, reconnect).", option);
    }
    return {};
}

Result<LinkSpec> parse_com(std::string_view rest, LinkSpec spec) {
    ComOptions com;
    for (std::string_view option : split(rest, ','))
        POOLKD_CHECK(take_option(trim(option), com, spec));
    if (!com.port) return fail(ErrorKind::usage, "'{}' names no port=.", spec.text);
    if (com.pipe && com.ip_port) return fail(ErrorKind::usage, "'{}' is both a pipe and a TCP connection.", spec.text);
    if (com.baud && (com.pipe || com.ip_port))
        return fail(ErrorKind::usage, "baud= belongs to a serial device, not to a pipe or TCP connection.");
    if (com.ip_port) {
        spec.kind = LinkSpec::Kind::tcp;
        spec.host = *com.port;
        POOLKD_TRY(spec.port, port_number(*com.ip_port));
        return spec;
    }
    spec.kind = com.pipe ? LinkSpec::Kind::unix_socket : LinkSpec::Kind::serial;
    spec.path = *com.port;
    if (com.baud) spec.baud = *com.baud;
    if (spec.path.starts_with("\\\\"))
        return fail(ErrorKind::unsupported,
                    "'{}' is a Windows pipe; on Linux the pipe is a unix socket, named by its path.", spec.path);
    if (!com.pipe && !spec.path.starts_with('/'))
        return fail(ErrorKind::usage, "'{}' is no device; name it by its path, such as /dev/ttyS0.", spec.path);
    return spec;
}

} // namespace

Result<LinkSpec> parse_connection_string(std::string_view text) {
    text = trim(text);
    LinkSpec spec;
    spec.text = text;
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos)
        return fail(ErrorKind::usage, "'{}' is no connection. Known forms: {}.", text, forms);
    const std::string scheme = to_lower(text.substr(0, colon));
    std::string_view rest = text.substr(colon + 1);
    if (scheme == "com") return parse_com(rest, std::move(spec));
    if (scheme == "tcp") return parse_tcp(rest, std::move(spec));
    if (scheme == "unix") {
        spec.reconnect = take_reconnect(rest);
        if (rest.empty()) return fail(ErrorKind::usage, "'{}' names no socket: write unix:PATH.", spec.text);
        spec.path = rest;
        return spec;
    }
    if (scheme == "net" || scheme == "usb" || scheme == "usb2" || scheme == "1394" || scheme == "exdi")
        return fail(ErrorKind::unsupported, "{}: connections are not supported. Known forms: {}.", scheme, forms);
    return fail(ErrorKind::usage, "'{}' is no kind of connection. Known forms: {}.", scheme, forms);
}

} // namespace poolkd::kd
