#include "hunt/import/timestamps.h"

#include "base/text.h"
#include "hunt/import/numbers.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <vector>

namespace poolkd::hunt::import {

namespace {

using std::chrono::milliseconds;

constexpr std::array<std::string_view, 12> month_names = {"january",   "february", "march",    "april",
                                                          "may",       "june",     "july",     "august",
                                                          "september", "october",  "november", "december"};
constexpr std::array<std::string_view, 7> day_names = {"monday", "tuesday",  "wednesday", "thursday",
                                                       "friday", "saturday", "sunday"};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

struct Token {
    enum class Kind { number, word, mark } kind = Kind::mark;
    std::string_view text;
    unsigned value = 0; ///< of a number
};

std::optional<std::vector<Token>> tokens_of(std::string_view text) {
    constexpr std::size_t maximum_tokens = 24;
    std::vector<Token> tokens;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = at + 1;
        Token token;
        if (is_digit(text[at])) {
            while (end < text.size() && is_digit(text[end]))
                ++end;
            token.kind = Token::Kind::number;
            // Fractions may have more digits than fit; their value is not used.
            std::from_chars(text.data() + at, text.data() + end, token.value);
        } else if (is_letter(text[at])) {
            while (end < text.size() && is_letter(text[end]))
                ++end;
            token.kind = Token::Kind::word;
        }
        token.text = text.substr(at, end - at);
        at = end;
        if (tokens.size() == maximum_tokens) return std::nullopt;
        tokens.push_back(token);
    }
    return tokens;
}

/// Reads the tokens from left to right.
class DateParser {
  public:
    DateParser(std::vector<Token> tokens, DateOrder order) : tokens_(std::move(tokens)), order_(order) {}

    std::optional<WrittenTime> parse() {
        while (at_ < tokens_.size())
            if (!step()) return std::nullopt;
        return finish();
    }

  private:
    using Kind = Token::Kind;

    [[nodiscard]] const Token* peek(std::size_t ahead = 0) const {
        return at_ + ahead < tokens_.size() ? &tokens_[at_ + ahead] : nullptr;
    }
    [[nodiscard]] bool mark(std::size_t ahead, char c) const {
        const Token* token = peek(ahead);
        return token != nullptr && token->kind == Kind::mark && token->text[0] == c;
    }
    [[nodiscard]] const Token* number(std::size_t ahead) const {
        const Token* token = peek(ahead);
        return token != nullptr && token->kind == Kind::number ? token : nullptr;
    }

    bool step() {
        const Token& token = *peek();
        if (token.kind == Kind::word) return word(token);
        if (token.kind == Kind::mark) {
            if (token.text[0] == ' ' || token.text[0] == ',' || token.text[0] == '.') {
                ++at_;
                return true;
            }
            return zone_offset();
        }
        if (mark(1, ':')) return time_of_day(':');
        if (year_ != 0 && day_ != 0 && !have_time_ && mark(1, '.') && number(2) != nullptr) return time_of_day('.');
        return numeric_date() || date_with_word() || date_part();
    }

    bool word(const Token& token) {
        const std::string lower = to_lower(token.text);
        ++at_;
        if (lower == "t" || lower == "at") return have_date_;
        if (lower == "z" || lower == "utc" || lower == "gmt") return have_time_;
        if (lower == "am" || lower == "pm") {
            if (hour_ >= 1 && hour_ <= 12) hour_ = hour_ % 12 + (lower == "pm" ? 12 : 0);
            return have_time_;
        }
        if (lower.size() < 3) return false;
        for (std::string_view day : day_names)
            if (day.starts_with(lower)) return true;
        for (unsigned month = 0; month < month_names.size(); ++month)
            if (month_ == 0 && month_names[month].starts_with(lower)) {
                month_ = month + 1;
                return true;
            }
        return false;
    }

