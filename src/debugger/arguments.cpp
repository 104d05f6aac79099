#include "debugger/arguments.h"

#include "base/text.h"
#include "debugger/lexer.h"

#include <algorithm>

namespace poolkd::debugger {

namespace {

/// `text` ends in a quote that no backslash takes away.
bool quote_is_closed(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size() && text[at] != '"')
        at += is_escape(text, at) ? 2u : 1u;
    return at < text.size();
}

} // namespace

std::string_view Arguments::all() const {
    return trim(command_.substr(std::min(start_, command_.size())));
}

std::string_view Arguments::rest() const {
    return trim(command_.substr(std::min(at_, command_.size())));
}

bool Arguments::touches_name() const {
    return start_ < command_.size() && !is_blank(command_[start_]);
}

void Arguments::skip_blanks() {
    while (at_ < command_.size() && (is_blank(command_[at_]) || command_[at_] == ','))
        ++at_;
}

char Arguments::peek() {
    skip_blanks();
    return at_ < command_.size() ? command_[at_] : '\0';
}

bool Arguments::take(std::string_view text) {
    skip_blanks();
    if (!equals_ignore_case(command_.substr(at_, text.size()), text)) return false;
    at_ += text.size();
    return true;
}

bool Arguments::take_option(std::string_view letters) {
    skip_blanks();
    if (at_ >= command_.size() || (command_[at_] != '/' && command_[at_] != '-')) return false;
    if (command_.substr(at_ + 1, letters.size()) != letters) return false;
    std::size_t end = at_ + 1 + letters.size();
    if (end < command_.size() && !is_blank(command_[end])) return false;
    at_ = end;
    return true;
}

std::string_view Arguments::word() {
    skip_blanks();
    std::size_t start = at_;
    while (at_ < command_.size() && !is_blank(command_[at_])) {
        std::size_t behind = end_of_quoted(command_, at_);
        at_ = behind != at_ ? behind : at_ + 1;
    }
    return command_.substr(start, at_ - start);
}

std::optional<std::string_view> Arguments::quoted_as_typed() {
    if (peek() != '"') return std::nullopt;
    const std::size_t start = at_ + 1;
    const std::size_t end = end_of_quoted(command_, at_);
    at_ = end;
    const bool closed = quote_is_closed(command_.substr(start, end - start));
    return command_.substr(start, end - start - (closed ? 1 : 0));
}

std::optional<std::string> Arguments::quoted() {
    auto inside = quoted_as_typed();
    if (!inside) return std::nullopt;
    std::string out;
    for (std::size_t i = 0; i < inside->size(); ++i) {
        if (inside->substr(i).starts_with("\\\"")) ++i;
        out += (*inside)[i];
    }
    return out;
}

std::optional<std::string> Arguments::quoted_commands() {
    auto inside = quoted_as_typed();
    if (!inside) return std::nullopt;
    std::string out;
    for (std::size_t i = 0; i < inside->size(); ++i) {
        if (is_escape(*inside, i)) ++i;
        out += (*inside)[i];
    }
    return out;
}

std::string Arguments::text() {
    if (auto inside = quoted()) return *inside;
    return std::string(word());
}

std::string_view Arguments::take_rest() {
    std::string_view left = rest();
    at_ = command_.size();
    return left;
}

} // namespace poolkd::debugger
