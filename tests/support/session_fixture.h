#pragma once

#include "commands/commands.h"
#include "debugger/session.h"
#include "support/fake_symbols.h"
#include "support/fake_target.h"

#include <gmock/gmock.h>

#include <memory>
#include <string>

namespace poolkd::testing {

/// A session on a fake target with one kernel image and symbols that the test adds; `run` gives what a line prints.
class SessionFixture : public ::testing::Test {
  protected:
    static constexpr VirtAddr kernel_base{0xfffff80400000000};

    SessionFixture() {
        auto made = std::make_unique<FakeTarget>();
        target = made.get();
        target->edit_identity().kernel_base = kernel_base;
        target->edit_identity().loaded_module_list = VirtAddr(0xfffff80400100000);
        target->virtual_memory().map(kernel_base, 0x4000);
        target->virtual_memory().put_value<std::uint32_t>(kernel_base + 0x50, 0x4000); // SizeOfImage of a header at 0
        session.attach(std::make_unique<debugger::Debuggee>(
            std::move(made),
            [this](nt::Module& module) {
                module.symbols = symbols;
                module.symbol_state = nt::SymbolState::loaded;
            },
            ""));
    }

    FakeMemory& memory() { return target->virtual_memory(); }
    /// The output of a line, errors included; whether it failed is in `failed`.
    std::string run(std::string_view line) {
        failed = !session.execute_line(line);
        return console.take();
    }

    std::shared_ptr<FakeSymbols> symbols = std::make_shared<FakeSymbols>();
    FakeTarget* target = nullptr; ///< owned by the session
    debugger::TextOutput console;
    debugger::CommandTable table = commands::all_commands();
    debugger::Session session{console, table};
    bool failed = false;
};

} // namespace poolkd::testing
