#include "app/lab_machine.h"

#include "app/lab_hive.h"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

namespace poolkd::app {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view scenarios[] = {"page", "leak", "hunt", "idle"}; // lab/kernel/cm/scenario.cpp
constexpr auto start_limit = 20s;                                          // takes 0.1 s on an idle machine
constexpr auto stop_limit = 5s;
constexpr std::size_t socket_path_limit = sizeof(sockaddr_un::sun_path) - 1;

/// A comma in a file name is doubled, as QEMU wants it.
std::string quoted(const std::filesystem::path& path) {
    std::string text;
    for (char c : path.string()) {
        text += c;
        if (c == ',') text += ',';
    }
    return text;
}

std::string emulator(const LabOptions& options) {
    return options.arch == "x86" ? "qemu-system-i386" : "qemu-system-x86_64";
}

/// For a QEMU that runs in the folder of the images: it takes what follows a blank in a module's name for its
/// arguments, and the path to that folder may have one.
std::vector<std::string> qemu_arguments(const LabMachine& machine, const LabImages& images) {
    const LabOptions& o = machine.options;
    std::string modules;
    for (const auto& module : images.modules)
        modules += (modules.empty() ? "" : ",") + quoted(module.filename());
    auto socket = [](const std::filesystem::path& path) { return "path=" + quoted(path) + ",server=on,wait=off"; };
    const std::string boot =
        fmt::format("kd={} scenario={} kaslr={} {}", o.pipe, o.scenario, o.kaslr ? "on" : "off", o.extra_boot_words);
    std::vector<std::string> arguments{
        emulator(o),
        "-M",
        "pc,memory-backend=ram",
        "-accel",
        "tcg",
        "-cpu",
        o.arch == "x86" ? "qemu32,+nx" : "qemu64",
        "-smp",
        std::to_string(o.processors),
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-m",
        fmt::format("{}M", o.memory_mib),
        "-object",
        fmt::format("memory-backend-file,id=ram,size={}M,mem-path={},share=on", o.memory_mib,
                    quoted(machine.memory_file())),
        "-kernel",
        images.loader.filename().string(),
        "-initrd",
        modules,
        "-append",
        boot,
        "-chardev",
        "socket,id=kd," + socket(machine.kd_socket()),
        "-drive",
        fmt::format("file={},if=ide,format=raw,file.locking=off", quoted(machine.hive_file())),
        "-chardev",
        "socket,id=gdb," + socket(machine.gdb_socket()),
        "-gdb",
        "chardev:gdb",
        "-qmp",
        fmt::format("unix:{},server=on,wait=off", quoted(machine.monitor_socket())),
        "-debugcon",
        fmt::format("file:{}", quoted(machine.directory / "loader.log"))};
    // By this the kernel hands QEMU the header of a crash dump, for `dump-guest-memory -w`; the one for x86 does not.
    if (o.arch != "x86") arguments.insert(arguments.end(), {"-device", "vmcoreinfo"});
    if (o.pipe == "com1") {
        arguments.insert(arguments.end(), {"-serial", "chardev:kd"});
    } else {
        arguments.insert(arguments.end(), {"-device", "virtio-serial-pci,disable-modern=on,ioeventfd=off", "-device",
                                           "virtconsole,chardev=kd"});
    }
    return arguments;
}

/// Runs QEMU in `folder`, with its output in a file of the machine's folder; its own session when it stays, so that a
/// terminal's Ctrl-C does not reach it either way.
Result<pid_t> spawn(const std::vector<std::string>& arguments, const std::filesystem::path& folder,
                    const std::filesystem::path& log, bool dies_with_us) {
    std::vector<char*> argv;
    for (const std::string& a : arguments)
        argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) return fail(ErrorKind::io, "QEMU cannot be started: {}", std::strerror(errno));
    if (pid == 0) {
        setsid();
        if (dies_with_us) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent) _exit(127);
        }
        const int in = open("/dev/null", O_RDONLY);
        const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(in, 0);
        dup2(out, 1);
        dup2(out, 2);
        if (chdir(folder.c_str()) != 0) _exit(127);
        closefrom(3);
        execvp(argv[0], argv.data());
        const char* text = "QEMU is not installed (Debian: qemu-system-x86)\n";
        (void)!write(2, text, std::strlen(text));
        _exit(127);
    }
    return pid;
}

std::string read_text(const std::filesystem::path& file) {
    std::ifstream stream(file);
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
}

bool answers(const std::filesystem::path& path) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), socket_path_limit);
    const bool ok = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    close(fd);
    return ok;
}

void write_description(const LabMachine& machine) {
    nlohmann::json json{{"name", machine.name},
                        {"pid", machine.pid},
                        {"images", machine.images.string()},
                        {"scenario", machine.options.scenario},
                        {"arch", machine.options.arch},
                        {"era", machine.options.era},
                        {"seed", machine.options.seed},
                        {"processors", machine.options.processors},
                        {"kaslr", machine.options.kaslr},
                        {"pipe", machine.options.pipe},
                        {"memory_mib", machine.options.memory_mib},
                        {"booting", machine.booting}};
    std::ofstream(machine.directory / "machine.json") << json.dump(2) << "\n";
}

