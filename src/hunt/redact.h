#pragma once

#include "hunt/hunt.h"

#include <filesystem>
#include <span>

namespace poolkd::hunt {

/// Takes out of a report what tells whose machine it is of: names of the machine and of the connection, folders and
/// users in paths, names of processes, and of the files that are the evidence. Tags, images, functions and figures
/// stay: they are what it is about.
void redact(HuntReport& report, std::span<const std::filesystem::path> evidence = {});

/// The same of one text: "C:\Users\ann\x.pdb" becomes "<path>\x.pdb".
[[nodiscard]] std::string without_paths(std::string_view text);

} // namespace poolkd::hunt
