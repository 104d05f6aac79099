#pragma once

#include "memory/cache.h"
#include "memory/paged_space.h"
#include "target/target.h"

namespace poolkd::debugger {

/// Virtual memory of a target as a process sees it: user addresses through the process's page tables, which are read
/// from physical memory, all others as the target gives them (they are the same for every process but for the session
/// space). Pages in transition are had. Only good as long as the target stands still.
class ProcessSpace final : public memory::AddressSpace {
  public:
    /// `user_end`: the first address that is no user's.
    ProcessSpace(target::Target& target, const target::PageTables& tables, VirtAddr user_end);

    memory::ReadResult read(VirtAddr address, MutableBytes out, Work* work = nullptr) override;
    [[nodiscard]] unsigned pointer_size() const override { return user_.pointer_size(); }
    [[nodiscard]] bool is_user(VirtAddr address) const { return address < user_end_; }

  private:
    target::Target& target_;
    VirtAddr user_end_;
    memory::PagedSpace paged_;
    memory::CachedSpace user_;
};

} // namespace poolkd::debugger
