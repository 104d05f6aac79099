#include "app/answer_output.h"

#include "app/options.h"
#include "base/text.h"
#include "render/characters.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <cstdlib>

namespace poolkd::app {

namespace {

/// As the C library chooses it; without any of these the locale is "C".
bool locale_is_utf8() {
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        const char* value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): nothing runs beside it
        if (!value || *value == '\0') continue;
        const std::string locale = to_lower(std::string_view(value));
        return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
    }
    return false;
}

} // namespace

void OutputArguments::add_to(CLI::App& command) {
    const char* group = "Output";
    CLI::Option* json_flag = command.add_flag("--json", json, "answer in JSON (docs/json.md)")->group(group);
    command.add_flag("--csv", csv, "answer in CSV")->excludes(json_flag)->group(group);
    command.add_flag("--ascii", ascii, "draw with ASCII characters")->group(group);
}

render::ChartStyle OutputArguments::style() const {
    return ascii || !locale_is_utf8() ? render::ChartStyle::ascii : render::ChartStyle::unicode;
}

void write_answer(std::string_view text) {
    const std::string shown = render::terminal_text(text);
    std::fwrite(shown.data(), 1, shown.size(), stdout);
}

void write_json_answer(const nlohmann::json& object) {
    // Names of files that are no UTF-8 must not end the program.
    write_answer(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void tell_line(std::string_view line) {
    std::fputs((render::terminal_text(line) + "\n").c_str(), stderr);
}

int tell_failure(const Error& error) {
    std::fflush(stdout); // what was answered before it stands before it
    tell_line("poolkd: " + error.message);
    return error.kind == ErrorKind::usage ? exit_usage : exit_command_failed;
}

} // namespace poolkd::app
