#pragma once

#include "dumps/image_file.h"
#include "dumps/placement.h"
#include "dumps/run_table.h"
#include "memory/lasting_views.h"
#include "memory/memory.h"

#include <memory>

namespace poolkd::dumps {

/// The physical memory that an image holds. What it does not hold is the gap `not_in_image`.
class ImageMemory final : public memory::PhysicalMemory, public memory::LastingViews {
  public:
    ImageMemory(std::shared_ptr<const ImageFile> file, std::unique_ptr<const Placement<PhysAddr>> placement)
        : file_(std::move(file)), placement_(std::move(placement)) {}

    memory::ReadResult read(PhysAddr address, MutableBytes out) override;
    Bytes view(PhysAddr address, std::size_t wanted) override;
    [[nodiscard]] bool views_hold() const override { return file_->intact(); }
    [[nodiscard]] const Placement<PhysAddr>& placement() const { return *placement_; }

  private:
    std::shared_ptr<const ImageFile> file_;
    std::unique_ptr<const Placement<PhysAddr>> placement_;
};

/// Pieces of virtual memory that an image holds by their virtual addresses, without page tables: a triage dump.
class ImagePieces final : public memory::AddressSpace {
  public:
    ImagePieces(std::shared_ptr<const ImageFile> file, RunTable<VirtAddr> pieces, unsigned pointer_size)
        : file_(std::move(file)), pieces_(std::move(pieces)), pointer_size_(pointer_size) {}

    memory::ReadResult read(VirtAddr address, MutableBytes out, Work* work = nullptr) override;
    [[nodiscard]] unsigned pointer_size() const override { return pointer_size_; }
    [[nodiscard]] const RunTable<VirtAddr>& pieces() const { return pieces_; }

  private:
    std::shared_ptr<const ImageFile> file_;
    RunTable<VirtAddr> pieces_;
    unsigned pointer_size_;
};

} // namespace poolkd::dumps
