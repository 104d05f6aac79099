#pragma once

#include "base/error.h"
#include "render/chart.h"

#include <nlohmann/json.hpp>

#include <string_view>

namespace CLI {
class App;
}

namespace poolkd::app {

/// In which form a subcommand answers: text for people, `--json` or `--csv` for programs, `--ascii` for terminals that
/// know no other characters.
struct OutputArguments {
    bool json = false, csv = false, ascii = false;
    void add_to(CLI::App& command);
    /// ASCII also where the locale is none of UTF-8.
    [[nodiscard]] render::ChartStyle style() const;
};

/// Writes an answer to stdout.
void write_answer(std::string_view text);
void write_json_answer(const nlohmann::json& object);
/// A line on stderr: what went wrong, notes.
void tell_line(std::string_view line);
/// Tells on stderr why there is none, and gives the exit code for it.
[[nodiscard]] int tell_failure(const Error& error);

} // namespace poolkd::app
