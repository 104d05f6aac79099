#include "code/site_index.h"

#include "code/site_search.h"
#include "pe/exports.h"

#include <algorithm>

namespace poolkd::code {

namespace {

/// Names are copied into each site that needs them: a small image can ask for many of them. Longer exports have none.
constexpr std::size_t longest_export = 256; // characters

std::string plain_name(std::uint32_t rva) {
    return fmt::format("sub_{:x}", rva);
}

/// "report.cpp:12" of a full path.
std::string short_source(const symbols::SourceLine& line) {
    const std::size_t slash = line.file.find_last_of("/\\");
    return fmt::format("{}:{}", slash == std::string::npos ? line.file : line.file.substr(slash + 1), line.line);
}

void name_by_exports(SiteIndex& index, const pe::ExportTable& exports) {
    std::map<std::uint32_t, std::string> names; // of the functions that are named, which are few
    for (const PoolSite& site : index.sites) {
        names.try_emplace(site.function_rva);
        for (std::uint32_t rva : site.via_rvas)
            names.try_emplace(rva);
    }
    for (const pe::Export& entry : exports.all())
        if (auto wanted = entry.rva == 0 ? names.end() : names.find(entry.rva); wanted != names.end())
            if (wanted->second.empty() && entry.name.size() <= longest_export) wanted->second = entry.name;
    for (PoolSite& site : index.sites) {
        site.function = names.at(site.function_rva);
        site.via.clear();
        for (std::uint32_t rva : site.via_rvas) {
            const std::string& name = names.at(rva);
            site.via.push_back(name.empty() ? plain_name(rva) : name);
        }
    }
}

std::vector<ImageWord> words_of_sites(const std::vector<PoolSite>& sites, const FlatImage& image) {
    std::vector<ImageWord> out;
    for (const PoolSite& site : sites) {
        if (!out.empty() && out.back().rva == site.rva) continue; // several tags reach one call
        if (const auto word = load<std::uint32_t>(image.at(site.rva, 4), 0))
            out.push_back({site.rva, *word & unmoved_bits});
    }
    return out;
}

} // namespace

Result<SiteIndex> index_image(const SiteImage& image, Work& work) {
    POOLKD_TRY(pe::Image headers, pe::Image::open(*image.bytes, pe::ImageLayout::memory));
    const Machine* machine = find_machine(headers.machine);
    if (!machine)
        return fail(ErrorKind::unsupported, "Code for the machine {:#x} cannot be looked through", headers.machine);
    const pe::ExportTable exports = pe::ExportTable::read(headers).value_or(pe::ExportTable());
    SiteSearch search(image, headers, exports, *machine, work);
    SiteIndex index;
    index.sites = search.run();
    index.tag_words = search.tag_words();
    index.site_words = words_of_sites(index.sites, *image.bytes);
    index.code_bytes = search.code_bytes();
    index.coverage = image.bytes->coverage();
    index.coverage.merge(search.coverage());
    name_by_exports(index, exports);
    return index;
}

Result<SiteIndex> index_file(Bytes file, Work& work) {
    POOLKD_TRY(FlatImage bytes, FlatImage::of_file(file));
    POOLKD_TRY(pe::Image headers, pe::Image::open(bytes, pe::ImageLayout::memory));
    SiteImage image;
    image.bytes = &bytes;
    image.base = headers.preferred_base;
    return index_image(image, work);
}

void name_sites(SiteIndex& index, symbols::ModuleSymbols& symbols) {
    const bool exact = symbols.provenance() == symbols::Provenance::exports;
    std::map<std::uint32_t, std::string> names;
    auto name_of = [&](std::uint32_t rva) -> const std::string& {
        auto [at, is_new] = names.try_emplace(rva);
        if (is_new)
            // The export below an address may be of another function.
            if (auto symbol = symbols.nearest(rva);
                symbol && (!exact || (symbol->rva == rva && symbol->name.size() <= longest_export)))
                at->second = symbol->name;
        return at->second;
    };
    for (PoolSite& site : index.sites) {
        if (const std::string& name = name_of(site.function_rva); !name.empty()) site.function = name;
        if (auto line = symbols.line(site.rva)) site.source = short_source(*line);
        site.via.resize(site.via_rvas.size());
        for (std::size_t i = 0; i < site.via_rvas.size(); ++i)
            if (const std::string& name = name_of(site.via_rvas[i]); !name.empty()) site.via[i] = name;
    }
}

std::vector<const PoolSite*> sites_of_tag(const SiteIndex& index, PoolTag tag) {
    std::vector<const PoolSite*> out;
    for (const PoolSite& site : index.sites)
        if (site.tag && site.tag->bare() == tag.bare()) out.push_back(&site);
    return out;
}

} // namespace poolkd::code
