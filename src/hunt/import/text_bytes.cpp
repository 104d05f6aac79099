#include "hunt/import/text_bytes.h"

#include <utility>

namespace poolkd::hunt::import {

namespace {

constexpr std::size_t piece_bytes = 65536;

std::uint32_t byte(char c) {
    return static_cast<unsigned char>(c);
}

} // namespace

TextBytes::TextBytes(std::unique_ptr<std::istream> stream, TextForm form) : stream_(std::move(stream)), form_(form) {}

bool TextBytes::more(std::string& out) {
    const std::size_t had = raw_.size();
    raw_.resize(had + piece_bytes);
    stream_->read(raw_.data() + had, static_cast<std::streamsize>(piece_bytes));
    const auto got = static_cast<std::size_t>(stream_->gcount());
    raw_.resize(had + got);
    if (stream_->bad()) failed_ = true;
    if (got == 0) {
        out += raw_; // at most a cut character
        const bool left = !raw_.empty();
        raw_.clear();
        return left;
    }
    if (encoding_ == Encoding::unknown) find_encoding();
    switch (encoding_) {
    case Encoding::utf16_little:
    case Encoding::utf16_big: convert_utf16(out); break;
    case Encoding::utf8:
        if (form_ == TextForm::narrow) {
            convert_utf8(out);
            break;
        }
        [[fallthrough]];
    default: out += raw_; raw_.clear();
    }
    return true;
}

void TextBytes::find_encoding() {
    encoding_ = Encoding::bytes;
    if (raw_.starts_with("\xef\xbb\xbf")) {
        encoding_ = Encoding::utf8;
        raw_.erase(0, 3);
    } else if (raw_.starts_with("\xff\xfe")) {
        encoding_ = Encoding::utf16_little;
        raw_.erase(0, 2);
    } else if (raw_.starts_with("\xfe\xff")) {
        encoding_ = Encoding::utf16_big;
        raw_.erase(0, 2);
    } else if (raw_.size() >= 4 && raw_[0] != 0 && raw_[1] == 0 && raw_[2] != 0 && raw_[3] == 0) {
        encoding_ = Encoding::utf16_little; // without a mark: a piece cut out of such a file
    }
}

void TextBytes::put(std::string& out, std::uint32_t c) const {
    if (c < 0x80) {
        out += static_cast<char>(c);
    } else if (form_ == TextForm::narrow) {
        out += c < 0x100 ? static_cast<char>(c) : '?';
    } else if (c < 0x800) {
        out += static_cast<char>(0xc0 | (c >> 6));
        out += static_cast<char>(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        out += static_cast<char>(0xe0 | (c >> 12));
        out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
        out += static_cast<char>(0x80 | (c & 0x3f));
    } else {
        out += static_cast<char>(0xf0 | (c >> 18));
        out += static_cast<char>(0x80 | ((c >> 12) & 0x3f));
        out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
        out += static_cast<char>(0x80 | (c & 0x3f));
    }
}

void TextBytes::convert_utf16(std::string& out) {
    const bool little = encoding_ == Encoding::utf16_little;
    std::size_t at = 0;
    for (; at + 2 <= raw_.size(); at += 2) {
        const std::uint32_t unit =
            little ? byte(raw_[at]) | byte(raw_[at + 1]) << 8 : byte(raw_[at]) << 8 | byte(raw_[at + 1]);
        if (unit == 0xfeff) continue; // `>>` of another file brings its mark along
        if (unit >= 0xd800 && unit < 0xdc00) {
            high_surrogate_ = unit;
        } else if (unit >= 0xdc00 && unit < 0xe000) {
            put(out, high_surrogate_ != 0 ? 0x10000 + ((high_surrogate_ - 0xd800) << 10) + (unit - 0xdc00) : 0xfffd);
            high_surrogate_ = 0;
        } else {
            put(out, unit);
        }
    }
    raw_.erase(0, at);
}

void TextBytes::convert_utf8(std::string& out) {
    std::size_t at = 0;
    while (at < raw_.size()) {
        const std::uint32_t first = byte(raw_[at]);
        const std::size_t length = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        if (at + length > raw_.size()) break;
        if (length == 1)
            out += raw_[at];
        else
            put(out, length == 2 ? (first & 0x1f) << 6 | (byte(raw_[at + 1]) & 0x3f) : 0xfffd);
        at += length;
    }
    raw_.erase(0, at);
}

} // namespace poolkd::hunt::import
