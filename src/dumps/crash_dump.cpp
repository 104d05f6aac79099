// Microsoft crash dumps (`PAGEDUMP`, `PAGEDU64`): the header, and which kind of body follows it.
#include "dumps/crash_body.h"
#include "dumps/format.h"

namespace poolkd::dumps {

namespace {

constexpr std::uint32_t body_summary = 0x504d4453; // "SDMP"
constexpr std::uint32_t body_full = 0x504d4446;    // "FDMP"
constexpr std::uint32_t body_ranges = 0x504d4452;  // "RDMP", behind a marker of 4 bytes

struct Body {
    std::string_view name;
    PhysicalPlacement (*place)(const CrashHeader&, Bytes, MemoryImage&);
};

/// By the signature of the body where it has one: the type of the header is a hint only, and new ones appear.
Result<Body> choose_body(const CrashHeader& header, Bytes file) {
    const auto signature = load_or<std::uint32_t>(file, header.size, 0);
    if (signature == body_summary || signature == body_full) {
        if (header.type == DumpType::summary) return Body{"kernel dump (summary)", place_summary};
        if (header.type == DumpType::bitmap_full) return Body{"complete dump with a bitmap", place_bitmap};
        return Body{"kernel dump with a bitmap", place_bitmap};
    }
    if (load<std::uint32_t>(file, header.size + 4) == body_ranges) return Body{"range dump", place_ranges};
    switch (header.type) {
    case DumpType::full: return Body{"complete dump", place_header_runs};
    case DumpType::header: return Body{"dump of a header alone", nullptr};
    case DumpType::triage: return Body{"triage dump (small memory dump)", nullptr};
    default:
        return fail(ErrorKind::malformed, "a crash dump of type {} whose memory has no known signature ({:#x})",
                    static_cast<std::uint32_t>(header.type), signature);
    }
}

Result<MemoryImage> open_crash_dump(const FormatInput& input) {
    POOLKD_TRY(CrashHeader header, read_crash_header(input.bytes()));
    if (header.encrypted)
        return fail(ErrorKind::unsupported, "the memory in this crash dump is encrypted: decrypt it first, with the "
                                            "private key of the certificate that the machine was given");
    POOLKD_TRY(const Body body, choose_body(header, input.bytes()));
    MemoryImage image;
    image.file = input.file;
    image.facts = header.facts;
    image.facts.container = fmt::format("{}-bit {}", header.is_64 ? 64 : 32, body.name);
    if (header.expected_short)
        image.facts.remarks.emplace_back("The disk had no room for the whole dump when it was written.");
    if (header.type == DumpType::triage) {
        POOLKD_CHECK(read_triage(header, input.bytes(), image));
    } else if (body.place) {
        POOLKD_TRY(auto placement, body.place(header, input.bytes(), image));
        image.physical = std::make_unique<ImageMemory>(input.file, std::move(placement));
    }
    return image;
}

} // namespace

constinit const Format crash_dump_format{"Microsoft crash dump",
                                         [](const FormatInput& input) { return has_crash_signature(input.bytes()); },
                                         open_crash_dump};

} // namespace poolkd::dumps
