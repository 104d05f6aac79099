#include "code/unwind_info.h"

namespace poolkd::code {

namespace {

constexpr std::size_t header_bytes = 4;

struct Slots {
    Bytes bytes;
    std::size_t count;

    [[nodiscard]] std::uint8_t offset(std::size_t i) const { return load_or<std::uint8_t>(bytes, 2 * i); }
    [[nodiscard]] std::uint8_t op(std::size_t i) const { return load_or<std::uint8_t>(bytes, 2 * i + 1) & 15; }
    [[nodiscard]] std::uint8_t info(std::size_t i) const {
        return static_cast<std::uint8_t>(load_or<std::uint8_t>(bytes, 2 * i + 1) >> 4);
    }
    [[nodiscard]] std::uint32_t word(std::size_t i) const { return load_or<std::uint16_t>(bytes, 2 * i); }
    [[nodiscard]] std::uint32_t dword(std::size_t i) const { return word(i) | word(i + 1) << 16; }
};

/// How many 2-byte slots a code takes, by version; 0 for an operation that does not exist.
std::size_t slots_of(UnwindOp op, std::uint8_t info, std::uint8_t version) {
    switch (op) {
    case UnwindOp::push_nonvol:
    case UnwindOp::alloc_small:
    case UnwindOp::set_fpreg:
    case UnwindOp::push_machframe: return 1;
    case UnwindOp::alloc_large: return info == 0 ? 2 : 3;
    case UnwindOp::save_nonvol:
    case UnwindOp::save_xmm128: return 2;
    case UnwindOp::save_nonvol_far:
    case UnwindOp::save_xmm128_far: return 3;
    case UnwindOp::epilog: return version == 1 ? 2 : 1;
    case UnwindOp::spare: return 3;
    }
    return 0;
}

Result<UnwindCode> decode_code(const Slots& slots, std::size_t i, UnwindOp op) {
    UnwindCode code{op, slots.offset(i), slots.info(i), 0};
    switch (op) {
    case UnwindOp::alloc_large:
        if (code.info > 1)
            return fail(ErrorKind::malformed, "Unwind code ALLOC_LARGE has the unknown form {}", code.info);
        code.operand = code.info == 0 ? slots.word(i + 1) * 8 : slots.dword(i + 1);
        break;
    case UnwindOp::alloc_small: code.operand = code.info * 8u + 8u; break;
    case UnwindOp::save_nonvol: code.operand = slots.word(i + 1) * 8; break;
    case UnwindOp::save_xmm128: code.operand = slots.word(i + 1) * 16; break;
    case UnwindOp::save_nonvol_far:
    case UnwindOp::save_xmm128_far: code.operand = slots.dword(i + 1); break;
    case UnwindOp::push_machframe:
        if (code.info > 1)
            return fail(ErrorKind::malformed, "Unwind code PUSH_MACHFRAME has the unknown form {}", code.info);
        break;
    default: break;
    }
    return code;
}

/// The codes of version 2 that come before all others: the first gives the size and whether one epilog ends the
/// function, the rest a distance of 12 bits each, zero for filling.
std::size_t parse_epilogs(const Slots& slots, Epilogs& out) {
    std::size_t i = 0;
    for (; i < slots.count && static_cast<UnwindOp>(slots.op(i)) == UnwindOp::epilog; ++i) {
        if (i == 0) {
            out.size = slots.offset(0);
            if (slots.info(0) & 1) out.from_end.push_back(out.size);
        } else if (std::uint32_t distance = slots.offset(i) | static_cast<std::uint32_t>(slots.info(i)) << 8) {
            out.from_end.push_back(distance);
        }
    }
    return i;
}

} // namespace

std::string_view to_words(UnwindOp op) {
    switch (op) {
    case UnwindOp::push_nonvol: return "PUSH_NONVOL";
    case UnwindOp::alloc_large: return "ALLOC_LARGE";
    case UnwindOp::alloc_small: return "ALLOC_SMALL";
    case UnwindOp::set_fpreg: return "SET_FPREG";
    case UnwindOp::save_nonvol: return "SAVE_NONVOL";
    case UnwindOp::save_nonvol_far: return "SAVE_NONVOL_FAR";
    case UnwindOp::epilog: return "EPILOG";
    case UnwindOp::spare: return "SPARE";
    case UnwindOp::save_xmm128: return "SAVE_XMM128";
    case UnwindOp::save_xmm128_far: return "SAVE_XMM128_FAR";
    case UnwindOp::push_machframe: return "PUSH_MACHFRAME";
    }
    return "unknown";
}

std::optional<RuntimeFunction> parse_runtime_function(Bytes bytes) {
    if (bytes.size() < runtime_function_bytes) return std::nullopt;
    return RuntimeFunction{load_or<std::uint32_t>(bytes, 0), load_or<std::uint32_t>(bytes, 4),
                           load_or<std::uint32_t>(bytes, 8)};
}

std::size_t UnwindInfo::size_of(Bytes head) {
    std::size_t slots = load_or<std::uint8_t>(head, 2);
    auto record_flags = static_cast<std::uint8_t>(load_or<std::uint8_t>(head, 0) >> 3);
    std::size_t size = header_bytes + 2 * ((slots + 1) & ~std::size_t{1}); // slots are filled up to an even number
    if (record_flags & flag_chained) return size + runtime_function_bytes;
    return record_flags & (flag_exception_handler | flag_unwind_handler) ? size + 4 : size;
}

Result<UnwindInfo> parse_unwind_info(Bytes bytes) {
    if (bytes.size() < header_bytes || bytes.size() < UnwindInfo::size_of(bytes))
        return fail(ErrorKind::malformed, "The unwind record is cut off");
    UnwindInfo out;
    auto first = load_or<std::uint8_t>(bytes, 0);
    out.version = first & 7;
    out.flags = static_cast<std::uint8_t>(first >> 3);
    if (out.version != 1 && out.version != 2)
        return fail(ErrorKind::unsupported, "The unwind record has version {}; 1 and 2 are known", out.version);
    out.prolog_size = load_or<std::uint8_t>(bytes, 1);
    std::size_t count = load_or<std::uint8_t>(bytes, 2);
    auto frame = load_or<std::uint8_t>(bytes, 3);
    out.frame_register = frame & 15;
    out.frame_offset = static_cast<std::uint32_t>(frame >> 4) * 16;

    Slots slots{bytes.subspan(header_bytes, 2 * count), count};
    std::size_t i = 0;
    if (out.version == 2) {
        Epilogs epilogs;
        i = parse_epilogs(slots, epilogs);
        // Without a word on epilogs the function has none (it ends in a call that does not return).
        out.epilogs = std::move(epilogs);
    }
    while (i < count) {
        auto op = static_cast<UnwindOp>(slots.op(i));
        std::size_t size = slots_of(op, slots.info(i), out.version);
        if (size == 0) return fail(ErrorKind::malformed, "Unwind code {} does not exist", slots.op(i));
        if (i + size > count) return fail(ErrorKind::malformed, "Unwind code {} is cut off", to_words(op));
        if (op == UnwindOp::set_fpreg && out.frame_register == 0)
            return fail(ErrorKind::malformed, "Unwind code SET_FPREG without a frame register");
        // The abandoned SAVE_XMM codes and stray EPILOG codes move nothing that we follow.
        if (op != UnwindOp::epilog && op != UnwindOp::spare) {
            POOLKD_TRY(UnwindCode code, decode_code(slots, i, op));
            out.codes.push_back(code);
        }
        i += size;
    }
    std::size_t tail = header_bytes + 2 * ((count + 1) & ~std::size_t{1});
    if (out.flags & UnwindInfo::flag_chained)
        out.chained = parse_runtime_function(bytes.subspan(tail));
    else if (out.flags & (UnwindInfo::flag_exception_handler | UnwindInfo::flag_unwind_handler))
        out.handler = load_or<std::uint32_t>(bytes, tail);
    return out;
}

} // namespace poolkd::code
