#pragma once

#include "code/site_index.h"
#include "control/controller.h"
#include "control/journal.h"
#include "nt/kernel.h"
#include "target/target.h"

#include <filesystem>
#include <memory>

namespace poolkd::debugger {

/// One target with everything that stands on it. The members are built in this order and end in the opposite one.
struct Debuggee {
    Debuggee(std::unique_ptr<target::Target> the_target, nt::SymbolLoader symbols,
             std::filesystem::path journal_directory)
        : target(std::move(the_target)), kernel(*target, std::move(symbols)),
          journal(kernel, std::move(journal_directory)), controller(kernel, journal), sites(kernel) {}

    std::unique_ptr<target::Target> target;
    nt::Kernel kernel;
    control::Journal journal;
    control::Controller controller;
    code::SiteStore sites; ///< which code uses the pool
};

} // namespace poolkd::debugger
