#pragma once

#include "base/address.h"

#include <fmt/format.h>

#include <expected>
#include <optional>
#include <string>
#include <utility>

namespace poolkd {

enum class ErrorKind {
    usage,       ///< the user's words are wrong
    not_found,   ///< a name, file or block that is not there
    unreadable,  ///< target memory that cannot be read
    unwritable,  ///< target memory that cannot be written
    unsupported, ///< this target, file or machine cannot do it
    malformed,   ///< bytes that contradict their format
    mismatch,    ///< a file that is not the one asked for (PDB, image)
    link,        ///< the connection to the target failed
    stopped,     ///< the user stopped it
    refused,     ///< possible, but not safe; the sentence says why
    io,          ///< the operating system said no
};

/// What went wrong, in a sentence that can be shown as it is.
struct Error {
    ErrorKind kind = ErrorKind::malformed;
    std::string message;
    std::optional<VirtAddr> where = std::nullopt;
};

template <class T = void>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorKind kind, std::string message) {
    return std::unexpected(Error{kind, std::move(message), std::nullopt});
}

template <class... Args>
    requires(sizeof...(Args) > 0)
[[nodiscard]] std::unexpected<Error> fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
    return fail(kind, fmt::format(format, std::forward<Args>(args)...));
}

[[nodiscard]] inline std::unexpected<Error> fail_at(VirtAddr where, ErrorKind kind, std::string message) {
    return std::unexpected(Error{kind, std::move(message), where});
}

} // namespace poolkd

#define POOLKD_JOIN_2(a, b) a##b
#define POOLKD_JOIN(a, b) POOLKD_JOIN_2(a, b)

/// `POOLKD_TRY(auto x, call());` declares x from a Result or returns its error from the calling function.
#define POOLKD_TRY(declaration, expression)                                                                            \
    auto POOLKD_JOIN(result_, __LINE__) = (expression);                                                                \
    if (!POOLKD_JOIN(result_, __LINE__)) return std::unexpected(std::move(POOLKD_JOIN(result_, __LINE__)).error());    \
    declaration = *std::move(POOLKD_JOIN(result_, __LINE__))

/// The same for a Result<void>.
#define POOLKD_CHECK(expression)                                                                                       \
    do {                                                                                                               \
        if (auto check_ = (expression); !check_) return std::unexpected(std::move(check_).error());                    \
    } while (false)