    /// H:MM[:SS[.fraction]], or with dots, as some countries write it
    bool time_of_day(char separator) {
        const Token* minute = number(2);
        if (have_time_ || minute == nullptr) return false;
        hour_ = number(0)->value;
        minute_ = minute->value;
        at_ += 3;
        if (const Token* second = number(1); mark(0, separator) && second != nullptr) {
            second_ = second->value;
            at_ += 2;
            if (const Token* part = number(1); (mark(0, '.') || mark(0, ',')) && part != nullptr) {
                fraction(part->text);
                at_ += 2;
            }
        }
        have_time_ = hour_ < 24 && minute_ < 60 && second_ < 61;
        return have_time_;
    }

    void fraction(std::string_view digits) {
        unsigned scale = 100;
        for (char c : digits.substr(0, 3)) {
            millisecond_ += scale * static_cast<unsigned>(c - '0');
            scale /= 10;
        }
    }

    /// Three numbers between `-`, `/` or `.`.
    bool numeric_date() {
        for (char separator : {'-', '/', '.'}) {
            const Token* second = number(2);
            const Token* third = number(4);
            if (!mark(1, separator) || !mark(3, separator) || second == nullptr || third == nullptr) continue;
            const Token& first = *number(0);
            if (year_ != 0 || month_ != 0 || day_ != 0) return false;
            if (first.text.size() == 4) {
                set_date(first.value, second->value, third->value);
            } else {
                const unsigned year = third->text.size() == 2 ? 2000 + third->value : third->value;
                // Dots are day-first wherever the year comes last.
                const auto day_first = separator == '.' ? true : begins_with_day(first.value, second->value, separator);
                if (!day_first) return false;
                set_date(year, *day_first ? second->value : first.value, *day_first ? first.value : second->value);
            }
            at_ += 5;
            return have_date_;
        }
        return false;
    }

    /// Nothing: the date has the order that it must not have.
    std::optional<bool> begins_with_day(unsigned first, unsigned second, char separator) {
        if (first > 12 || second > 12) {
            told_ = first > 12 ? DateOrder::day_first : DateOrder::month_first;
            if (order_ != DateOrder::unknown && order_ != told_) return std::nullopt;
            return told_ == DateOrder::day_first;
        }
        either_ = first != second;
        return order_ == DateOrder::unknown ? separator == '-' : order_ == DateOrder::day_first;
    }

    /// 05-Nov-26, 2026-Nov-05
    bool date_with_word() {
        const Token* month = peek(2);
        const Token* third = number(4);
        if (!(mark(1, '-') && mark(3, '-')) && !(mark(1, '/') && mark(3, '/'))) return false;
        if (month->kind != Kind::word || third == nullptr || year_ != 0 || month_ != 0 || day_ != 0) return false;
        const Token& first = *number(0);
        const bool year_first = first.text.size() == 4;
        const Token& year = year_first ? first : *third;
        const std::size_t start = at_;
        at_ += 2;
        if (!word(*month) || month_ == 0) {
            at_ = start;
            return false;
        }
        set_date(year.text.size() == 2 ? 2000 + year.value : year.value, month_,
                 year_first ? third->value : first.value);
        at_ += 2;
        return true;
    }

    /// The day or the year of a date whose month is a word.
    bool date_part() {
        const Token& token = *number(0);
        if (token.text.size() == 4 && year_ == 0)
            year_ = token.value;
        else if (token.text.size() <= 2 && day_ == 0)
            day_ = token.value;
        else
            return false;
        ++at_;
        return true;
    }

    /// +hh:mm, -hhmm, +hh
    bool zone_offset() {
        const bool east = mark(0, '+');
        const Token* hours = number(1);
        if (!have_time_ || (!east && !mark(0, '-')) || hours == nullptr || have_zone_) return false;
        int minutes = static_cast<int>(hours->value % 10000);
        at_ += 2;
        if (hours->text.size() == 4) {
            minutes = minutes / 100 * 60 + minutes % 100;
        } else {
            minutes = minutes % 100 * 60;
            if (const Token* more = number(1); mark(0, ':') && more != nullptr) {
                minutes += static_cast<int>(more->value % 60);
                at_ += 2;
            }
        }
        have_zone_ = true;
        zone_minutes_ = east ? minutes : -minutes;
        return true;
    }

