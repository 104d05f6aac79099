#include "commands/symbols.h"
#include "debugger/session.h"

#include <nlohmann/json.hpp>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

constexpr std::size_t dots_per_line = 63;

void show_path(Session& session) {
    const symbols::SymbolPath& path = session.symbol_service().path();
    session.print("Symbol search path is: {}\n", path.text().empty() ? "*** Invalid ***" : path.text());
    session.print("Expanded Symbol search path is: {}\n", path.expanded());
    if (path.text().empty()) session.write("No symbol path is set: `.sympath FOLDER` or `.symfix`, then `.reload`.\n");
    for (const std::string& note : path.notes())
        session.print("{}\n", note);
}

/// `.sympath`, `.sympath path`, `.sympath+ path`.
Result<void> sympath(Session& session, Arguments& arguments) {
    const bool append = arguments.touches_name() && arguments.take("+");
    if (!arguments.done()) {
        std::string path(arguments.take_rest());
        append ? session.symbol_service().append_path(path) : session.symbol_service().set_path(path);
    }
    show_path(session);
    return {};
}

Result<void> symfix(Session& session, Arguments& arguments) {
    const bool append = arguments.touches_name() && arguments.take("+");
    session.symbol_service().fix_path(arguments.take_rest(), append);
    return {};
}

/// `!sym missing`: what would have to be fetched for every module to have its symbols.
Result<void> list_missing(Session& session, const Arguments& arguments) {
    if (!session.has_target()) return fail(ErrorKind::usage, "There is no target whose symbols could be missing");
    nt::Modules& modules = session.kernel().modules();
    std::vector<const nt::Module*> missing;
    std::size_t asked = 0;
    for (const auto& module : modules.loaded()) {
        session.work().progress("Looking for symbols", asked++, modules.loaded().size());
        (void)modules.symbols(*module);
        if (session.work().stop_requested()) return fail(ErrorKind::stopped, "Stopped at {}", module->name);
        if (module->missing_file) missing.push_back(module.get());
    }
    if (arguments.json) {
        nlohmann::json files = nlohmann::json::array();
        for (const nt::Module* module : missing)
            files.push_back({{"module", module->name},
                             {"name", module->missing_file->name},
                             {"index", module->missing_file->index},
                             {"path", module->missing_file->path()}});
        session.write_json({{"modules", asked}, {"missing", std::move(files)}});
        return {};
    }
    if (missing.empty()) {
        session.print("No file is missing for the {} modules\n", asked);
        return {};
    }
    session.print(
        "{} of {} modules lack a file. Below are the names that every symbol store and server has for them.\n"
        "What is fetched elsewhere goes under the same names into a folder of the symbol path; then .reload.\n",
        missing.size(), asked);
    session.write("\n");
    for (const nt::Module* module : missing)
        session.print("{}\n", module->missing_file->path());
    return {};
}

/// `!sym`: kd's switches, and the list that one takes to a machine with a network.
Result<void> sym(Session& session, Arguments& arguments) {
    std::string_view word = arguments.word();
    POOLKD_CHECK(session.no_more(arguments));
    if (word == "missing") return list_missing(session, arguments);
    if (word == "noisy") {
        session.symbol_service().set_noisy([&session](const std::string& line) { session.print("{}\n", line); });
    } else if (word == "quiet") {
        session.symbol_service().set_noisy({});
    } else if (!word.empty()) {
        return fail(ErrorKind::usage, "!sym takes noisy, quiet or missing, not '{}'", word);
    }
    session.print("{} mode\n", session.symbol_service().noisy() ? "noisy" : "quiet");
    return {};
}

void report_state(Session& session, const nt::Module& module) {
    if (!module.symbol_note.empty()) session.print("{}: {}\n", module.name, module.symbol_note);
}

/// Loads symbols of the modules that match now, and says which have none.
Result<void> load_now(Session& session, std::string_view pattern) {
    nt::Modules& modules = session.kernel().modules();
    bool any = false;
    for (const auto& module : modules.loaded()) {
        if (!wildcard_match(pattern, module->name) && !wildcard_match(pattern, module->image_name)) continue;
        any = true;
        (void)modules.symbols(*module);
        report_state(session, *module);
        if (session.work().stop_requested()) return fail(ErrorKind::stopped, "Stopped at {}", module->name);
    }
    if (!any) return fail(ErrorKind::not_found, "'{}' is no loaded module", pattern);
    return {};
}

