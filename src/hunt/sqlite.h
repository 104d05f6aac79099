#pragma once

#include "base/error.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace poolkd::hunt::sqlite {

class Database;

/// One prepared statement of SQLite. Columns and parameters are numbered as there: columns from 0, parameters from 1.
class Statement {
  public:
    Statement() = default;
    Statement(Statement&& other) noexcept;
    Statement& operator=(Statement&& other) noexcept;
    ~Statement();

    void bind(int parameter, std::optional<std::int64_t> value);
    /// Text and blobs must hold until the next `reset`.
    void bind(int parameter, std::string_view text);
    void bind(int parameter, std::span<const std::byte> blob);
    /// False: there are no more rows.
    Result<bool> step();
    void reset();

    [[nodiscard]] std::optional<std::int64_t> integer(int column) const;
    [[nodiscard]] std::string_view text(int column) const;
    [[nodiscard]] std::span<const std::byte> blob(int column) const;

  private:
    friend class Database;
    Database* database_ = nullptr;
    sqlite3_stmt* statement_ = nullptr;
};

/// An open file. Errors are of kind `malformed` where SQLite calls the file damaged or no database, else `io`.
class Database {
  public:
    Database() = default;
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database();

    /// Schemas of foreign files run nothing, and no value may be longer than `maximum_value`.
    Result<void> open(const std::filesystem::path& file, bool create);
    Result<void> run(const char* sql);
    Result<Statement> prepare(const char* sql);
    /// The one number that a query gives; nothing when it gives none.
    Result<std::optional<std::int64_t>> number(const char* sql);

    static constexpr int maximum_value = 128 << 20;

  private:
    friend class Statement;
    [[nodiscard]] std::unexpected<Error> error(int code) const;
    sqlite3* handle_ = nullptr;
    std::string name_;
};

} // namespace poolkd::hunt::sqlite
