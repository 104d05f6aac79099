#pragma once

#include "base/bytes.h"
#include "base/machine.h"
#include "dumps/facts.h"

#include <optional>

namespace poolkd::dumps {

/// A processor from the note `QEMU` of an ELF core that QEMU or libvirt wrote (target/i386/arch_dump.c), as records of
/// NT's shape. Nothing for notes of another version or too short ones.
[[nodiscard]] std::optional<ProcessorState> read_qemu_processor(Bytes note, const Machine& machine);

} // namespace poolkd::dumps
