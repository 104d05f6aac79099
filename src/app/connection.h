#pragma once

#include "app/lab_machine.h"
#include "app/options.h"
#include "debugger/session.h"

#include <optional>
#include <string>

namespace poolkd::app {

/// What a session stands on, kept until it is over.
struct Connection {
    std::optional<LabMachine> lab; ///< started for this session alone
    bool was_stopped = false;      ///< the target stood still when we came
};

/// Finds the target that the options name, connects, and makes the session ready: modules read, journal taken over,
/// banner and stop printed (commands.md 2.3). Errors: what `ErrorKind` says; nothing of the session has changed then.
[[nodiscard]] Result<Connection> connect(debugger::Session& session, const Options& options);

/// Ends the connection as the user asked; without a word from the user the target goes on, as by `qd`.
void disconnect(debugger::Session& session, Connection& connection);

/// The text of -k when it is given, else what the environment says; empty when it says nothing.
[[nodiscard]] std::string connection_text(const Options& options);

} // namespace poolkd::app
