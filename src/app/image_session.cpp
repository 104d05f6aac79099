#include "app/image_session.h"

#include "app/lab_images.h"
#include "commands/general.h"
#include "nt/image_processors.h"
#include "nt/open_image.h"
#include "pe/debug_directory.h"

namespace poolkd::app {

namespace {

std::string records_text(const target::DumpTarget& target, std::size_t records) {
    if (records == 0) return {};
    return fmt::format(
        "Registers of {} of {} processors are from the kernel's own records: where each was last stopped.\n", records,
        target.identity().processors);
}

/// What the container says, in the words of kd's banner where it has them.
std::string image_text(const nt::OpenedImage& opened) {
    const target::DumpTarget& target = *opened.target;
    const dumps::MemoryImage& image = target.image();
    std::string text = fmt::format("\nLoading Dump File [{}]\n{}\n", image.file->path(), image.facts.container);
    if (!image.facts.comment.empty()) text += fmt::format("Comment: '{}'\n", image.facts.comment);
    for (const std::string& remark : image.facts.remarks)
        text += remark + "\n";
    if (!image.coverage.complete()) text += image.coverage.sentence() + "\n";
    if (image.changing)
        text += "The file may be changing, as the memory of a machine that runs does: nothing of it is kept.\n";
    const auto& processors = image.facts.processors;
    if (!image.facts.context.empty() && (processors.empty() || processors.front().context.empty()) &&
        target.identity().processors > 1)
        text += fmt::format("The header has the registers of one of {} processors; they are shown as processor 0's.\n",
                            target.identity().processors);
    if (opened.low_memory_end != 0)
        text += fmt::format("The file is taken for the RAM of a virtual machine whose low part ends at {:#x}; what is "
                            "behind it in the file lies from 4 GiB on.\n",
                            opened.low_memory_end);
    text += fmt::format("The kernel was found by {}.\n", opened.kernel.found_by);
    text += records_text(target, opened.processor_records);
    if (image.facts.bug_check && image.facts.bug_check->code != 0) {
        const auto& [code, p] = *image.facts.bug_check;
        text += fmt::format("BugCheck {:X}, {{{:x}, {:x}, {:x}, {:x}}}\n", code, p[0], p[1], p[2], p[3]);
    }
    return text;
}

/// The symbols of a practice kernel are where its images are; nobody has to name them.
void find_lab_symbols(debugger::Session& session) {
    auto image = pe::Image::open(*session.kernel().modules().kernel().image, pe::ImageLayout::memory);
    if (!image) return;
    auto reference = pe::find_pdb_reference(*image);
    if (!reference || !*reference) return;
    if (const auto build = find_lab_build((*reference)->identity))
        session.symbol_service().append_path(build->string());
}

} // namespace

Result<void> open_image_session(debugger::Session& session, const Options& options) {
    POOLKD_TRY(nt::OpenedImage opened, nt::open_image(*options.image, session.work()));
    if (!options.quiet) session.tell(image_text(opened));
    target::DumpTarget& target = *opened.target;
    session.attach(std::make_unique<debugger::Debuggee>(std::move(opened.target), session.symbol_service().loader(),
                                                        control::Journal::default_directory()));
    session.sites().use_cache(code::SiteCache::of_process());
    if (!options.symbol_path) find_lab_symbols(session); // else the user has said where symbols are
    if (!options.quiet)
        session.tell(fmt::format("Symbol search path is: {}\n", session.symbol_service().path().text()));
    const auto modules = session.kernel().reload();
    const std::size_t later = nt::adopt_decoded_processors(target, opened.kernel, session.kernel());
    if (!options.quiet) session.tell(records_text(target, later));
    if (const auto crashed = target.crashed_processor()) session.set_processor(*crashed);
    if (!modules.coverage.complete())
        session.tell(fmt::format("The module list is incomplete. {}\n", modules.coverage.sentence()));
    if (!options.quiet) session.tell(commands::target_text(session));
    session.note_stop();
    return {};
}

} // namespace poolkd::app
