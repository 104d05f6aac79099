// VMware: memory in a .vmem, and beside it, under the same name, a .vmss or .vmsn that tells how the memory is laid
// out.
#include "base/text.h"
#include "dumps/format.h"
#include "dumps/raw.h"
#include "dumps/vmware_state.h"

#include <filesystem>
#include <map>

namespace poolkd::dumps {

namespace {

constexpr std::uint64_t vmware_page = 4096;
constexpr std::uint64_t most_tag_bytes = 16u << 20; // old products keep the memory itself in this group

std::shared_ptr<const ImageFile> open_beside(const FormatInput& input, std::string_view extension) {
    auto path = std::filesystem::path(input.file->path()).replace_extension(extension);
    auto file = ImageFile::open(path.string());
    return file && (*file)->size() ? *file : nullptr;
}

bool has_vmem_name(const FormatInput& input) {
    return equals_ignore_case(std::filesystem::path(input.file->path()).extension().string(), ".vmem");
}

std::uint64_t tag_value(const VmwareTag& tag) {
    return load_unsigned(tag.value, 0, tag.value.size()).value_or(0);
}

/// Regions in pages; none when the file's offsets are addresses.
std::vector<Run<PhysAddr>> vmware_runs(const VmwareState& state, MemoryImage& image) {
    struct Region {
        std::uint64_t address = 0, place = 0, pages = 0;
    };
    std::map<std::uint32_t, Region> regions;
    bool cut = false;
    for (const VmwareTag& tag : state.tags("memory", cut)) {
        if (tag.indices.size() != 1) continue;
        if (tag.name == "regionPPN") regions[tag.indices[0]].address = tag_value(tag);
        if (tag.name == "regionPageNum") regions[tag.indices[0]].place = tag_value(tag);
        if (tag.name == "regionSize") regions[tag.indices[0]].pages = tag_value(tag);
    }
    if (cut) {
        image.facts.remarks.emplace_back("The state file ends inside its description of the memory.");
        image.coverage.limit_reached = true;
    }
    std::vector<Run<PhysAddr>> runs;
    constexpr std::uint64_t most = 1ull << 40;
    for (const auto& [index, region] : regions) {
        if (region.pages == 0) continue;
        if (region.address >= most || region.place >= most || region.pages >= most) {
            image.facts.remarks.push_back(fmt::format("Region {} of the state file is at an impossible place.", index));
            image.coverage.limit_reached = true;
            continue;
        }
        runs.push_back({PhysAddr(region.address * vmware_page), region.pages * vmware_page,
                        FileOffset(region.place * vmware_page)});
    }
    return runs;
}

/// Control registers, by the names that other readers of these files use (CR64 with the numbers of processor and
/// register, CR in 32-bit machines); not confirmed by a file here, so a root that is absent is no surprise.
void read_vmware_processors(const VmwareState& state, ImageFacts& facts) {
    bool cut = false;
    for (const VmwareTag& tag : state.tags("cpu", cut)) {
        const bool is_64 = tag.name == "CR64";
        if ((!is_64 && tag.name != "CR") || tag.indices.size() != 2 || tag.indices[0] != 0) continue;
        const std::uint64_t value = tag_value(tag);
        if (tag.indices[1] == 3 && !facts.directory_table_base && value != 0) {
            facts.machine = is_64 ? &x64_machine() : &x86_machine();
            facts.directory_table_base = value;
        }
        constexpr std::uint64_t pae = 0x20;
        if (tag.indices[1] == 4 && !is_64) facts.pae = (value & pae) != 0;
    }
}

Result<MemoryImage> open_vmware(const FormatInput& input) {
    const bool given_state = has_vmware_signature(input.bytes());
    auto memory = given_state ? open_beside(input, ".vmem") : input.file;
    auto state_file = given_state ? input.file : open_beside(input, ".vmss");
    if (!state_file || !has_vmware_signature(state_file->bytes())) state_file = open_beside(input, ".vmsn");
    MemoryImage image;
    std::vector<Run<PhysAddr>> runs;
    if (state_file && has_vmware_signature(state_file->bytes())) {
        POOLKD_TRY(const VmwareState state, VmwareState::read(state_file->bytes()));
        for (const VmwareGroup& group : state.groups())
            if (group.name == "memory" && group.bytes > most_tag_bytes && !memory)
                return fail(ErrorKind::unsupported, "this state file has the memory inside, as old products write it; "
                                                    "convert it with VMware's vmss2core (`vmss2core -W`)");
        if (!memory)
            return fail(ErrorKind::not_found, "the memory of this state should be beside it, as {}",
                        std::filesystem::path(input.file->path()).filename().replace_extension(".vmem").string());
        runs = vmware_runs(state, image);
        read_vmware_processors(state, image.facts);
        image.facts.container = "VMware memory with its state file";
    } else {
        image.facts.container = "VMware memory";
        image.assumed_offsets = input.options.low_memory_end == 0;
        if (image.assumed_offsets)
            image.facts.remarks.emplace_back("Without its .vmss or .vmsn under the same name, memory above 3 GB is "
                                             "taken for what it may not be.");
    }
    if (runs.empty()) runs = raw_runs(memory->size(), input.options.low_memory_end);
    image.file = memory;
    image.changing = memory->may_have_writers();
    image.physical =
        std::make_unique<ImageMemory>(memory, std::make_unique<RunTable<PhysAddr>>(RunTable<PhysAddr>::build(
                                                  std::move(runs), memory->size(), image.coverage)));
    return image;
}

} // namespace

constinit const Format vmware_format{
    "VMware", [](const FormatInput& input) { return has_vmware_signature(input.bytes()) || has_vmem_name(input); },
    open_vmware};

} // namespace poolkd::dumps