std::optional<LabMachine> read_description(const std::filesystem::path& directory) {
    auto json = nlohmann::json::parse(read_text(directory / "machine.json"), nullptr, false);
    if (!json.is_object()) return std::nullopt;
    try {
        LabMachine machine;
        machine.name = json.value("name", std::string{});
        machine.directory = directory;
        machine.pid = json.value("pid", 0);
        machine.images = json.value("images", std::string{});
        machine.options.scenario = json.value("scenario", std::string{});
        machine.options.arch = json.value("arch", std::string{});
        machine.options.era = json.value("era", 0u);
        machine.options.seed = json.value("seed", 0u);
        machine.options.processors = json.value("processors", 0u);
        machine.options.kaslr = json.value("kaslr", false);
        machine.options.pipe = json.value("pipe", std::string{});
        machine.options.memory_mib = json.value("memory_mib", 0u);
        machine.booting = json.value("booting", false);
        return machine;
    } catch (const nlohmann::json::exception&) {
        return std::nullopt; // a damaged description must not cost the other machines
    }
}

} // namespace

bool LabMachine::running() const {
    if (pid <= 0 || kill(pid, 0) != 0) return false;
    // The number may belong to somebody else by now.
    return read_text(fmt::format("/proc/{}/cmdline", pid)).find(kd_socket().string()) != std::string::npos;
}

void LabMachine::set_booting(bool now) {
    booting = now;
    write_description(*this);
}

Result<LabMachine> start_lab(const std::string& name, const std::filesystem::path& directory, const LabOptions& options,
                             bool dies_with_us) {
    if (std::ranges::find(scenarios, options.scenario) == std::end(scenarios))
        return fail(ErrorKind::usage, "The practice kernel has no scenario '{}'; it has page, leak, hunt and idle",
                    options.scenario);
    POOLKD_TRY(LabImages images, find_lab_images(options));
    LabMachine machine{name, directory, options, 0, images.directory, true};
    if (machine.monitor_socket().string().size() > socket_path_limit)
        return fail(ErrorKind::usage, "{} is too long for the path of a socket", directory.string());
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) return fail(ErrorKind::io, "{} cannot be made: {}", directory.string(), error.message());
    std::filesystem::permissions(directory, std::filesystem::perms::owner_all, error);
    POOLKD_CHECK(write_lab_hive(machine.hive_file(), options.tagging ? lab_default_flags : 0));
    const auto log = directory / "qemu.log";
    POOLKD_TRY(machine.pid, spawn(qemu_arguments(machine, images), images.directory, log, dies_with_us));
    const auto end = std::chrono::steady_clock::now() + start_limit;
    // The monitor is looked at, not the KD socket: QEMU takes one connection on each, and the monitor can spare it.
    while (!answers(machine.monitor_socket())) {
        int status = 0;
        const bool gone = waitpid(machine.pid, &status, WNOHANG) == machine.pid;
        if (gone || std::chrono::steady_clock::now() > end) {
            std::string said = read_text(log);
            if (!gone) (void)stop_lab(machine);
            std::filesystem::remove_all(directory, error);
            return fail(ErrorKind::io, "QEMU {}: {}", gone ? "ended at once" : "did not come up",
                        said.empty() ? "it said nothing" : said);
        }
        std::this_thread::sleep_for(5ms);
    }
    write_description(machine);
    return machine;
}

Result<void> stop_lab(const LabMachine& machine) {
    if (machine.running()) {
        kill(machine.pid, SIGTERM);
        const auto end = std::chrono::steady_clock::now() + stop_limit;
        while (machine.running() && waitpid(machine.pid, nullptr, WNOHANG) != machine.pid &&
               std::chrono::steady_clock::now() < end)
            std::this_thread::sleep_for(5ms);
        if (machine.running()) kill(machine.pid, SIGKILL);
        waitpid(machine.pid, nullptr, WNOHANG);
    }
    std::error_code error;
    std::filesystem::remove_all(machine.directory, error);
    if (error) return fail(ErrorKind::io, "{} cannot be removed: {}", machine.directory.string(), error.message());
    return {};
}

Result<void> reset_lab(LabMachine& machine) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail(ErrorKind::io, "No socket: {}", std::strerror(errno));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, machine.monitor_socket().c_str(), socket_path_limit);
    std::string answer;
    bool ok = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    timeval limit{5, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const std::string commands = "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"system_reset\"}\n";
    ok = ok && send(fd, commands.data(), commands.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(commands.size());
    // Two empty returns: capabilities taken, reset done.
    auto returns = [&] {
        std::size_t count = 0;
        for (std::size_t at = answer.find("\"return\""); at != std::string::npos;
             at = answer.find("\"return\"", at + 1))
            ++count;
        return count;
    };
    char buffer[4096];
    while (ok && returns() < 2) {
        const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0) ok = false;
        if (got > 0) answer.append(buffer, static_cast<std::size_t>(got));
    }
    close(fd);
    if (!ok) return fail(ErrorKind::io, "The machine {} does not answer on its monitor", machine.name);
    machine.set_booting(true);
    return {};
}

std::filesystem::path lab_root() {
    if (const char* runtime = std::getenv("XDG_RUNTIME_DIR"); runtime && *runtime == '/' && access(runtime, W_OK) == 0)
        return std::filesystem::path(runtime) / "poolkd-lab";
    return fmt::format("/tmp/poolkd-lab-{}", getuid());
}

std::vector<LabMachine> list_labs() {
    std::vector<LabMachine> machines;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(lab_root(), error)) {
        auto machine = read_description(entry.path());
        if (!machine) continue;
        if (machine->running()) {
            machines.push_back(std::move(*machine));
        } else {
            std::filesystem::remove_all(entry.path(), error);
        }
    }
    std::ranges::sort(machines, {}, &LabMachine::name);
    return machines;
}

std::optional<LabMachine> find_lab(const std::string& name) {
    for (LabMachine& machine : list_labs())
        if (machine.name == name) return std::move(machine);
    return std::nullopt;
}

} // namespace poolkd::app
