#include "hunt/import/json.h"

#include "hunt/import/gathered_rows.h"
#include "hunt/import/json_row.h"
#include "hunt/import/json_values.h"
#include "hunt/import/line_problems.h"
#include "hunt/import/row_groups.h"
#include "hunt/import/timestamps.h"
#include "hunt/one_machine.h"

#include <cmath>
#include <utility>

namespace poolkd::hunt::import {

namespace {

using Json = nlohmann::json;

/// The objects of the text that can be parsed.
class Objects {
  public:
    Objects(std::string name, std::unique_ptr<std::istream> stream)
        : name_(std::move(name)), values_(std::move(stream)) {}

    /// False: there are no more.
    Result<bool> next(Json& out, Work& work) {
        for (;;) {
            if (work.stop_requested()) return fail(ErrorKind::stopped, "Stopped");
            auto text = values_.next();
            if (!text) return fail(text.error().kind, "{}: {}", name_, text.error().message);
            if (!*text) return false;
            out = Json::parse(**text, nullptr, false);
            if (!out.is_discarded()) return true;
            unreadable_.add(values_.number());
        }
    }
    void unreadable() { unreadable_.add(values_.number()); }
    [[nodiscard]] std::size_t number() const { return values_.number(); }
    void tell(std::vector<std::string>& notes) const {
        unreadable_.tell(notes, "could not be read", "object");
        if (values_.cut_off()) notes.emplace_back("The file ends in the middle of an object");
    }

  private:
    std::string name_;
    JsonValues values_;
    LineProblems unreadable_;
};

bool is_snapshot(const Json& object) {
    auto tags = object.find("tags");
    return tags != object.end() && tags->is_array();
}

std::optional<double> number_field(const Json& object, const char* name) {
    auto field = object.find(name);
    if (field == object.end() || !field->is_number()) return std::nullopt;
    return field->get<double>();
}

std::optional<bool> bool_field(const Json& object, const char* name) {
    auto field = object.find(name);
    if (field == object.end() || !field->is_boolean()) return std::nullopt;
    return field->get<bool>();
}

MemoryFacts memory_of(const Json& object) {
    MemoryFacts memory;
    auto facts = object.find("memory");
    if (facts == object.end() || !facts->is_object()) return memory;
    for_each_fact(memory, [&](const char* name, std::optional<std::uint64_t>& out) {
        auto field = facts->find(name);
        if (field != facts->end() && field->is_number_unsigned()) out = field->get<std::uint64_t>();
    });
    return memory;
}

class JsonSnapshots final : public Reader {
  public:
    JsonSnapshots(const Input& input, std::unique_ptr<std::istream> stream)
        : name_(input.name), order_(input.dates), objects_(name_, std::move(stream)) {}

    Result<bool> next(Snapshot& out, Work& work) override {
        for (;;) {
            POOLKD_TRY(const bool more, objects_.next(object_, work));
            if (!more) break;
            if (!is_snapshot(object_)) {
                // Answers of other commands may stand between, as in a log of `poolkd --json`.
                other_.add(objects_.number());
                continue;
            }
            POOLKD_CHECK(read(out));
            return true;
        }
        if (!std::exchange(told_, true)) {
            if (!any_row_ && bad_rows_.count() != 0) {
                if (!form_error_.empty()) return fail(ErrorKind::malformed, "{}: {}", name_, form_error_);
                return bad_rows_.nothing_read(name_, "object");
            }
            objects_.tell(notes_);
            other_.tell(notes_, "without tags left out", "object");
            bad_rows_.tell(notes_, "with rows that could not be read", "object");
        }
        return false;
    }

  private:
    Result<void> read(Snapshot& out) {
        clear(out);
        out.evidence = fmt::format("{}, object {}", name_, objects_.number());
        if (auto time = object_.find("time"); time != object_.end()) {
            if (time->is_number()) out.time = unix_time(time->get<double>());
            if (time->is_string()) {
                const auto& text = time->get_ref<const std::string&>();
                out.time = timestamp(text, order_);
                dates_.look(text);
            }
        }
        if (auto machine = object_.find("machine"); machine != object_.end() && machine->is_string())
            out.machine = machine->get<std::string>();
        POOLKD_CHECK(machine_.check(out.machine, name_));
        if (auto uptime = number_field(object_, "uptime_seconds"); uptime && *uptime >= 0 && *uptime < 1e12)
            out.uptime = std::chrono::milliseconds(std::llround(*uptime * 1000));
        out.time_assumed = bool_field(object_, "time_assumed").value_or(false) && out.time;
        out.memory = memory_of(object_);
        read_rows(out);
        read_coverage(out);
        return {};
    }

