#include "hunt/sqlite.h"

#include <sqlite3.h>

#include <utility>

namespace poolkd::hunt::sqlite {

namespace {
constexpr int wait_for_others_ms = 5000;
}

Statement::Statement(Statement&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)), statement_(std::exchange(other.statement_, nullptr)) {}

Statement& Statement::operator=(Statement&& other) noexcept {
    std::swap(database_, other.database_);
    std::swap(statement_, other.statement_);
    return *this;
}

Statement::~Statement() {
    sqlite3_finalize(statement_);
}

void Statement::bind(int parameter, std::optional<std::int64_t> value) {
    if (value)
        sqlite3_bind_int64(statement_, parameter, *value);
    else
        sqlite3_bind_null(statement_, parameter);
}

void Statement::bind(int parameter, std::string_view text) {
    sqlite3_bind_text64(statement_, parameter, text.data(), text.size(), nullptr, SQLITE_UTF8); // nullptr: not copied
}

void Statement::bind(int parameter, std::span<const std::byte> blob) {
    sqlite3_bind_blob64(statement_, parameter, blob.data(), blob.size(), nullptr);
}

Result<bool> Statement::step() {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return database_->error(code);
}

void Statement::reset() {
    sqlite3_reset(statement_);
}

std::optional<std::int64_t> Statement::integer(int column) const {
    if (sqlite3_column_type(statement_, column) != SQLITE_INTEGER) return std::nullopt;
    return sqlite3_column_int64(statement_, column);
}

std::string_view Statement::text(int column) const {
    if (sqlite3_column_type(statement_, column) != SQLITE_TEXT) return {};
    const unsigned char* text = sqlite3_column_text(statement_, column);
    if (text == nullptr) return {};
    return {reinterpret_cast<const char*>(text), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::span<const std::byte> Statement::blob(int column) const {
    const void* blob = sqlite3_column_blob(statement_, column);
    if (blob == nullptr) return {};
    return {static_cast<const std::byte*>(blob), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

Database::~Database() {
    sqlite3_close_v2(handle_);
}

std::unexpected<Error> Database::error(int code) const {
    const bool damaged = (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
    const char* words = handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
    return fail(damaged ? ErrorKind::malformed : ErrorKind::io, "{}: {}", name_, words);
}

Result<void> Database::open(const std::filesystem::path& file, bool create) {
    name_ = file.string();
    // Reading, too, may have to write: a program that was killed leaves its last change to be taken back.
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
    if (int code = sqlite3_open_v2(file.c_str(), &handle_, flags, nullptr); code != SQLITE_OK) return error(code);
    sqlite3_extended_result_codes(handle_, 1);
    sqlite3_busy_timeout(handle_, wait_for_others_ms);
    sqlite3_limit(handle_, SQLITE_LIMIT_LENGTH, maximum_value);
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    return {};
}

Result<void> Database::run(const char* sql) {
    if (int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr); code != SQLITE_OK) return error(code);
    return {};
}

Result<Statement> Database::prepare(const char* sql) {
    Statement statement;
    statement.database_ = this;
    if (int code = sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement.statement_, nullptr);
        code != SQLITE_OK)
        return error(code);
    return statement;
}

Result<std::optional<std::int64_t>> Database::number(const char* sql) {
    POOLKD_TRY(auto statement, prepare(sql));
    POOLKD_TRY(const bool any, statement.step());
    return any ? statement.integer(0) : std::nullopt;
}

} // namespace poolkd::hunt::sqlite
