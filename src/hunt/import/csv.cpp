#include "hunt/import/csv.h"

#include "base/text.h"
#include "hunt/import/row_groups.h"
#include "hunt/import/text_lines.h"

#include <algorithm>

namespace poolkd::hunt::import {

namespace {

constexpr std::size_t maximum_fields = 256;

/// The most frequent of the three in the line of names.
char separator_of(std::string_view header) {
    char best = ',';
    std::ptrdiff_t most = 0;
    for (char separator : {',', ';', '\t'})
        if (auto count = std::ranges::count(header, separator); count > most) {
            most = count;
            best = separator;
        }
    return best;
}

/// Lines before the names that say nothing: blank ones, PowerShell's `#TYPE ...`, Excel's `sep=;`.
bool is_preface(std::string_view line) {
    line = trim(line);
    return line.empty() || line.starts_with('#') || line.starts_with("sep=");
}

/// Cuts a line into fields. Quoted ones are unquoted; doubled quotes in them become one, in `store`.
class Fields {
  public:
    void split(std::string_view line, char separator) {
        fields_.clear();
        stored_.clear();
        if (line.find('"') != std::string_view::npos) stored_.reserve(line.size()); // views into it must stay
        std::size_t at = 0;
        while (fields_.size() < maximum_fields) {
            std::size_t start = at;
            while (separator != '\t' && start < line.size() && line[start] == ' ')
                ++start;
            if (start < line.size() && line[start] == '"') {
                at = quoted(line, start + 1);
                at = std::min(line.find(separator, at), line.size());
            } else {
                const std::size_t end = std::min(line.find(separator, at), line.size());
                fields_.push_back({line.substr(at, end - at), false});
                at = end;
            }
            if (at >= line.size()) break;
            ++at;
        }
    }
    struct Field {
        std::string_view text;
        bool quoted = false;
    };
    [[nodiscard]] const std::vector<Field>& all() const { return fields_; }

  private:
    /// Returns where the text goes on behind the closing quote.
    std::size_t quoted(std::string_view line, std::size_t at) {
        const std::size_t begin = stored_.size();
        for (;;) {
            const std::size_t quote = std::min(line.find('"', at), line.size());
            stored_ += line.substr(at, quote - at);
            at = std::min(quote + 1, line.size());
            if (quote + 1 >= line.size() || line[quote + 1] != '"') break;
            stored_ += '"';
            at = quote + 2;
        }
        fields_.push_back({std::string_view(stored_).substr(begin), true});
        return at;
    }

    std::vector<Field> fields_;
    std::string stored_;
};

class CsvRows final : public RowStream {
  public:
    explicit CsvRows(std::unique_ptr<std::istream> stream, std::string name)
        : name_(std::move(name)), lines_(std::move(stream), TextForm::utf8) {}

    Result<void> read_header() {
        while (auto line = lines_.next()) {
            if (is_preface(*line)) continue;
            take_header(*line);
            return {};
        }
        return fail(ErrorKind::malformed, "{} holds no line with the names of columns", name_);
    }

    Result<bool> next(FlatRow& row, Work& work) override {
        POOLKD_TRY(const auto line, next_line(work));
        if (!line) return false;
        read_fields(*line, row);
        return true;
    }

    Result<bool> next_time(FlatRow& row, Work& work) override {
        POOLKD_TRY(const auto line, next_line(work));
        if (!line) return false;
        if (columns_.front() == Column::time && !trim(*line).starts_with('"'))
            row[Column::time] = line->substr(0, line->find(separator_));
        else
            read_fields(*line, row);
        return true;
    }

    [[nodiscard]] const std::array<bool, column_count>& present() const override { return present_; }
    [[nodiscard]] std::size_t number() const override { return lines_.number(); }
    void tell(std::vector<std::string>&) const override {}

  private:
    void take_header(std::string_view line) {
        header_ = line;
        separator_ = separator_of(line);
        columns_.clear();
        present_.fill(false);
        units_ = FlatRow::ones();
        fields_.split(line, separator_);
        for (const Fields::Field& field : fields_.all()) {
            NamedColumn named = column_named(field.text);
            const auto index = static_cast<std::size_t>(named.column);
            // The first of two columns of one meaning counts.
            if (present_[index]) named.column = Column::none;
            columns_.push_back(named.column);
            if (named.column == Column::none) continue;
            present_[index] = true;
            units_[index] = named.unit;
        }
    }

    Result<std::optional<std::string_view>> next_line(Work& work) {
        while (auto line = lines_.next()) {
            if ((lines_.number() & 0xfff) == 0 && work.stop_requested()) return fail(ErrorKind::stopped, "Stopped");
            if (trim(*line).empty() || *line == header_ || line->starts_with("#TYPE")) continue;
            // Files that were put together bring their names along, perhaps in another order. Rows hold digits.
            if (line->find_first_of("0123456789") == std::string_view::npos && is_csv_header(*line)) {
                take_header(*line);
                continue;
            }
            return line;
        }
        if (lines_.failed()) return fail(ErrorKind::io, "{} cannot be read to its end", name_);
        return std::nullopt;
    }

    void read_fields(std::string_view line, FlatRow& row) {
        fields_.split(line, separator_);
        const auto& fields = fields_.all();
        row.text.fill({});
        row.unit = units_;
        row.decimal_comma = separator_ == ';';
        const std::size_t count = std::min(fields.size(), columns_.size());
        for (std::size_t i = 0; i < count; ++i) {
            row[columns_[i]] = fields[i].text;
            if (columns_[i] == Column::tag) row.tag_exact = fields[i].quoted;
        }
    }

    std::string name_;
    TextLines lines_;
    std::string header_;
    char separator_ = ',';
    std::vector<Column> columns_;
    std::array<bool, column_count> present_{};
    std::array<std::int64_t, column_count> units_ = FlatRow::ones();
    Fields fields_;
};

} // namespace

Result<std::unique_ptr<Reader>> open_csv(const Input& input) {
    return group_rows(input, [](const Input& from) -> Result<std::unique_ptr<RowStream>> {
        POOLKD_TRY(auto stream, from.open());
        auto rows = std::make_unique<CsvRows>(std::move(stream), from.name);
        POOLKD_CHECK(rows->read_header());
        return rows;
    });
}

bool is_csv_header(std::string_view line) {
    if (is_preface(line)) return false;
    Fields fields;
    fields.split(line, separator_of(line));
    bool tag = false, counter = false;
    for (const Fields::Field& field : fields.all()) {
        const Column column = column_named(field.text).column;
        tag = tag || column == Column::tag || column == Column::tag_value;
        counter = counter || column >= Column::allocs;
    }
    return tag && counter;
}

} // namespace poolkd::hunt::import
