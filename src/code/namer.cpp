#include "code/namer.h"

namespace poolkd::code {

AddressNamer namer_of(nt::Kernel& kernel) {
    return [&kernel](VirtAddr address) { return kernel.modules().at(address).text(); };
}

} // namespace poolkd::code
