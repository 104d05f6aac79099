#include "code/unwinder.h"

namespace poolkd::code {

std::string_view to_words(UnwindMethod method) {
    switch (method) {
    case UnwindMethod::none: return "none";
    case UnwindMethod::unwind_info: return "unwind info";
    case UnwindMethod::prolog: return "prolog";
    case UnwindMethod::epilog: return "epilog";
    case UnwindMethod::leaf: return "leaf";
    case UnwindMethod::machine_frame: return "machine frame";
    case UnwindMethod::frame_record: return "frame record";
    case UnwindMethod::frame_pointer: return "frame pointer";
    case UnwindMethod::scan: return "scan";
    }
    return "none";
}

std::unique_ptr<Unwinder> make_unwinder(const UnwindEvidence& evidence, const Machine& machine) {
    if (&machine == &x64_machine()) return make_unwinder_x64(evidence);
    if (&machine == &x86_machine()) return make_unwinder_x86(evidence);
    return nullptr;
}

} // namespace poolkd::code
