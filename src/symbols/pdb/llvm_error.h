#pragma once

#include "base/error.h"

#include <llvm/Support/Error.h>

#include <algorithm>
#include <string>

namespace poolkd::symbols {

/// LLVM's error as one line of text. An llvm::Error must not be dropped unread, so this takes it over.
inline std::string take_message(llvm::Error error) {
    std::string text = llvm::toString(std::move(error));
    std::ranges::replace(text, '\n', ' ');
    while (!text.empty() && (text.back() == ' ' || text.back() == '.'))
        text.pop_back();
    return text;
}

inline std::unexpected<Error> damaged(const std::string& path, llvm::Error error) {
    return fail(ErrorKind::malformed, "{} is damaged: {}", path, take_message(std::move(error)));
}

} // namespace poolkd::symbols
