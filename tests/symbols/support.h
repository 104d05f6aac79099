#pragma once

#include "symbols/pdb/pdb_symbols.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

namespace poolkd::testing {

/// A file that tests/symbols/fixtures.cmake builds.
inline std::string fixture(const std::string& name) {
    return std::string(POOLKD_SYMBOL_FIXTURES) + "/" + name;
}

/// A file of the shared test data; it may be absent, then the test is to be skipped.
inline std::string shared_data(const std::string& name) {
    return std::string(POOLKD_SHARED_DATA) + "/" + name;
}

inline ByteVector read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

inline std::string text_of(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline Bytes bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

inline void write_file(const std::filesystem::path& path, Bytes bytes) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

inline std::shared_ptr<symbols::PdbSymbols> open_pdb(const std::string& path) {
    auto file = symbols::PdbFile::open(path);
    if (!file) {
        ADD_FAILURE() << file.error().message;
        return nullptr;
    }
    auto opened = symbols::PdbSymbols::open(std::move(*file));
    if (!opened) {
        ADD_FAILURE() << opened.error().message;
        return nullptr;
    }
    return *opened;
}

inline Result<std::shared_ptr<symbols::PdbSymbols>> open_bytes(Bytes bytes) {
    auto file = symbols::PdbFile::from_bytes(bytes, "test.pdb");
    if (!file) return std::unexpected(file.error());
    return symbols::PdbSymbols::open(std::move(*file));
}

/// A folder of its own for one test, removed at the end.
class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "poolkd-test-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~TemporaryFolder() {
        std::error_code code;
        std::filesystem::remove_all(path_, code);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

} // namespace poolkd::testing