Result<void> reload_all(Session& session, bool force) {
    nt::Kernel& kernel = session.kernel();
    kernel.modules().drop_symbols();
    Answer<std::size_t> answer = kernel.reload();
    session.write("Loading Kernel Symbols\n");
    for (std::size_t done = 0; done < answer.value; done += dots_per_line)
        session.print("{}\n", std::string(std::min(dots_per_line, answer.value - done), '.'));
    session.write("Loading unloaded module list\n");
    session.print("{}\n", std::string(std::min<std::size_t>(kernel.modules().unloaded().size(), dots_per_line), '.'));
    report_state(session, kernel.modules().kernel());
    if (kernel.modules().used_known_layout())
        session.write("The module list was read by the layout that all kernels share, since the kernel's own "
                      "symbols have no types.\n");
    if (!answer.coverage.complete()) session.print("{}\n", answer.coverage.sentence());
    return force ? load_now(session, "*") : Result<void>{};
}

Result<void> reload(Session& session, Arguments& arguments) {
    bool force = false, unload = false;
    std::string module;
    while (!arguments.done()) {
        if (arguments.take_option("f")) {
            force = true;
        } else if (arguments.take_option("u")) {
            unload = true;
        } else if (arguments.take_option("n") || arguments.take_option("s") || arguments.take_option("w")) {
            // The kernel's list is what is read anyway.
        } else if (arguments.peek() == '/' || arguments.peek() == '-') {
            return fail(ErrorKind::unsupported, ".reload knows /f /u /n /s, not '{}'", arguments.word());
        } else {
            module = arguments.text();
        }
    }
    nt::Modules& modules = session.kernel().modules();
    if (unload) {
        if (module.empty()) return fail(ErrorKind::usage, ".reload /u needs a module");
        if (!modules.forget(module)) return fail(ErrorKind::not_found, "'{}' is no loaded module", module);
        session.print("Unloaded {}\n", module);
        return {};
    }
    if (module.empty()) return reload_all(session, force);
    modules.drop_symbols(module);
    // A named module may have come since the list was read.
    if (!modules.find(module) && !has_wildcard(module)) (void)session.kernel().reload();
    return load_now(session, module);
}

Result<void> load_symbols(Session& session, Arguments& arguments) {
    if (arguments.done()) return fail(ErrorKind::usage, "Which module? ld Module, or ld *");
    return load_now(session, arguments.take_rest());
}

} // namespace

void add_symbol_path_commands(debugger::CommandTable& table) {
    table.add(Command{
        .names = {".sympath"},
        .family = "Symbols",
        .summary = "show or set where symbols are searched",
        .syntax = ".sympath[+] [Path[;Path...]]",
        .help = "Folders; stores as srv*STORE; servers as srv*CACHE*https://SERVER; cache*FOLDER keeps what comes "
                "from its right. + adds. Takes effect at the next .reload; servers that could not be used are "
                "asked again.",
        .may_touch = true,
        .needs_target = false,
        .run = sympath});
    table.add(Command{.names = {".symfix"},
                      .family = "Symbols",
                      .summary = "set the symbol path to the default store",
                      .syntax = ".symfix[+] [Folder]",
                      .may_touch = true,
                      .needs_target = false,
                      .run = symfix});
    table.add(Command{.names = {"!sym"},
                      .family = "Symbols",
                      .summary = "tell each step of symbol searches, or list the files that are missing",
                      .syntax = "!sym [noisy|quiet|missing]",
                      .help = "missing looks for the symbols of all modules and lists the files that were not found, "
                              "as NAME/INDEX/NAME: to be fetched where there is a network.",
                      .needs_target = false,
                      .json = true,
                      .run = sym});
    table.add(Command{.names = {".reload"},
                      .family = "Symbols",
                      .summary = "read the module list anew and forget symbols",
                      .syntax = ".reload [/f] [/u] [Module]",
                      .help = "Symbols load again when they are needed; /f loads them now, /u forgets one module.",
                      .run = reload});
    table.add(Command{.names = {"ld"},
                      .family = "Symbols",
                      .summary = "load a module's symbols now",
                      .syntax = "ld Module|*",
                      .run = load_symbols});
}

} // namespace poolkd::commands
