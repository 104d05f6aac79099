#pragma once

#include <cstdint>

namespace poolkd::symbols {

/// Kinds of CodeView's symbol records: cvinfo.h, as published with the vendor's microsoft-pdb repository.
enum : std::uint16_t {
    s_end = 0x0006,
    s_frameproc = 0x1012,
    s_thunk32 = 0x1102,
    s_block32 = 0x1103,
    s_register = 0x1106,
    s_udt = 0x1108,
    s_bprel32 = 0x110b,
    s_ldata32 = 0x110c,
    s_gdata32 = 0x110d,
    s_pub32 = 0x110e,
    s_lproc32 = 0x110f,
    s_gproc32 = 0x1110,
    s_regrel32 = 0x1111,
    s_procref = 0x1125,
    s_dataref = 0x1126,
    s_lprocref = 0x1127,
    s_local = 0x113e,
    s_defrange_register = 0x1141,
    s_defrange_framepointer_rel = 0x1142,
    s_defrange_framepointer_rel_full_scope = 0x1144,
    s_defrange_register_rel = 0x1145,
    s_lproc32_id = 0x1146,
    s_gproc32_id = 0x1147,
    s_inlinesite = 0x114d,
    s_inlinesite_end = 0x114e,
    s_proc_id_end = 0x114f,
    s_lproc32_dpc = 0x1155,
    s_lproc32_dpc_id = 0x1156,
    s_inlinesite2 = 0x115d,
};

} // namespace poolkd::symbols