    void read_rows(Snapshot& out) {
        const Json& tags = object_["tags"];
        bool bad = false;
        for (const Json& entry : tags) {
            if (!entry.is_object()) {
                bad = true;
                continue;
            }
            row_.read(entry);
            if (!form_ || form_of_ != row_.present()) {
                auto form = RowForm::of(row_.present());
                form_ = form ? std::optional(*form) : std::nullopt;
                if (!form && form_error_.empty()) form_error_ = form.error().message;
                form_of_ = row_.present();
            }
            if (!form_ || !rows_.add(*form_, row_.row(), objects_.number()))
                bad = true;
            else
                any_row_ = true;
        }
        LineProblems left_out;
        rows_.finish(out, left_out);
        if (bad || left_out.count() != 0) bad_rows_.add(objects_.number());
        if (bool_field(object_, "activity") == false) out.activity = false;
        // `!poolused /t N` leaves rows out.
        if (auto total = number_field(object_, "tags_total")) out.whole = *total <= static_cast<double>(tags.size());
        out.whole = bool_field(object_, "whole").value_or(out.whole);
    }

    /// poolkd tells what its walk through the target could not read.
    void read_coverage(Snapshot& out) {
        auto coverage = object_.find("coverage");
        if (coverage == object_.end() || !coverage->is_object()) return;
        auto bytes = [&](const char* name) {
            auto field = coverage->find(name);
            return field != coverage->end() && field->is_number_unsigned() ? field->get<std::uint64_t>() : 0;
        };
        out.coverage.add_read(bytes("bytes_read"));
        if (bool_field(*coverage, "complete").value_or(true)) return;
        out.coverage.add_gap(GapReason::unmapped, VirtAddr(0), bytes("bytes_missing"));
        out.whole = false;
    }

    std::string name_;
    DateOrder order_;
    Objects objects_;
    Json object_;
    JsonRow row_;
    GatheredRows rows_;
    OneMachine machine_;
    std::optional<RowForm> form_;
    std::array<bool, column_count> form_of_{};
    std::string form_error_; ///< what the first row that was no row lacks
    LineProblems other_, bad_rows_;
    bool told_ = false, any_row_ = false;
};

class JsonRows final : public RowStream {
  public:
    JsonRows(std::string name, std::unique_ptr<std::istream> stream) : objects_(std::move(name), std::move(stream)) {}

    /// Reads the first row: there must be one.
    Result<void> start() {
        Work work;
        POOLKD_TRY(have_first_, objects_.next(object_, work));
        if (!have_first_) return fail(ErrorKind::malformed, "no object of it can be read");
        row_.read(object_);
        return {};
    }

    Result<bool> next(FlatRow& row, Work& work) override {
        if (!std::exchange(have_first_, false)) {
            POOLKD_TRY(const bool more, objects_.next(object_, work));
            if (!more) return false;
            row_.read(object_);
        }
        row = row_.row();
        return true;
    }
    [[nodiscard]] const std::array<bool, column_count>& present() const override { return row_.present(); }
    [[nodiscard]] std::size_t number() const override { return objects_.number(); }
    [[nodiscard]] std::string_view unit() const override { return "object"; }
    void tell(std::vector<std::string>& notes) const override { objects_.tell(notes); }

  private:
    Objects objects_;
    Json object_;
    JsonRow row_;
    bool have_first_ = false;
};

/// The first snapshot or row decides. Answers of other commands may come before a snapshot.
Result<bool> holds_snapshots(const Input& input) {
    constexpr std::size_t looked_at = 50;
    POOLKD_TRY(auto stream, input.open());
    Objects objects(input.name, std::move(stream));
    Json object;
    Work work;
    for (std::size_t i = 0; i < looked_at; ++i) {
        POOLKD_TRY(const bool more, objects.next(object, work));
        if (!more) break;
        if (is_snapshot(object)) return true;
    }
    return false;
}

} // namespace

Result<std::unique_ptr<Reader>> open_json(const Input& input) {
    POOLKD_TRY(const bool snapshots, holds_snapshots(input));
    if (snapshots) {
        POOLKD_TRY(auto stream, input.open());
        return std::make_unique<JsonSnapshots>(input, std::move(stream));
    }
    return group_rows(input, [](const Input& from) -> Result<std::unique_ptr<RowStream>> {
        POOLKD_TRY(auto stream, from.open());
        auto rows = std::make_unique<JsonRows>(from.name, std::move(stream));
        POOLKD_CHECK(rows->start());
        return rows;
    });
}

} // namespace poolkd::hunt::import
