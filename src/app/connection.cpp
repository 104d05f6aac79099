#include "app/connection.h"

#include "app/environment.h"
#include "app/image_session.h"
#include "app/lab_command.h"
#include "code/stack.h"
#include "commands/general.h"
#include "commands/stop_text.h"
#include "control/tag_site.h"
#include "hunt/retag.h"
#include "kd/connection_string.h"
#include "target/live_target.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <ctime>

namespace poolkd::app {

using debugger::Session;

namespace {

/// The connection string of a practice machine, and its symbols on the path.
std::string use_lab(Session& session, const LabMachine& machine) {
    session.symbol_service().append_path(machine.images.string());
    return machine.connection();
}

/// A machine's socket takes one debugger; a second one would wait for ever. The claim ends with this process.
Result<void> claim(const LabMachine& machine) {
    const int file = open((machine.directory / "debugger.lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0 || flock(file, LOCK_EX | LOCK_NB) == 0) return {};
    close(file);
    return fail(ErrorKind::refused, "Another poolkd is connected to the practice machine {}", machine.name);
}

/// What -k or --lab name, as a connection string.
struct FoundTarget {
    std::string text;
    bool booting = false; ///< it stops by itself: a break-in now would come too early
};

Result<FoundTarget> find_target(Session& session, const Options& options, Connection& connection) {
    if (options.lab) {
        LabOptions lab = options.lab_options;
        if (!options.lab->empty()) lab.scenario = *options.lab;
        POOLKD_TRY(connection.lab, start_session_lab(lab));
        return FoundTarget{use_lab(session, *connection.lab), true};
    }
    std::string text = connection_text(options);
    if (!text.starts_with("lab:")) return FoundTarget{text};
    std::string name = text.substr(4);
    auto machine = find_lab(name);
    if (!machine)
        return fail(ErrorKind::not_found, "No practice machine of the name '{}' runs (poolkd lab list)", name);
    POOLKD_CHECK(claim(*machine));
    const bool booting = machine->booting;
    machine->set_booting(false);
    return FoundTarget{use_lab(session, *machine), booting};
}

/// A target that is booting reports its modules first: these events are let pass, as kd does, up to the break that the
/// kernel or our break-in makes.
Result<void> reach_a_stop_for_the_user(Session& session) {
    POOLKD_TRY(const unsigned armed, session.controller().adopt_stop());
    if (armed != 0)
        session.tell(fmt::format("{} hardware breakpoint{} that an earlier session left {} removed.\n", armed,
                                 armed == 1 ? "" : "s", armed == 1 ? "was" : "were"));
    const auto& stop = session.controller().last();
    if (!stop || std::holds_alternative<target::ExceptionStop>(stop->stop.reason)) return {};
    POOLKD_TRY(control::StopReport report, session.controller().go_and_wait(session.work()));
    return {};
}

std::string now_text() {
    std::time_t now = std::time(nullptr);
    std::tm parts{};
    char text[64] = "";
    if (localtime_r(&now, &parts)) std::strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y (UTC %z)", &parts);
    return text;
}

Result<std::uint64_t> return_address(Session& session) {
    POOLKD_TRY(RegisterFile registers, session.registers());
    auto answer = code::walk_stack(session.kernel(), registers, {.max_frames = 1, .arguments = false}, &session.work());
    if (answer.value.frames.empty())
        return fail(ErrorKind::not_found, "The return address is not known: {}", answer.value.note);
    return answer.value.frames.front().return_address.value;
}

/// A driver that comes while tags are retagged has the old ones in its code.
void warn_of_old_tags(Session& session, VirtAddr base) {
    if (!hunt::is_any_retagged(session.journal())) return;
    nt::Module* module = session.kernel().modules().containing(base);
    if (!module) return;
    const auto sites = session.sites().of(*module, session.work());
    const std::string warning = hunt::retag_warning(session.journal(), *sites);
    if (!warning.empty()) session.tell("Warning: " + warning);
    if (!sites->error.empty() || !sites->index.coverage.complete())
        session.tell(fmt::format("Warning: not all code of {} could be looked through; whether it has a tag that is "
                                 "retagged is not known.\n",
                                 module->name));
}

/// Ties together what does not know of each other: events that are only told, drivers that are loaded, `$ra`.
void wire(Session& session, const Options& options) {
    session.controller().on_load([&session](VirtAddr base) { warn_of_old_tags(session, base); });
    session.controller().on_event(
        [&session](const target::Stop& stop) { session.tell(commands::told_event_text(session, stop)); });
    if (options.verbose)
        for (std::string_view event : {"ld", "ud"})
            session.controller().filters().find(event)->reaction = control::Reaction::tell;
    session.expressions().set_source("$ra", return_address);
}

void tell_inherited(Session& session) {
    auto kept = session.journal().attach();
    if (!kept) {
        session.tell(fmt::format("Warning: the journal of earlier changes cannot be read: {}\n", kept.error().message));
        return;
    }
    if (std::size_t removed = session.journal().removed_breakpoints())
        session.tell(fmt::format("{} breakpoint{} that an earlier session left {} removed.\n", removed,
                                 removed == 1 ? "" : "s", removed == 1 ? "was" : "were"));
    if (*kept == 0) return;
    session.tell(fmt::format("An earlier session left {} change{} in this target:\n", *kept, *kept == 1 ? "" : "s"));
    if (!session.json()) session.execute_line(".writes");
    session.tell(".undo * restores what was there before.\n");
}

/// Puts back what was written to the target, but for what is not safe to put back now; each is told.
Result<void> undo_writes(Session& session) {
    if (session.journal().open_writes().empty()) return {};
    if (session.running()) POOLKD_CHECK(session.controller().stop(session.work()));
    POOLKD_TRY(control::UndoOutcome outcome,
               control::undo_safely(session.kernel(), session.journal(), session.journal().open_writes(), false,
                                    session.work()));
    if (const std::size_t undone = outcome.undone.size(); undone != 0)
        session.tell(fmt::format("{} write{} undone.\n", undone, undone == 1 ? "" : "s"));
    for (const auto& kept : outcome.kept)
        session.tell(fmt::format("Write {} stays: {}.\n", kept.id, kept.why));
    return {};
}

/// Leaves a target that goes on without us, and tells in which state.
void leave(Session& session) {
    using debugger::Quit;
    const Quit quit = session.quit();
    // The end of the input does what qd does: nobody is there who would let the target go.
    const bool run = quit != Quit::frozen;
    auto complain = [&](const Result<void>& result) {
        if (!result) session.tell(result.error().message + "\n");
    };
    if (run && quit != Quit::running_patched) complain(undo_writes(session));
    if (const std::size_t left = session.journal().open_writes().size(); left != 0)
        session.tell(fmt::format("{} write{} to the target stay{}; the next session offers to undo {}.\n", left,
                                 left == 1 ? "" : "s", left == 1 ? "s" : "", left == 1 ? "it" : "them"));
    complain(run ? session.controller().detach() : session.controller().leave_as_it_is());
    if (!run)
        session.tell(session.running() ? "The target runs on.\n"
                                       : "The target stays frozen until a debugger lets it go (qd does).\n");
    session.attach(nullptr);
}

/// What `connect` does, up to where it fails.
Result<void> make_connection(Session& session, const Options& options, Connection& connection) {
    if (options.image) return open_image_session(session, options);
    POOLKD_TRY(FoundTarget found, find_target(session, options, connection));
    if (found.text.empty())
        return fail(ErrorKind::usage,
                    "No target: -k <connection> names one, --lab starts a practice machine (poolkd -?)");
    POOLKD_TRY(kd::LinkSpec spec, kd::parse_connection_string(found.text));
    auto banner = [&](std::string_view line) {
        if (!options.quiet) session.tell(line);
    };
    const std::string opened =
        fmt::format("Opened {}\nWaiting to reconnect...\n", spec.path.empty() ? spec.text : spec.path);
    target::LiveOptions live;
    if (spec.reconnect) {
        banner(opened); // it may take long until the line is there
    } else {
        live.on_open = [&] { banner(opened); };
    }
    live.break_in = !found.booting;
    if (options.target_prints) live.on_print = [&session](std::string_view printed) { session.tell(printed); };
    live.on_notice = [&session](std::string_view notice) { session.tell(fmt::format("{}\n", notice)); };
    live.interrupt = &session.work();
    POOLKD_TRY(auto target, target::LiveTarget::connect(spec, std::move(live), session.work()));
    connection.was_stopped = target->was_already_stopped();
    const target::Identity identity = target->identity();
    banner(fmt::format("Connected to Windows {} {} target at ({}), ptr64 {}\nKernel Debugger connection established.\n",
                       identity.build, identity.machine->kd_name, now_text(),
                       identity.machine->pointer_size == 8 ? "TRUE" : "FALSE"));
    session.attach(std::make_unique<debugger::Debuggee>(std::move(target), session.symbol_service().loader(),
                                                        control::Journal::default_directory()));
    session.sites().use_cache(code::SiteCache::of_process());
    wire(session, options);
    banner(fmt::format("Symbol search path is: {}\n", session.symbol_service().path().text()));
    POOLKD_CHECK(reach_a_stop_for_the_user(session));
    auto modules = session.kernel().reload();
    if (!modules.coverage.complete())
        session.tell(fmt::format("The module list is incomplete. {}\n", modules.coverage.sentence()));
    banner(commands::target_text(session));
    session.note_stop();
    tell_inherited(session);
    if (const auto& stop = session.controller().last()) banner(commands::stop_text(session, *stop));
    return {};
}

} // namespace

std::string connection_text(const Options& options) {
    if (options.connection && !options.connection->empty()) return *options.connection;
    std::string port = environment("_NT_DEBUG_PORT");
    if (port.empty()) return {};
    std::string baud = environment("_NT_DEBUG_BAUD_RATE");
    return "com:port=" + port + (baud.empty() ? "" : ",baud=" + baud);
}

Result<Connection> connect(Session& session, const Options& options) {
    Connection connection;
    auto connected = make_connection(session, options, connection);
    if (connected) return connection;
    // The break-in has stopped the target already; nobody else lets it go. One that stood for somebody stays so.
    if (connection.was_stopped && session.has_target()) session.request_quit(debugger::Quit::frozen);
    disconnect(session, connection);
    return std::unexpected(std::move(connected).error());
}

void disconnect(Session& session, Connection& connection) {
    if (session.has_target()) {
        session.work().request_end(); // it has come: a signal that asks for it now must not cut the leaving off
        session.work().clear_stop();
        if (connection.lab || !session.target().run_control()) {
            session.attach(nullptr);
        } else {
            leave(session);
        }
    }
    if (connection.lab) {
        if (auto stopped = stop_lab(*connection.lab); !stopped) session.tell(stopped.error().message + "\n");
    }
}

} // namespace poolkd::app
