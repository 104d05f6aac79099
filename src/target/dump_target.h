#pragma once

#include "dumps/image.h"
#include "memory/paged_space.h"
#include "target/target.h"

#include <memory>
#include <string>

namespace poolkd::target {

/// A memory image: a crash dump, a core, a raw image. It does not run and cannot be written.
class DumpTarget final : public Target {
  public:
    /// Errors: those of dumps::open_image; `unsupported` for a machine that poolkd cannot debug.
    static Result<std::unique_ptr<DumpTarget>> open(const std::string& path, const dumps::OpenOptions& options = {});
    static Result<std::unique_ptr<DumpTarget>> from_image(dumps::MemoryImage image);

    [[nodiscard]] const dumps::MemoryImage& image() const { return image_; }
    [[nodiscard]] const dumps::MemoryImage* memory_image() const override { return &image_; }
    /// False for an image that does not say where its page tables are (raw memory), until `use_page_tables` was called;
    /// then all of `memory()` is unmapped.
    [[nodiscard]] bool has_page_tables() const { return paged_ != nullptr; }
    /// Sees virtual memory through these from now on.
    void use_page_tables(const PageTables& tables);
    /// Only with page tables.
    [[nodiscard]] const PageTables& page_tables() const { return tables_; }
    [[nodiscard]] const memory::PagingMode& page_tables_mode() const { return paged_->mode(); }
    /// What the system's own entries in them mean.
    void use_software_entries(memory::SoftwareEntry decode);
    /// Tells the identity what was found in the machine's memory; zero: not known.
    void use_kernel(VirtAddr base, VirtAddr loaded_module_list, VirtAddr debugger_data);

    /// The build of Windows, where no header tells it.
    void use_build(std::uint16_t build) { identity_.build = build; }
    /// The same of its processors, in NT's order; a record without a CONTEXT is of one whose registers are not known.
    void use_processors(std::vector<dumps::ProcessorState> processors);

    /// Of a crash dump's header, which has the registers of the processor that crashed: the number of that one. Nothing
    /// where no processor's own record has the same.
    [[nodiscard]] std::optional<std::uint32_t> crashed_processor() const;

    /// What only the machine's memory tells of an image without a header is zero there, and `machine` is null where the
    /// container does not say it.
    [[nodiscard]] const Identity& identity() const override { return identity_; }
    /// One for the life of a dump. Memory that may be changing (shared with a running machine) is another with each
    /// question: nothing of it may be kept.
    [[nodiscard]] Epoch epoch() const override { return image_.changing ? ++epoch_ : epoch_; }
    memory::AddressSpace& memory() override;
    memory::PhysicalMemory& physical() override;
    std::unique_ptr<memory::AddressSpace> memory_for_thread() override;

    /// As the container states them; those of a crash dump's header, which are of the processor that crashed, as
    /// processor 0's, unless they are known to be another's. Kind `unsupported` where it does not: nt::Kernel knows
    /// NT's own records of them.
    Result<RegisterFile> registers(std::uint32_t processor) override;
    Result<ByteVector> special_registers(std::uint32_t processor) override;
    /// All processors' are the ones that `memory()` is seen through; the record of one that ran a process has others.
    Result<PageTables> page_tables(std::uint32_t processor) override;
    Result<VirtAddr> processor_block(std::uint32_t processor) override;
    [[nodiscard]] const dumps::TriageRecords* driver_records() const override {
        return image_.triage ? &*image_.triage : nullptr;
    }

  private:
    /// For images that hold none of the kind.
    struct NoPhysicalMemory final : memory::PhysicalMemory {
        memory::ReadResult read(PhysAddr /*address*/, MutableBytes out) override {
            return out.empty() ? memory::ReadResult{} : memory::ReadResult{0, GapReason::not_in_image};
        }
    };
    struct NoVirtualMemory final : memory::AddressSpace {
        explicit NoVirtualMemory(const Identity& identity) : owner(identity) {}
        memory::ReadResult read(VirtAddr /*address*/, MutableBytes out, Work* /*work*/) override {
            return out.empty() ? memory::ReadResult{} : memory::ReadResult{0, GapReason::unmapped};
        }
        [[nodiscard]] unsigned pointer_size() const override { return owner.machine ? owner.machine->pointer_size : 8; }
        const Identity& owner;
    };

    explicit DumpTarget(dumps::MemoryImage image) : image_(std::move(image)) {}
    Result<void> check_processor(std::uint32_t processor) const;

    dumps::MemoryImage image_;
    Identity identity_;
    mutable Epoch epoch_ = 1;
    NoPhysicalMemory no_physical_;
    NoVirtualMemory no_virtual_{identity_};
    PageTables tables_;
    memory::SoftwareEntry software_entry_ = nullptr;
    std::unique_ptr<memory::PagedSpace> paged_;
};

} // namespace poolkd::target
