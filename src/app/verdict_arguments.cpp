#include "app/verdict_arguments.h"

#include <CLI/CLI.hpp>

namespace poolkd::app {

void VerdictArguments::add_to(CLI::App& command) {
    command.add_option("--limit", limit, "size at which the pool is full, like 16G")
        ->transform(CLI::AsSizeValue(false).description(""))
        ->type_name("SIZE");
    command.add_option("--fail-on", fail_on, "exit code 4 when a tag is leaking, or also when one is growing")
        ->check(CLI::IsMember({"leaking", "growing"}))
        ->type_name("VERDICT");
}

bool VerdictArguments::looks_for(hunt::Verdict verdict) const {
    if (fail_on.empty()) return false;
    return verdict == hunt::Verdict::leaking || (verdict == hunt::Verdict::growing && fail_on == "growing");
}

} // namespace poolkd::app
