// Any bytes as an image of memory, from the container to the kernel: page tables, KDBG, processors, modules, bug check.
#include "dumps/image.h"
#include "nt/bug_check.h"
#include "nt/find_kernel.h"
#include "nt/image_processors.h"

#include <cstdlib>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace poolkd;
    if (size > 1u << 18) return 0;
    const Bytes bytes = std::as_bytes(std::span(data, size));
    auto image = dumps::open_image(dumps::ImageFile::from_bytes({bytes.begin(), bytes.end()}, "fuzz.raw"));
    if (!image) return 0;
    auto target = target::DumpTarget::from_image(std::move(*image));
    if (!target) return 0;
    Work work;
    const auto place = nt::find_kernel(**target, work);
    if (!place) {
        if (place.error().message.empty()) std::abort();
        return 0;
    }
    (void)nt::adopt_processors(**target, *place);
    nt::Kernel kernel(**target, {});
    const auto modules = kernel.reload();
    if (modules.value == 0 || modules.value > 0x4001) std::abort(); // of a small dump's list; others have fewer
    for (const auto& module : kernel.modules().loaded())
        (void)kernel.modules().at(module->base + 0x1000).text();
    (void)nt::read_bug_check(kernel);
    (void)(*target)->registers(0);
    return 0;
}
