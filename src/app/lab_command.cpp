#include "app/lab_command.h"

#include "app/lab_hive.h"
#include "base/text.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <csignal>

namespace poolkd::app {

namespace {

constexpr int exit_failed = 1;

void print(const std::string& text) {
    std::fputs(text.c_str(), stdout);
}

/// GFlags' abbreviation of the one flag that the lab knows (commands.md section 14).
constexpr std::string_view tagging_abbreviation = "ptg";

Result<LabMachine> the_machine(const std::string& name) {
    if (!name.empty()) {
        if (auto machine = find_lab(name)) return std::move(*machine);
        return fail(ErrorKind::not_found,
                    "No practice machine of the name {} runs; `poolkd lab list` shows those that do", name);
    }
    std::vector<LabMachine> machines = list_labs();
    if (machines.empty()) return fail(ErrorKind::not_found, "No practice machine runs; `poolkd lab start` starts one");
    if (machines.size() > 1) return fail(ErrorKind::usage, "{} practice machines run: say which", machines.size());
    return std::move(machines.front());
}

std::string describe(const LabMachine& machine) {
    const LabOptions& o = machine.options;
    return fmt::format(
        "{}: {}, era {}, layout seed {}, {} processor{}, scenario {}, KASLR {}, {} pipe, {} MB, process {}\n"
        "  connect with: poolkd -k lab:{}\n",
        machine.name, o.arch, o.era, o.seed, o.processors, o.processors == 1 ? "" : "s", o.scenario,
        o.kaslr ? "on" : "off", o.pipe, o.memory_mib, machine.pid, machine.name);
}

nlohmann::json to_json(const LabMachine& machine) {
    const LabOptions& o = machine.options;
    return {{"name", machine.name},
            {"scenario", o.scenario},
            {"arch", o.arch},
            {"era", o.era},
            {"seed", o.seed},
            {"processors", o.processors},
            {"kaslr", o.kaslr},
            {"pipe", o.pipe},
            {"memory_mib", o.memory_mib},
            {"process", machine.pid},
            {"connection", machine.connection()},
            {"kd_socket", machine.kd_socket().string()},
            {"gdb_socket", machine.gdb_socket().string()},
            {"memory_file", machine.memory_file().string()},
            {"images", machine.images.string()}};
}

Result<void> start(const std::string& name, const LabOptions& options, bool json) {
    if (find_lab(name)) return fail(ErrorKind::usage, "A practice machine of the name {} runs already", name);
    if (name.empty() || name.find('/') != std::string::npos || name == "." || name == "..")
        return fail(ErrorKind::usage, "'{}' is no name for a machine", name);
    POOLKD_TRY(LabMachine machine, start_lab(name, lab_root() / name, options, false));
    print(json ? to_json(machine).dump() + "\n" : describe(machine));
    return {};
}

Result<void> list(bool json) {
    std::vector<LabMachine> machines = list_labs();
    if (json) {
        nlohmann::json all = nlohmann::json::array();
        for (const LabMachine& machine : machines)
            all.push_back(to_json(machine));
        print(all.dump() + "\n");
        return {};
    }
    if (machines.empty()) print("No practice machine runs.\n");
    for (const LabMachine& machine : machines)
        print(describe(machine));
    return {};
}

Result<void> stop(const std::string& name, bool all) {
    if (all) {
        for (const LabMachine& machine : list_labs())
            POOLKD_CHECK(stop_lab(machine));
        return {};
    }
    POOLKD_TRY(LabMachine machine, the_machine(name));
    POOLKD_CHECK(stop_lab(machine));
    print(fmt::format("{} is stopped.\n", machine.name));
    return {};
}

Result<void> restart(const std::string& name) {
    POOLKD_TRY(LabMachine machine, the_machine(name));
    POOLKD_CHECK(reset_lab(machine));
    print(fmt::format("{} restarts.\n", machine.name));
    return {};
}

std::string flags_text(std::uint32_t flags) {
    return fmt::format("Boot flags (GlobalFlag): {:#010x}\n    ptg - Enable pool tagging: {}\n", flags,
                       flags & lab_default_flags ? "on" : "off");
}

/// `+ptg -ptg`: shows or changes the boot flags of a practice machine.
Result<void> gflags(const std::string& name, const std::vector<std::string>& changes) {
    POOLKD_TRY(LabMachine machine, the_machine(name));
    POOLKD_TRY(std::uint32_t flags, read_lab_hive(machine.hive_file()));
    const std::uint32_t before = flags;
    for (const std::string& change : changes) {
        const bool signed_word = change.starts_with('+') || change.starts_with('-');
        if (!signed_word || to_lower(std::string_view(change).substr(1)) != tagging_abbreviation)
            return fail(ErrorKind::usage, "'{}' is no boot flag that the practice kernel knows; +ptg or -ptg", change);
        flags = change[0] == '+' ? flags | lab_default_flags : flags & ~lab_default_flags;
    }
    if (flags != before) POOLKD_CHECK(write_lab_hive(machine.hive_file(), flags));
    print(flags_text(flags));
    if (flags != before)
        print(fmt::format("Takes effect at the next restart (poolkd lab restart {}, or .reboot in the debugger).\n",
                          machine.name));
    return {};
}

auto reporter(int& exit_code) {
    return [&exit_code](const Result<void>& result) {
        if (result) return;
        std::fputs(("poolkd: " + result.error().message + "\n").c_str(), stderr);
        exit_code = exit_failed;
    };
}

} // namespace

Result<LabMachine> start_session_lab(const LabOptions& options) {
    // Folders of sessions that were killed: their machine died with them.
    (void)list_labs();
    const std::string name = fmt::format("session-{}", getpid());
    return start_lab(name, lab_root() / name, options, true);
}

void add_lab_command(CLI::App& program, int& exit_code) {
    auto report = reporter(exit_code);
    // Shared by the callbacks of one run of the program.
    struct Words {
        std::string name;
        LabOptions options;
        bool json = false, all = false;
    };
    auto words = std::make_shared<Words>();

    CLI::App* lab = program.add_subcommand("lab", "practice machines: a small NT-shaped kernel under QEMU");
    lab->require_subcommand(1);
    CLI::App* start_command = lab->add_subcommand("start", "start one that stays");
    start_command
        ->add_option("scenario", words->options.scenario,
                     "what its drivers do: page, leak (a young leak in a small pool), hunt (all kinds of leaks), idle")
        ->capture_default_str();
    start_command->add_option("--name", words->name, "its name (default: the scenario's)");
    add_lab_options(*start_command, "--", "Machine", words->options);
    start_command->add_flag("--json", words->json, "describe it in JSON");
    start_command->callback([words, report] {
        report(start(words->name.empty() ? words->options.scenario : words->name, words->options, words->json));
    });
    CLI::App* stop_command = lab->add_subcommand("stop", "end one and forget its disk");
    stop_command->add_option("name", words->name, "which (default: the only one)");
    stop_command->add_flag("--all", words->all, "all of them");
    stop_command->callback([words, report] { report(stop(words->name, words->all)); });
    CLI::App* restart_command = lab->add_subcommand("restart", "press the reset button");
    restart_command->add_option("name", words->name, "which (default: the only one)");
    restart_command->callback([words, report] { report(restart(words->name)); });
    CLI::App* list_command = lab->add_subcommand("list", "those that run");
    list_command->add_flag("--json", words->json, "in JSON");
    list_command->callback([words, report] { report(list(words->json)); });
}

void add_gflags_command(CLI::App& program, int& exit_code) {
    CLI::App* gflags_command =
        program.add_subcommand("gflags", "boot flags of a practice machine: poolkd gflags [+ptg|-ptg]");
    gflags_command->prefix_command(); // -ptg is a word here, not an option
    gflags_command->callback([report = reporter(exit_code), gflags_command] {
        std::string name;
        std::vector<std::string> flags = gflags_command->remaining();
        for (const std::string& word : flags)
            if (word.starts_with("--lab=")) name = word.substr(6);
        std::erase_if(flags, [](const std::string& word) { return word.starts_with("--lab="); });
        report(gflags(name, flags));
    });
}

} // namespace poolkd::app
