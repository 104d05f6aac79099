#pragma once

#include "app/lab_images.h"
#include "app/lab_options.h"

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace poolkd::app {

/// A practice machine under QEMU: a process, and a folder with its sockets, memory and disk.
struct LabMachine {
    std::string name;
    std::filesystem::path directory;
    LabOptions options;
    pid_t pid = 0;
    std::filesystem::path images; ///< where its PDBs are
    bool booting = true;          ///< nobody has connected since it was started or restarted

    [[nodiscard]] std::filesystem::path kd_socket() const { return directory / "kd.sock"; }
    [[nodiscard]] std::filesystem::path gdb_socket() const { return directory / "gdb.sock"; }
    [[nodiscard]] std::filesystem::path monitor_socket() const { return directory / "qmp.sock"; }
    [[nodiscard]] std::filesystem::path memory_file() const { return directory / "ram"; }
    [[nodiscard]] std::filesystem::path hive_file() const { return directory / "hive.img"; }
    /// For -k.
    [[nodiscard]] std::string connection() const { return "com:pipe,port=" + kd_socket().string() + ",reconnect"; }
    [[nodiscard]] bool running() const;
    /// Remembers it in the machine's folder.
    void set_booting(bool now);
};

/// Starts QEMU and waits until its sockets are there. With `dies_with_us` the machine ends when this process does,
/// however it ends. Errors tell what QEMU said.
Result<LabMachine> start_lab(const std::string& name, const std::filesystem::path& directory, const LabOptions& options,
                             bool dies_with_us);
/// Ends the machine and removes its folder.
Result<void> stop_lab(const LabMachine& machine);
/// Restarts the machine, as the reset button does; boot flags are read anew.
Result<void> reset_lab(LabMachine& machine);

/// Where machines that stay have their folders: $XDG_RUNTIME_DIR/poolkd-lab, or below /tmp.
std::filesystem::path lab_root();
/// Machines that stay, by name; the folders of dead ones are removed.
std::vector<LabMachine> list_labs();
std::optional<LabMachine> find_lab(const std::string& name);

} // namespace poolkd::app
