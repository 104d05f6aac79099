#pragma once

#include "base/machine.h"
#include "memory/memory.h"

#include <cstdint>
#include <optional>

namespace poolkd::nt {

/// True when the image of an NT kernel of that machine begins there: by its PE header, and by the name of its PDB or of
/// its exports. hal.dll and the boot drivers near it have headers of the same kind.
[[nodiscard]] bool is_kernel_image(memory::AddressSpace& memory, VirtAddr base, const Machine& machine);

/// The kernel image that holds `hint`, an address in its code: pages are looked at downwards, those that cannot be read
/// are passed over, for at most 32 MiB (ntoskrnl has 10 to 20).
[[nodiscard]] std::optional<VirtAddr> find_kernel_below(memory::AddressSpace& memory, VirtAddr hint,
                                                        const Machine& machine);

/// The block KdDebuggerDataBlock in the kernel image at `base`: by its tag and by the base that it states. Nothing
/// when there is none in plain text.
[[nodiscard]] std::optional<VirtAddr> find_debugger_data(memory::AddressSpace& memory, VirtAddr base,
                                                         const Machine& machine);

/// The build that the kernel image at `base` exports as NtBuildNumber.
[[nodiscard]] std::optional<std::uint16_t> stated_build(memory::AddressSpace& memory, VirtAddr base,
                                                        const Machine& machine);

} // namespace poolkd::nt
