#include "control/event_filters.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace poolkd::control {

namespace {

// kd's names and defaults for what a kernel can report (commands.md 9.7), module events first. A single step that
// nobody asked for is passed over: code that saved its flags while it was traced makes one when it gets them back.
const std::vector<EventFilter>& defaults() {
    static const std::vector<EventFilter> rows{
        {"ld", "Load module", std::nullopt, Reaction::ignore},
        {"ud", "Unload module", std::nullopt, Reaction::ignore},
        {"av", "Access violation", 0xc0000005, Reaction::stop},
        {"asrt", "Assertion failure", 0xc0000420, Reaction::stop},
        {"bpe", "Break instruction exception", 0x80000003, Reaction::stop, true},
        {"dm", "Data misaligned", 0x80000002, Reaction::stop},
        {"gp", "Guard page violation", 0x80000001, Reaction::stop},
        {"ii", "Illegal instruction", 0xc000001d, Reaction::second_chance},
        {"ip", "In-page I/O error", 0xc0000006, Reaction::stop},
        {"dz", "Integer divide-by-zero", 0xc0000094, Reaction::stop},
        {"iov", "Integer overflow", 0xc0000095, Reaction::stop},
        {"sse", "Single step exception", 0x80000004, Reaction::ignore, true},
        {"sov", "Stack overflow", 0xc00000fd, Reaction::stop},
        {"wkd", "Wake debugger", 0x80000007, Reaction::stop},
        {"*", "Other exception", std::nullopt, Reaction::second_chance},
    };
    return rows;
}

} // namespace

bool EventFilter::fits(std::string_view image_path) const {
    if (pattern.empty()) return true;
    const std::string_view file = image_path.substr(image_path.find_last_of("\\/") + 1);
    return wildcard_match(pattern, file) || wildcard_match(pattern, file.substr(0, file.rfind('.')));
}

EventFilters::EventFilters() : filters_(defaults()) {}

EventFilter* EventFilters::find(std::string_view name) {
    auto it = std::ranges::find_if(filters_, [&](const EventFilter& f) { return equals_ignore_case(f.name, name); });
    return it == filters_.end() ? nullptr : &*it;
}

const EventFilter& EventFilters::for_exception(std::uint32_t code) const {
    auto it = std::ranges::find(filters_, std::optional(code), &EventFilter::code);
    return it == filters_.end() ? filters_.back() : *it;
}

EventFilter& EventFilters::row_of(std::uint32_t code) {
    if (auto it = std::ranges::find(filters_, std::optional(code), &EventFilter::code); it != filters_.end())
        return *it;
    EventFilter row = filters_.back();
    row.name = row.title = fmt::format("{:08x}", code);
    row.code = code;
    return *filters_.insert(filters_.end() - 1, std::move(row)); // `*` stays the last
}

void EventFilters::reset() {
    filters_ = defaults();
}

} // namespace poolkd::control
