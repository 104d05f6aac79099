#pragma once

#include <cstdint>
#include <istream>
#include <memory>
#include <string>

namespace poolkd::hunt::import {

/// What characters beyond ASCII become.
enum class TextForm {
    utf8,   ///< UTF-8, as JSON wants it
    narrow, ///< one byte a character, so that columns stay where they are; characters beyond 255 become '?'
};

/// The text of a file, whatever wrote it: a byte order mark is dropped, UTF-16 (what PowerShell's `>` writes) is
/// converted. Text without a mark is passed on byte by byte.
class TextBytes {
  public:
    TextBytes(std::unique_ptr<std::istream> stream, TextForm form);
    /// Appends some more text. False at the end.
    bool more(std::string& out);
    /// The end was an error of reading.
    [[nodiscard]] bool failed() const { return failed_; }

  private:
    enum class Encoding { unknown, bytes, utf8, utf16_little, utf16_big };
    void find_encoding();
    void convert_utf16(std::string& out);
    void convert_utf8(std::string& out);
    void put(std::string& out, std::uint32_t character) const;

    std::unique_ptr<std::istream> stream_;
    TextForm form_;
    Encoding encoding_ = Encoding::unknown;
    std::string raw_; ///< read and not yet converted
    std::uint32_t high_surrogate_ = 0;
    bool failed_ = false;
};

} // namespace poolkd::hunt::import
