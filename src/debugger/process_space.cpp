#include "debugger/process_space.h"

#include "nt/software_entry.h"

#include <algorithm>

namespace poolkd::debugger {

ProcessSpace::ProcessSpace(target::Target& target, const target::PageTables& tables, VirtAddr user_end)
    : target_(target), user_end_(user_end),
      // Tables and pages change with writes of the debugger's: nothing is remembered below the cache.
      paged_(target.physical(), memory::paging_mode(*tables.machine, tables.cr4), tables.cr3,
             tables.machine->pointer_size, true),
      user_(paged_, [this] { return target_.epoch(); }) {
    paged_.use_software_entries(nt::software_page);
}

memory::ReadResult ProcessSpace::read(VirtAddr address, MutableBytes out, Work* work) {
    if (!is_user(address)) return target_.memory().read(address, out, work);
    const auto below = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), user_end_ - address));
    const memory::ReadResult read = user_.read(address, out.first(below), work);
    if (read.gap || below == out.size()) return read;
    memory::ReadResult rest = target_.memory().read(user_end_, out.subspan(below), work);
    rest.bytes += below;
    return rest;
}

} // namespace poolkd::debugger
