#include "hunt/series_file.h"

#include "hunt/one_machine.h"
#include "hunt/series_rows.h"
#include "hunt/sqlite.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

namespace poolkd::hunt {

namespace {

constexpr const char* create_tables = "CREATE TABLE IF NOT EXISTS snapshots ("
                                      " id INTEGER PRIMARY KEY,"
                                      " time_ms INTEGER," // since 1970, UTC
                                      " time_assumed INTEGER NOT NULL,"
                                      " uptime_ms INTEGER,"
                                      " machine TEXT NOT NULL,"
                                      " evidence TEXT NOT NULL,"
                                      " activity INTEGER NOT NULL,"
                                      " whole INTEGER NOT NULL,"
                                      " physical INTEGER, available INTEGER,"
                                      " commit_used INTEGER, commit_limit INTEGER, commit_peak INTEGER,"
                                      " nonpaged INTEGER, paged INTEGER,"
                                      " nonpaged_limit INTEGER, paged_limit INTEGER,"
                                      " bytes_read INTEGER NOT NULL,"
                                      " bytes_missing INTEGER NOT NULL,"
                                      " gap_reason TEXT," // of the first gap; null: complete
                                      " rows BLOB NOT NULL)";

constexpr const char* insert_one =
    "INSERT INTO snapshots (time_ms, time_assumed, uptime_ms, machine, evidence, activity, whole,"
    " physical, available, commit_used, commit_limit, commit_peak, nonpaged, paged, nonpaged_limit, paged_limit,"
    " bytes_read, bytes_missing, gap_reason, rows)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

constexpr const char* select_next =
    "SELECT id, time_ms, time_assumed, uptime_ms, machine, evidence, activity, whole,"
    " physical, available, commit_used, commit_limit, commit_peak, nonpaged, paged, nonpaged_limit, paged_limit,"
    " bytes_read, bytes_missing, gap_reason, rows"
    " FROM snapshots WHERE id > ? ORDER BY id LIMIT 1";

/// The facts in the order of their columns.
template <class Memory>
auto facts_of(Memory& memory) {
    return std::array{&memory.physical,     &memory.available,      &memory.commit,
                      &memory.commit_limit, &memory.commit_peak,    &memory.nonpaged,
                      &memory.paged,        &memory.nonpaged_limit, &memory.paged_limit};
}

GapReason reason_named(std::string_view words) {
    for (GapReason reason : {GapReason::unmapped, GapReason::paged_out, GapReason::demand_zero, GapReason::not_in_image,
                             GapReason::link_lost, GapReason::limit_reached, GapReason::malformed, GapReason::stopped})
        if (to_words(reason) == words) return reason;
    return GapReason::malformed;
}

/// Refuses databases that are not ours, or of a later version.
Result<void> check_identity(sqlite::Database& database, const std::string& name) {
    POOLKD_TRY(const auto application, database.number("PRAGMA application_id"));
    if (application != SeriesFile::application_id)
        return fail(ErrorKind::malformed, "{} is a database, but not a series that poolkd recorded", name);
    POOLKD_TRY(const auto version, database.number("PRAGMA user_version"));
    if (version != SeriesFile::version)
        return fail(ErrorKind::unsupported, "{} is a series of form {}; this poolkd knows form {}", name,
                    version.value_or(0), SeriesFile::version);
    return {};
}

} // namespace

// --- writing --------------------------------------------------------------------------------------------------------

struct SeriesWriter::State {
    sqlite::Database database;
    sqlite::Statement insert;
    RowEncoder encoder;
    std::size_t count = 0;
};

SeriesWriter::SeriesWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
SeriesWriter::SeriesWriter(SeriesWriter&&) noexcept = default;
SeriesWriter& SeriesWriter::operator=(SeriesWriter&&) noexcept = default;
SeriesWriter::~SeriesWriter() = default;

Result<SeriesWriter> SeriesWriter::open(const std::filesystem::path& file, Safety safety) {
    std::error_code error;
    // What is something else must stay as it is, an empty file (`touch`, mktemp) may become a series.
    const bool is_new = !std::filesystem::exists(file, error) || std::filesystem::file_size(file, error) == 0;
    auto state = std::make_unique<State>();
    POOLKD_CHECK(state->database.open(file, true));
    if (!is_new) {
        POOLKD_CHECK(check_identity(state->database, file.string()));
    }
    // Not the write-ahead log: one file is to result, and a reader of a copy must find all in it.
    POOLKD_CHECK(state->database.run("PRAGMA journal_mode = DELETE"));
    POOLKD_CHECK(
        state->database.run(safety == Safety::power_cut ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = OFF"));
    if (is_new) {
        POOLKD_CHECK(state->database.run("BEGIN"));
        POOLKD_CHECK(state->database.run(create_tables));
        POOLKD_CHECK(
            state->database.run(fmt::format("PRAGMA application_id = {}", SeriesFile::application_id).c_str()));
        POOLKD_CHECK(state->database.run(fmt::format("PRAGMA user_version = {}", SeriesFile::version).c_str()));
        POOLKD_CHECK(state->database.run("COMMIT"));
    }
    POOLKD_TRY(const auto count, state->database.number("SELECT count(*) FROM snapshots"));
    state->count = static_cast<std::size_t>(count.value_or(0));
    POOLKD_TRY(state->insert, state->database.prepare(insert_one));
    return SeriesWriter(std::move(state));
}

Result<void> SeriesWriter::add(const Snapshot& snapshot) {
    sqlite::Statement& insert = state_->insert;
    int parameter = 1;
    auto integer = [&](std::optional<std::int64_t> value) { insert.bind(parameter++, value); };
    integer(snapshot.time ? std::optional(snapshot.time->time_since_epoch().count()) : std::nullopt);
    integer(snapshot.time_assumed ? 1 : 0);
    integer(snapshot.uptime ? std::optional<std::int64_t>(snapshot.uptime->count()) : std::nullopt);
    insert.bind(parameter++, std::string_view(snapshot.machine));
    insert.bind(parameter++, std::string_view(snapshot.evidence));
    integer(snapshot.activity ? 1 : 0);
    integer(snapshot.whole ? 1 : 0);
    for (const auto* fact : facts_of(snapshot.memory))
        integer(*fact ? std::optional(static_cast<std::int64_t>(**fact)) : std::nullopt);
    integer(static_cast<std::int64_t>(snapshot.coverage.read()));
    integer(static_cast<std::int64_t>(snapshot.coverage.missing()));
    if (snapshot.coverage.complete())
        integer(std::nullopt);
    else
        insert.bind(parameter++, to_words(snapshot.coverage.gaps().empty() ? GapReason::unmapped
                                                                           : snapshot.coverage.gaps().front().reason));
    insert.bind(parameter, state_->encoder.encode(snapshot.rows));
    auto done = insert.step();
    insert.reset();
    if (!done) {
        // The next blob must not be a difference to one that is not in the file.
        state_->encoder.forget();
        return std::unexpected(std::move(done).error());
    }
    ++state_->count;
    return {};
}

std::size_t SeriesWriter::count() const {
    return state_->count;
}

// --- reading --------------------------------------------------------------------------------------------------------

struct SeriesSource::State {
    std::string name;
    sqlite::Database database;
    sqlite::Statement select;
    RowDecoder decoder;
    std::int64_t at = 0, last = 0; ///< ids: read last, and the last to read
    std::size_t count = 0, good = 0, damaged = 0;
    std::string damage; ///< what the first damaged one has
    OneMachine machine;
    std::optional<Time> last_time;
    bool disorder = false; ///< the clock went back
    std::vector<std::string> notes;
};

SeriesSource::SeriesSource(std::unique_ptr<State> state) : state_(std::move(state)) {}
SeriesSource::~SeriesSource() = default;

std::optional<std::size_t> SeriesSource::count() const {
    return state_->count;
}

const std::vector<std::string>& SeriesSource::notes() const {
    return state_->notes;
}

Result<std::unique_ptr<SeriesSource>> SeriesSource::open(const std::filesystem::path& file) {
    std::error_code error;
    if (!std::filesystem::exists(file, error)) return fail(ErrorKind::not_found, "There is no file {}", file.string());
    auto state = std::make_unique<State>();
    state->name = file.filename().string();
    POOLKD_CHECK(state->database.open(file, false));
    POOLKD_CHECK(check_identity(state->database, file.string()));
    // A view of that name could compute for ever.
    POOLKD_TRY(
        const auto tables,
        state->database.number("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'snapshots'"));
    if (tables != 1) return fail(ErrorKind::malformed, "{} holds no table of snapshots", file.string());
    POOLKD_TRY(const auto count, state->database.number("SELECT count(*) FROM snapshots"));
    POOLKD_TRY(const auto last, state->database.number("SELECT max(id) FROM snapshots"));
    POOLKD_TRY(const auto first, state->database.number("SELECT min(id) FROM snapshots"));
    state->count = static_cast<std::size_t>(count.value_or(0));
    state->last = last.value_or(0);
    state->at = first.value_or(1) - (first == INT64_MIN ? 0 : 1);
    POOLKD_TRY(state->select, state->database.prepare(select_next));
    return std::unique_ptr<SeriesSource>(new SeriesSource(std::move(state)));
}

Result<bool> SeriesSource::next(Snapshot& out, Work& work) {
    State& s = *state_;
    while (s.at < s.last) {
        if (work.stop_requested()) return fail(ErrorKind::stopped, "Stopped");
        // Anew for each snapshot: an open query would keep the recording process from writing.
        s.select.reset();
        s.select.bind(1, std::optional(s.at));
        POOLKD_TRY(const bool more, s.select.step());
        if (!more) break;
        s.at = std::max(s.at + 1, s.select.integer(0).value_or(s.last));
        auto rows = s.decoder.decode(s.select.blob(20));
        if (!rows) {
            if (s.damaged++ == 0) s.damage = fmt::format("snapshot {}: {}", s.at, rows.error().message);
            continue;
        }

        int column = 1;
        auto integer = [&] { return s.select.integer(column++); };
        const auto time = integer();
        if (time &&
            (*time < first_time.time_since_epoch().count() || *time >= end_of_times.time_since_epoch().count())) {
            if (s.damaged++ == 0) s.damage = fmt::format("snapshot {}: its time cannot be", s.at);
            continue;
        }
        ++s.good;
        out.time = time ? std::optional(Time(std::chrono::milliseconds(*time))) : std::nullopt;
        out.time_assumed = integer().value_or(0) != 0;
        const auto uptime = integer();
        constexpr std::int64_t most_uptime_ms = 1'000'000'000'000'000;
        out.uptime = uptime && *uptime >= 0 && *uptime < most_uptime_ms
                         ? std::optional(std::chrono::milliseconds(*uptime))
                         : std::nullopt;
        out.machine = s.select.text(column++);
        ++column;
        out.evidence = s.name; // not what was recorded: this file is the evidence now
        out.activity = integer().value_or(1) != 0;
        out.whole = integer().value_or(1) != 0;
        for (auto* fact : facts_of(out.memory)) {
            const auto value = integer();
            *fact = value ? std::optional(static_cast<std::uint64_t>(*value)) : std::nullopt;
        }
        out.coverage = {};
        out.coverage.add_read(static_cast<std::uint64_t>(integer().value_or(0)));
        const auto missing = static_cast<std::uint64_t>(integer().value_or(0));
        if (const std::string_view reason = s.select.text(column++); !reason.empty())
            out.coverage.add_gap(reason_named(reason), VirtAddr(0), missing);
        out.rows.assign(rows->begin(), rows->end());
        POOLKD_CHECK(s.machine.check(out.machine, s.name));
        if (out.time && s.last_time && *out.time < *s.last_time) s.disorder = true;
        if (out.time) s.last_time = out.time;
        s.select.reset();
        return true;
    }
    s.select.reset();
    if (s.damaged != 0 && s.good == 0) return fail(ErrorKind::malformed, "{}, {}", s.name, s.damage);
    s.notes.clear();
    if (s.damaged != 0)
        s.notes.push_back(
            fmt::format("{} of {} snapshots are damaged and left out ({})", s.damaged, s.count, s.damage));
    if (s.disorder) s.notes.emplace_back("The clock went back while the series was recorded");
    return false;
}

} // namespace poolkd::hunt