    void set_date(unsigned year, unsigned month, unsigned day) {
        year_ = year;
        month_ = month;
        day_ = day;
        have_date_ = true;
    }

    [[nodiscard]] std::optional<WrittenTime> finish() const {
        WrittenTime written;
        if (year_ != 0 || month_ != 0 || day_ != 0) {
            const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year_)),
                                                   std::chrono::month(month_), std::chrono::day(day_)};
            if (year_ < 1980 || year_ > 2200 || !date.ok()) return std::nullopt;
            written.date = std::chrono::sys_days(date);
            written.order = told_;
            written.either_order = either_;
        }
        if (have_time_)
            written.time_of_day = std::chrono::hours(hour_) + std::chrono::minutes(minute_) +
                                  std::chrono::seconds(second_) + milliseconds(millisecond_) -
                                  std::chrono::minutes(zone_minutes_);
        if (!written.date && !written.time_of_day) return std::nullopt;
        return written;
    }

    std::vector<Token> tokens_;
    DateOrder order_, told_ = DateOrder::unknown;
    std::size_t at_ = 0;
    unsigned year_ = 0, month_ = 0, day_ = 0, hour_ = 0, minute_ = 0, second_ = 0, millisecond_ = 0;
    int zone_minutes_ = 0;
    bool have_date_ = false, have_time_ = false, have_zone_ = false, either_ = false;
};

} // namespace

std::optional<WrittenTime> written_time(std::string_view text, DateOrder order) {
    constexpr std::size_t longest = 80;
    text = trim(text);
    if (text.empty() || text.size() > longest) return std::nullopt;
    auto tokens = tokens_of(text);
    if (!tokens) return std::nullopt;
    return DateParser(*std::move(tokens), order).parse();
}

void DateOrders::look(std::string_view text) {
    if (text.find_first_of("/-") == std::string_view::npos) return;
    const auto written = written_time(text);
    if (!written || !written->date) return;
    if (written->either_order && example_.empty()) example_ = trim(text);
    if (written->order == DateOrder::unknown) return;
    both_ = both_ || (order_ != DateOrder::unknown && order_ != written->order);
    if (order_ == DateOrder::unknown) order_ = written->order;
}

void DateOrders::tell(std::vector<std::string>& notes) const {
    if (both_)
        notes.push_back(fmt::format("Some dates begin with the day and others with the month: only those that begin "
                                    "with the {}, as the first such date does, are read",
                                    order_ == DateOrder::day_first ? "day" : "month"));
    if (order_ == DateOrder::unknown && !example_.empty())
        notes.push_back(fmt::format("Dates may begin with the day or with the month ({}), and none of them decides: "
                                    "taken as the {} first",
                                    example_, example_.find('/') != std::string::npos ? "month" : "day"));
}

std::optional<Time> unix_time(double number) {
    constexpr double first = static_cast<double>(first_time.time_since_epoch().count()) / 1000;
    constexpr double last = static_cast<double>(end_of_times.time_since_epoch().count()) / 1000;
    if (number >= first && number < last) return Time(milliseconds(std::llround(number * 1000)));
    if (number >= first * 1000 && number < last * 1000) return Time(milliseconds(std::llround(number)));
    return std::nullopt;
}

std::optional<Time> timestamp(std::string_view text, DateOrder order) {
    text = trim(text);
    // ConvertTo-Json of Windows PowerShell; the backslashes belong to JSON's escapes and may be left.
    for (std::string_view prefix : {"/Date(", "\\/Date("})
        if (text.starts_with(prefix)) {
            text.remove_prefix(prefix.size());
            text = text.substr(0, text.find_first_of(")+"));
        }
    double number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) return unix_time(number);
    auto written = written_time(text, order);
    if (!written || !written->date) return std::nullopt;
    return Time(*written->date) + written->time_of_day.value_or(milliseconds(0));
}

} // namespace poolkd::hunt::import
