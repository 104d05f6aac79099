#include "symbols/type.h"

#include "base/text.h"

namespace poolkd::symbols {

const Field* StructLayout::find(std::string_view field) const {
    for (const Field& f : fields)
        if (f.name == field) return &f;
    for (const Field& f : fields)
        if (equals_ignore_case(f.name, field)) return &f;
    return nullptr;
}

} // namespace poolkd::symbols
