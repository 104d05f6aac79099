#pragma once

#include "hunt/attribute.h"

#include <gmock/gmock.h>

/// Made evidence on one tag, 'Leak' in nonpaged pool, of modules of 64 KB each.
namespace poolkd::hunt {

struct ClueBench {
    static constexpr PoolTag tag = PoolTag(0x6b61654c); // "Leak"
    std::vector<ClueModule> modules;
    std::vector<std::shared_ptr<code::SiteIndex>> indexes;
    std::optional<TraceReport> trace;
    std::optional<BlockClues> blocks;
    Layer layer;
    std::optional<double> freed_share;
    CallTargets call_targets;

    ClueBench() { add_module("nt", true); }

    std::size_t add_module(const std::string& name, bool kernel = false) {
        auto index = std::make_shared<code::SiteIndex>();
        modules.push_back({name, kernel ? "ntoskrnl.exe" : name + ".sys",
                           VirtAddr(0xfffff80000000000 + (modules.size() << 16)), 0x10000, kernel, false, index});
        indexes.push_back(index);
        return modules.size() - 1;
    }
    std::size_t add_unloaded(const std::string& image) {
        modules.push_back(
            {image, image, VirtAddr(0xfffff80000000000 + (modules.size() << 16)), 0x10000, false, true, nullptr});
        indexes.push_back(nullptr);
        return modules.size() - 1;
    }
    code::PoolSite& add_site(std::size_t module, std::uint32_t rva, const std::string& function,
                             std::optional<std::uint64_t> size = std::nullopt) {
        code::PoolSite site;
        site.rva = rva;
        site.return_rva = rva + 5;
        site.function_rva = rva & ~0xffu;
        site.function = function;
        site.api = "ExAllocatePoolWithTag";
        site.tag = tag;
        site.tag_source = code::TagSource::constant;
        site.size = size;
        site.paged = false;
        indexes[module]->sites.push_back(site);
        return indexes[module]->sites.back();
    }
    void add_release(std::size_t module, std::uint32_t rva, const std::string& function) {
        add_site(module, rva, function).kind = code::SiteKind::release;
    }
    /// A stack from the allocator outwards: each frame is a module and the RVA that it returns to.
    TraceStack& add_stack(std::vector<std::pair<std::size_t, std::uint32_t>> frames, std::uint64_t allocations,
                          std::uint64_t outstanding, std::uint64_t early) {
        if (!trace) trace.emplace();
        TraceStack stack;
        stack.kind = HitKind::allocation;
        stack.frames.push_back({modules[0].base + 0x500, "nt!ExAllocatePoolWithTag+0x40", "nt", "", true});
        for (auto [module, rva] : frames)
            stack.frames.push_back({modules[module].base + rva,
                                    fmt::format("{}!Function{:x}+0x5", modules[module].name, rva), modules[module].name,
                                    "", false});
        stack.caller = 1;
        stack.allocations = allocations;
        stack.outstanding = outstanding;
        stack.outstanding_bytes = outstanding * 64;
        stack.early = early;
        trace->stacks.push_back(stack);
        return trace->stacks.back();
    }
    void add_blocks(std::uint64_t size, std::uint64_t count) {
        if (!blocks) blocks.emplace();
        blocks->looked = true;
        blocks->sizes.push_back({size, count});
        blocks->found += count;
    }
    [[nodiscard]] Suspect judge() const {
        Suspect suspect;
        attribute({.key = {tag, PoolKind::nonpaged},
                   .modules = modules,
                   .trace = trace ? &*trace : nullptr,
                   .blocks = blocks ? &*blocks : nullptr,
                   .layer = layer,
                   .freed_share = freed_share,
                   .call_targets = &call_targets},
                  suspect);
        return suspect;
    }
};

/// The functions that are said to leak.
inline std::vector<std::string> accused(const Suspect& suspect) {
    std::vector<std::string> names;
    for (const SuspectSite& site : suspect.sites)
        if (site.accused()) names.push_back(site.site.function);
    return names;
}

} // namespace poolkd::hunt
