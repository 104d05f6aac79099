#include "commands/general.h"
#include "debugger/times.h"
#include "nt/shared_data.h"

#include <sys/utsname.h>

#include <ctime>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

Result<nt::SharedData> shared_data(Session& session) {
    return nt::read_shared_data(session.memory(), session.kernel().machine());
}

std::string_view windows_name(std::uint32_t build, bool server) {
    struct Name {
        std::uint32_t from;
        std::string_view workstation, server;
    };
    // Public release builds; a build between two belongs to the earlier name.
    static constexpr Name names[] = {{26100, "Windows 11", "Windows Server 2025"},
                                     {22000, "Windows 11", "Windows Server 2022"},
                                     {20348, "Windows 10", "Windows Server 2022"},
                                     {17763, "Windows 10", "Windows Server 2019"},
                                     {10240, "Windows 10", "Windows Server 2016"},
                                     {9600, "Windows 8.1", "Windows Server 2012 R2"},
                                     {9200, "Windows 8", "Windows Server 2012"},
                                     {7600, "Windows 7", "Windows Server 2008 R2"},
                                     {6000, "Windows Vista", "Windows Server 2008"},
                                     {3790, "Windows Server 2003", "Windows Server 2003"},
                                     {2600, "Windows XP", "Windows XP"},
                                     {2195, "Windows 2000", "Windows 2000"}};
    for (const Name& n : names)
        if (build >= n.from) return server ? n.server : n.workstation;
    return "Windows NT";
}

std::string product_line(const nt::SharedData& data) {
    static constexpr std::pair<std::uint32_t, std::string_view> suites[] = {
        {0x1, "SmallBusiness"},       {0x2, "Enterprise"},      {0x4, "BackOffice"},
        {0x8, "CommunicationServer"}, {0x10, "TerminalServer"}, {0x20, "SmallBusinessRestricted"},
        {0x40, "EmbeddedNT"},         {0x80, "DataCenter"},     {0x100, "SingleUserTS"},
        {0x200, "Personal"},          {0x400, "Blade"}};
    std::string_view product = data.product == 1 ? "WinNt" : data.product == 2 ? "LanManNt" : "Server";
    std::string text = fmt::format("Product: {}", product);
    std::string words;
    for (auto [bit, name] : suites)
        if ((data.suites & bit) != 0) words += fmt::format(" {}", name);
    return text + (words.empty() ? "" : ", suite:" + words) + "\n";
}

std::optional<std::string> build_lab(Session& session) {
    if (const nt::Kdbg* kdbg = session.kernel().kdbg())
        if (auto at = kdbg->value(nt::Kdbg::nt_build_lab))
            if (auto text = memory::read_c_string(session.memory(), *at, 256); text && !text->empty()) return *text;
    if (auto at = session.kernel().address_of("NtBuildLab"))
        if (auto text = memory::read_c_string(session.memory(), *at, 256); text && !text->empty()) return *text;
    return std::nullopt;
}

std::string uptime(std::uint64_t interval) {
    std::uint64_t ms = interval / 10'000;
    std::uint64_t seconds = ms / 1000;
    return fmt::format("{} days {}:{:02}:{:02}.{:03}", seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60,
                       seconds % 60, ms % 1000);
}

std::string time_lines(const nt::SharedData& data) {
    std::string text;
    if (data.system_time != 0) text += fmt::format("Debug session time: {}\n", debugger::time_text(data.system_time));
    text += fmt::format("System Uptime: {}\n", uptime(data.interrupt_time));
    return text;
}

Result<void> run_time(Session& session, Arguments& arguments) {
    POOLKD_CHECK(session.no_more(arguments));
    POOLKD_TRY(nt::SharedData data, shared_data(session));
    session.write(time_lines(data));
    return {};
}

Result<void> run_version(Session& session, Arguments& arguments) {
    POOLKD_CHECK(session.no_more(arguments));
    if (session.has_target() && !session.running()) session.write(target_text(session));
    session.write(product_text());
    return {};
}

} // namespace

std::string product_text() {
    utsname host{};
    std::string machine = uname(&host) == 0 ? host.machine : "unknown machine";
    return fmt::format(
        "poolkd {} {}\nKernel debugger for Windows NT targets that finds pool leaks. Apache License 2.0.\n",
        POOLKD_VERSION, machine);
}

std::string target_text(Session& session) {
    const target::Identity& identity = session.target().identity();
    auto shared = shared_data(session);
    bool server = shared && shared->product > 1;
    unsigned kind = identity.major & 0xff;
    std::string text =
        fmt::format("{} Kernel Version {} {} {} {}\n", windows_name(identity.build, server), identity.build,
                    identity.processors > 1 ? fmt::format("MP ({} procs)", identity.processors) : std::string("UP"),
                    kind == 0xc ? "Checked" : "Free", identity.machine->kd_name);
    if (shared && shared->product != 0) text += product_line(*shared);
    if (auto lab = build_lab(session)) text += fmt::format("Built by: {}\n", *lab);
    if (shared) text += "Machine Name:\n";
    text += fmt::format("Kernel base = 0x{} PsLoadedModuleList = 0x{}\n", session.address_text(identity.kernel_base),
                        session.address_text(session.kernel().modules().list_head()));
    if (shared) text += time_lines(*shared);
    return text;
}

void add_version_commands(debugger::CommandTable& table) {
    table.add(Command{
        .names = {"vertarget"},
        .family = "General",
        .summary = "tell what the target is",
        .syntax = "vertarget",
        .run = [](Session& session, Arguments& arguments) -> Result<void> {
            POOLKD_CHECK(session.no_more(arguments));
            session.write(target_text(session));
            return {};
        },
    });
    table.add(Command{
        .names = {"version"},
        .family = "General",
        .summary = "tell what the target and this debugger are",
        .syntax = "version",
        .needs_target = false,
        .run = run_version,
    });
    table.add(Command{
        .names = {".time"},
        .family = "General",
        .summary = "show the target's time and how long it has been up",
        .syntax = ".time",
        .run = run_time,
    });
}

} // namespace poolkd::commands
