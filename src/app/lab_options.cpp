#include "app/lab_options.h"

#include "base/text.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>

namespace poolkd::app {

namespace {

constexpr unsigned maximum_seed = 1000, maximum_processors = 2, minimum_memory = 64, maximum_memory = 2048;

/// A word out of several.
Result<void> choose(std::string& into, std::string_view value, std::initializer_list<std::string_view> from) {
    if (std::ranges::find(from, value) == from.end())
        return fail(ErrorKind::usage, "'{}' is none of {}", value, fmt::join(from, ", "));
    into = value;
    return {};
}

Result<unsigned> number(std::string_view value, unsigned least, unsigned most) {
    unsigned result = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
    if (error != std::errc{} || end != value.data() + value.size() || result < least || result > most)
        return fail(ErrorKind::usage, "'{}' is no number from {} to {}", value, least, most);
    return result;
}

Result<void> set_number(unsigned& into, std::string_view value, unsigned least, unsigned most) {
    POOLKD_TRY(into, number(value, least, most));
    return {};
}

Result<void> set_era(unsigned& era, std::string_view value) {
    std::string word;
    POOLKD_CHECK(choose(word, value, {"7", "10", "11"}));
    return set_number(era, word, 0, 11);
}

struct LabOption {
    std::string_view name;
    std::string_view value; ///< what is shown for it; empty when it takes none
    std::string_view help;
    Result<void> (*set)(LabOptions&, std::string_view value);
};

constexpr LabOption lab_options[] = {
    {"arch", "x64|x86", "its processors",
     [](LabOptions& o, std::string_view v) { return choose(o.arch, v, {"x64", "x86"}); }},
    {"era", "7|10|11", "Windows whose layouts its kernel has (default 10)",
     [](LabOptions& o, std::string_view v) { return set_era(o.era, v); }},
    {"seed", "N", "layout seed of its structures, 0 to 4",
     [](LabOptions& o, std::string_view v) { return set_number(o.seed, v, 0, maximum_seed); }},
    {"processors", "N", "how many, 1 or 2",
     [](LabOptions& o, std::string_view v) { return set_number(o.processors, v, 1, maximum_processors); }},
    {"kaslr", "", "load its kernel at a random address",
     [](LabOptions& o, std::string_view) -> Result<void> {
         o.kaslr = true;
         return {};
     }},
    {"pipe", "virtio|com1", "its line to the debugger",
     [](LabOptions& o, std::string_view v) { return choose(o.pipe, v, {"virtio", "com1"}); }},
    {"memory", "MB", "its memory (default 128)",
     [](LabOptions& o, std::string_view v) { return set_number(o.memory_mib, v, minimum_memory, maximum_memory); }},
    {"no-tagging", "", "boot without pool tagging, as old kernels do",
     [](LabOptions& o, std::string_view) -> Result<void> {
         o.tagging = false;
         return {};
     }},
    {"boot", "WORDS", "further boot options (lab/README.md)",
     [](LabOptions& o, std::string_view v) -> Result<void> {
         o.extra_boot_words = v;
         return {};
     }},
};

} // namespace

Result<void> set_lab_option(LabOptions& options, std::string_view name, std::optional<std::string_view> value) {
    const auto* option = std::ranges::find(lab_options, name, &LabOption::name);
    if (option == std::end(lab_options)) return fail(ErrorKind::usage, "The practice machine has no option '{}'", name);
    if (option->value.empty() == value.has_value())
        return fail(ErrorKind::usage, "{} takes {}", name, value ? "no value" : option->value);
    if (auto done = option->set(options, value.value_or("")); !done)
        return fail(ErrorKind::usage, "{}: {}", name, done.error().message);
    return {};
}

void add_lab_options(CLI::App& command, const std::string& prefix, const std::string& group, LabOptions& options) {
    for (const LabOption& option : lab_options) {
        const std::string name(option.name);
        auto set = [prefix, name, &options](std::optional<std::string_view> value) {
            if (auto done = set_lab_option(options, name, value); !done)
                throw CLI::ValidationError(prefix + done.error().message); // which begins with the name
        };
        CLI::Option* added = nullptr;
        if (option.value.empty()) {
            added = command.add_flag_callback(prefix + name, [set] { set(std::nullopt); });
        } else {
            added = command.add_option_function<std::string>(prefix + name, set)->type_name(std::string(option.value));
        }
        added->description(std::string(option.help))->group(group);
    }
}

} // namespace poolkd::app
