#include "symbols/pdb/parameters.h"

#include "symbols/pdb/record.h"
#include "symbols/pdb/record_numbers.h"

#include <array>

namespace poolkd::symbols {

namespace {

constexpr std::uint16_t local_is_parameter = 1;

/// CodeView's numbers of general registers (CV_HREG_e): the same for both machines up to 24.
std::string_view code_view_register(std::uint16_t number) {
    constexpr std::array<std::string_view, 25> legacy{"",    "al",  "cl",  "dl",  "bl",  "ah",  "ch", "dh", "bh",
                                                      "ax",  "cx",  "dx",  "bx",  "sp",  "bp",  "si", "di", "eax",
                                                      "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    constexpr std::array<std::string_view, 44> wide{
        "sil",  "dil",  "bpl",  "spl",  "rax",  "rbx",  "rcx",  "rdx",  "rsi",  "rdi",  "rbp",
        "rsp",  "r8",   "r9",   "r10",  "r11",  "r12",  "r13",  "r14",  "r15",  "r8b",  "r9b",
        "r10b", "r11b", "r12b", "r13b", "r14b", "r15b", "r8w",  "r9w",  "r10w", "r11w", "r12w",
        "r13w", "r14w", "r15w", "r8d",  "r9d",  "r10d", "r11d", "r12d", "r13d", "r14d", "r15d"};
    constexpr std::uint16_t first_wide = 324, virtual_frame = 30006;
    if (number < legacy.size()) return legacy[number];
    if (number >= first_wide && number - first_wide < static_cast<int>(wide.size())) return wide[number - first_wide];
    return number == virtual_frame ? VariableHome::virtual_frame : std::string_view();
}

/// S_FRAMEPROC encodes which register parameters are addressed by.
std::string_view frame_register(unsigned code, bool is_x64) {
    constexpr std::array<std::string_view, 4> x64{"", "rsp", "rbp", "r13"};
    constexpr std::array<std::string_view, 4> x86{"", VariableHome::virtual_frame, "ebp", "ebx"};
    return is_x64 ? x64[code & 3] : x86[code & 3];
}

class Reader {
  public:
    Reader(SegmentOffset place, std::size_t declared, bool is_x64)
        : place_(place), declared_(declared), is_x64_(is_x64) {}

    void begin(Bytes procedure) {
        const auto start = load_or<std::uint32_t>(procedure, 32);
        const auto body = load_or<std::uint32_t>(procedure, 20);
        // Before the prolog is over, parameters are not yet where records without ranges say.
        in_body_ = place_.offset - start >= body;
    }

    void record(std::uint16_t kind, Bytes bytes) {
        switch (kind) {
        case s_frameproc: frame_ = frame_register(load_or<std::uint32_t>(bytes, 26) >> 16, is_x64_); break;
        case s_bprel32:
            old_style(bytes, 8, 12, memory(is_x64_ ? "rbp" : "ebp", load_or<std::int32_t>(bytes, 4)));
            break;
        case s_regrel32:
            old_style(bytes, 8, 14,
                      memory(code_view_register(load_or<std::uint16_t>(bytes, 12)), load_or<std::int32_t>(bytes, 4)));
            break;
        case s_register:
            old_style(bytes, 4, 10, in_register(code_view_register(load_or<std::uint16_t>(bytes, 8))));
            break;
        case s_local: local(bytes); break;
        case s_defrange_register:
            if (covers(bytes, 8)) settle(in_register(code_view_register(load_or<std::uint16_t>(bytes, 4))));
            break;
        case s_defrange_framepointer_rel:
            if (covers(bytes, 8)) settle(memory(frame_, load_or<std::int32_t>(bytes, 4)));
            break;
        case s_defrange_framepointer_rel_full_scope:
            if (in_body_) settle(memory(frame_, load_or<std::int32_t>(bytes, 4)));
            break;
        case s_defrange_register_rel:
            // The upper bits of the flags place a piece of a structure: not the variable as a whole.
            if (covers(bytes, 12) && load_or<std::uint16_t>(bytes, 6) >> 4 == 0)
                settle(memory(code_view_register(load_or<std::uint16_t>(bytes, 4)), load_or<std::int32_t>(bytes, 8)));
            break;
        default: break;
        }
    }

    std::vector<ParameterRecord> take() { return std::move(found_); }

  private:
    static std::optional<VariableHome> memory(std::string_view reg, std::int32_t offset) {
        if (reg.empty()) return std::nullopt;
        return VariableHome{true, reg, offset};
    }
    static std::optional<VariableHome> in_register(std::string_view reg) {
        if (reg.empty()) return std::nullopt;
        return VariableHome{false, reg, 0};
    }

    void old_style(Bytes bytes, std::size_t type_at, std::size_t name_at, std::optional<VariableHome> home) {
        current_is_parameter_ = false;
        if (found_.size() >= declared_) return;
        found_.push_back({std::string(text_at(bytes, name_at)), load_or<std::uint32_t>(bytes, type_at),
                          in_body_ ? home : std::nullopt});
    }

    void local(Bytes bytes) {
        current_is_parameter_ = (load_or<std::uint16_t>(bytes, 8) & local_is_parameter) != 0;
        if (current_is_parameter_)
            found_.push_back({std::string(text_at(bytes, 10)), load_or<std::uint32_t>(bytes, 4), std::nullopt});
    }

    void settle(std::optional<VariableHome> home) {
        if (current_is_parameter_ && !found_.back().home) found_.back().home = home;
    }

    /// The range at `offset` in a record holds the place: start, section, length, then gaps to the record's end.
    [[nodiscard]] bool covers(Bytes bytes, std::size_t offset) const {
        if (bytes.size() < offset + 8 || load_or<std::uint16_t>(bytes, offset + 4) != place_.segment) return false;
        const std::uint32_t into = place_.offset - load_or<std::uint32_t>(bytes, offset);
        if (into >= load_or<std::uint16_t>(bytes, offset + 6)) return false;
        for (std::size_t gap = offset + 8; gap + 4 <= bytes.size(); gap += 4)
            if (into - load_or<std::uint16_t>(bytes, gap) < load_or<std::uint16_t>(bytes, gap + 2)) return false;
        return true;
    }

    SegmentOffset place_;
    std::size_t declared_;
    bool is_x64_;
    bool in_body_ = false;
    bool current_is_parameter_ = false; ///< whose ranges follow
    std::string_view frame_;
    std::vector<ParameterRecord> found_;
};

} // namespace

std::vector<ParameterRecord> read_parameters(const PdbStream& symbols, std::uint32_t end, std::uint32_t procedure,
                                             SegmentOffset place, std::size_t declared, std::uint16_t image_machine) {
    constexpr std::uint16_t amd64 = 0x8664;
    Reader reader(place, declared, image_machine == amd64);
    ByteVector scratch;
    Bytes record = symbols.record(procedure, scratch);
    reader.begin(record);
    unsigned depth = 0; // of blocks and inlined functions: their variables are not the procedure's parameters
    for (std::uint64_t at = procedure; !record.empty() && at + record.size() < end;) {
        at += record.size();
        record = symbols.record(at, scratch);
        const auto kind = load_or<std::uint16_t>(record, 2);
        switch (kind) {
        case s_thunk32:
        case s_block32:
        case s_inlinesite:
        case s_inlinesite2: ++depth; break;
        case s_end:
        case s_inlinesite_end:
        case s_proc_id_end:
            if (depth == 0) return reader.take();
            --depth;
            break;
        default:
            if (depth == 0) reader.record(kind, record);
        }
    }
    return reader.take();
}

} // namespace poolkd::symbols
