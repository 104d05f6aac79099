#pragma once

#include "nt/kdbg.h"
#include "nt/layout.h"
#include "nt/modules.h"
#include "target/target.h"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace poolkd::nt {

/// A target plus its symbols: globals by name, records by the layout that the symbols give.
class Kernel {
  public:
    /// Nothing is read from the target's lists yet: `reload` does that.
    Kernel(target::Target& target, SymbolLoader loader);

    /// Reads the module list, forgets cached layouts, and finds the KDBG block. The answer counts modules.
    Answer<std::size_t> reload();

    [[nodiscard]] target::Target& target() { return target_; }
    [[nodiscard]] memory::AddressSpace& memory() { return target_.memory(); }
    [[nodiscard]] const Machine& machine() const { return *target_.identity().machine; }
    [[nodiscard]] Modules& modules() { return modules_; }
    /// Null when the target has none that can be read.
    [[nodiscard]] const Kdbg* kdbg() const { return kdbg_ ? &*kdbg_ : nullptr; }

    /// Address of a variable or function of the kernel image. Kind `not_found` tells whether the name is missing or
    /// the symbols are.
    Result<VirtAddr> address_of(std::string_view name);
    /// Address of a variable by its symbol, else as the KDBG block publishes it; nothing when neither tells.
    std::optional<VirtAddr> variable(std::string_view name, Kdbg::Field field);
    /// Contents of a kernel variable: an unsigned number of `size` bytes.
    Result<std::uint64_t> read_global(std::string_view name, unsigned size);
    /// Contents of a pointer-size kernel variable.
    Result<std::uint64_t> read_global(std::string_view name) { return read_global(name, machine().pointer_size); }
    Result<VirtAddr> read_pointer_global(std::string_view name);
    Result<VirtAddr> read_pointer(VirtAddr address);

    /// A structure of the kernel's symbols; cached. The reference holds until the next `reload`.
    Result<const Layout*> layout(std::string_view type_name);

    /// A number in a record in memory: one read of the member alone.
    Result<std::uint64_t> read_field(std::string_view type_name, VirtAddr record, std::string_view member);

    /// KPRCB of a processor: as the link tells it, else from the array KiProcessorBlock.
    Result<VirtAddr> processor_block(std::uint32_t processor);

    /// The process whose address space the thread runs in (EPROCESS); from KTHREAD.ApcState.Process.
    Result<VirtAddr> process_of_thread(VirtAddr thread);

  private:
    /// The block of a kernel that was not started for debugging; needs the kernel's symbols.
    Result<Kdbg> encoded_kdbg();

    target::Target& target_;
    Modules modules_;
    std::optional<Kdbg> kdbg_;
    std::map<std::string, Layout, std::less<>> layouts_;
};

} // namespace poolkd::nt
