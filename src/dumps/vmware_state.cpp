#include "dumps/vmware_state.h"

#include <algorithm>

namespace poolkd::dumps {

namespace {

constexpr std::uint32_t vmware_magics[] = {0xbed2bed0, 0xbed2bed2, 0xbed3bed3, 0xbad1bad1};
constexpr std::size_t group_list = 12, group_bytes = 80, group_name_bytes = 64;
constexpr std::uint32_t most_groups = 4096;

std::string text_at(Bytes bytes, std::size_t offset, std::size_t limit) {
    std::string text;
    for (std::size_t i = 0; i < limit && offset + i < bytes.size(); ++i) {
        const char c = static_cast<char>(bytes[offset + i]);
        if (c == 0) break;
        text += c;
    }
    return text;
}

} // namespace

bool has_vmware_signature(Bytes bytes) {
    return std::ranges::find(vmware_magics, load_or<std::uint32_t>(bytes, 0)) != std::end(vmware_magics);
}

Result<VmwareState> VmwareState::read(Bytes file) {
    if (!has_vmware_signature(file)) return fail(ErrorKind::malformed, "it does not begin as a VMware state file");
    VmwareState state;
    state.file_ = file;
    state.wide_ = (load_or<std::uint32_t>(file, 0) & 0xf) != 0;
    const auto count = load_or<std::uint32_t>(file, 8);
    if (count > most_groups) return fail(ErrorKind::malformed, "the VMware state file has {} groups", count);
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::size_t at = group_list + i * group_bytes;
        if (at + group_bytes > file.size())
            return fail(ErrorKind::malformed, "the VMware state file ends in its list of groups");
        state.groups_.push_back({text_at(file, at, group_name_bytes),
                                 load_or<std::uint64_t>(file, at + group_name_bytes),
                                 load_or<std::uint64_t>(file, at + group_name_bytes + 8)});
    }
    return state;
}

std::vector<VmwareTag> VmwareState::tags(std::string_view group, bool& cut) const {
    std::vector<VmwareTag> tags;
    const auto found = std::ranges::find(groups_, group, &VmwareGroup::name);
    if (found == groups_.end()) return tags;
    if (found->offset >= file_.size()) {
        cut = true;
        return tags;
    }
    const Bytes bytes =
        file_.subspan(found->offset, std::min<std::uint64_t>(found->bytes, file_.size() - found->offset));
    std::uint64_t at = 0;
    while (at + 2 <= bytes.size()) {
        const auto flags = load_or<std::uint8_t>(bytes, at), name_bytes = load_or<std::uint8_t>(bytes, at + 1);
        if (flags == 0 && name_bytes == 0) return tags;
        VmwareTag tag;
        tag.name = text_at(bytes, at + 2, name_bytes);
        at += 2u + name_bytes;
        for (unsigned i = 0; i < ((flags >> 6) & 3u); ++i, at += 4)
            tag.indices.push_back(load_or<std::uint32_t>(bytes, at));
        std::uint64_t size = flags & 0x3f;
        if (size >= 62) { // a long value: two lengths (in the file, unpacked), two bytes of padding
            const unsigned width = wide_ ? 8 : 4;
            size = load_unsigned(bytes, at, width).value_or(~0ull);
            at += 2 * width + 2;
        }
        if (at > bytes.size() || size > bytes.size() - at || tags.size() == most_tags) break;
        tag.value = bytes.subspan(at, size);
        at += size;
        tags.push_back(std::move(tag));
    }
    cut = true;
    return tags;
}

} // namespace poolkd::dumps
