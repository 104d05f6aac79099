#include "code/stack_names.h"
#include "hunt/trace_frames.h"
#include "hunt/trace_run.h"
#include "nt/processes.h"

#include <algorithm>

/// What the tracer makes of one stop. Requests over the link are counted here: the registers, one read of the stack,
/// a block's header; everything else comes from what is kept.
namespace poolkd::hunt {

namespace {

constexpr std::size_t most_freed_candidates = 32; // words of a stop that may be the freed pointer; each is a request
constexpr std::size_t least_frames = 8;           // enough to see who called the allocator
constexpr std::size_t most_returns = 16;          // threads that are between the stop in the allocator and its return
constexpr std::size_t most_threads = 4096;
constexpr std::uint64_t most_first_bytes = 4096; // of a stack that is read at once
constexpr std::uint64_t line_bytes = 64;      // that a cache keeps apart: the first one begins before the stack pointer
constexpr std::uint64_t stack_span = 0x10000; // around the stack pointer: no pool
constexpr std::uint64_t first_kernel_address = 0x8000'0000'0000'0000; // of x86, too: addresses are sign-extended

/// Changes when a module comes or goes.
std::uint64_t fingerprint(nt::Modules& modules) {
    std::uint64_t sum = modules.loaded().size();
    for (const auto& module : modules.loaded())
        sum = (sum ^ module->base.value) * 0x100000001b3 + module->timestamp;
    return sum;
}

std::string line_text(const std::optional<symbols::SourceLine>& line) {
    if (!line) return {};
    const std::size_t slash = line->file.find_last_of("\\/");
    return fmt::format("{}:{}", slash == std::string::npos ? line->file : line->file.substr(slash + 1), line->line);
}

} // namespace

bool Tracer::skipped_by_sampling(VirtAddr ip) {
    if (options_.sample <= 1 || !hit_places_.contains(ip)) return false;
    if (to_skip_ > 0) {
        --to_skip_;
        return true;
    }
    // Not each so-manieth exactly: a driver that allocates and frees in turn would only ever show one of the two.
    random_ = random_ * 1664525 + 1013904223;
    to_skip_ = static_cast<std::uint32_t>((std::uint64_t{random_} * (2 * std::uint64_t{options_.sample} - 1)) >> 32);
    return false;
}

Result<std::optional<Answer<code::StackTrace>>> Tracer::walk(const RegisterFile& registers) {
    code::WalkOptions options;
    options.max_frames = std::max(options_.frames, least_frames);
    options.arguments = false;
    // Each kilobyte of stack takes as long as a request; most stacks are shorter.
    if (const auto known = stack_bytes_.find(registers.ip()); known != stack_bytes_.end())
        options.first_bytes = known->second;
    Answer<code::StackTrace> answer = code::walk_stack(kernel_, registers, options, &work_);
    if (work_.stop_requested() || answer.coverage.stopped()) return std::nullopt;
    if (std::ranges::any_of(answer.coverage.gaps(), [](const Gap& gap) { return gap.reason == GapReason::link_lost; }))
        return fail(ErrorKind::link, "{}", answer.value.note);
    if (answer.value.end == code::StackEnd::unreadable || answer.value.end == code::StackEnd::implausible)
        report_.coverage.merge(answer.coverage);
    learn_stack(registers, answer.value.asked_until);
    return answer;
}

void Tracer::learn_stack(const RegisterFile& registers, VirtAddr asked_until) {
    const std::uint64_t used = asked_until - registers.sp();
    if (used > most_first_bytes || stack_bytes_.size() >= most_threads) return; // another stack, or a long one
    std::size_t& bytes = stack_bytes_[registers.ip()];
    bytes = std::max<std::size_t>(bytes, (used + 2 * line_bytes - 1) / line_bytes * line_bytes);
}

std::optional<std::size_t> Tracer::stack_of(const code::StackTrace& trace, const control::StopReport& report,
                                            const SiteBreakpoints::Site* site) {
    if (const std::uint64_t modules = fingerprint(kernel_.modules()); modules != modules_seen_) {
        table_.forget_addresses();
        modules_seen_ = modules;
    }
    std::vector<VirtAddr> addresses;
    for (const code::Frame& frame : trace.frames)
        addresses.push_back(frame.ip);
    if (auto known = table_.find(addresses)) return known;

    const std::vector<code::FrameName> names = code::name_frames(kernel_, trace);
    std::vector<std::string> sites;
    for (const code::FrameName& name : names)
        sites.push_back(name.site);
    const AllocatorFrames allocator = site ? AllocatorFrames{site->kind, 0} : allocator_frames(sites);
    if (allocator.kind == HitKind::unknown) {
        // The kernel may meet the tag in a routine that we do not know; a driver's own int 3 is none of ours.
        const nt::Module* module = kernel_.modules().containing(report.stop.ip);
        const bool called_by_driver = sites.size() > 1 && kernel_function(sites[1]).empty();
        if (!module || !module->is_kernel || called_by_driver || is_break_in(report)) return std::nullopt;
    }
    TraceStack stack;
    stack.kind = allocator.kind;
    stack.caller = allocator.caller;
    for (std::size_t i = 0; i < names.size(); ++i) {
        TraceFrame frame;
        frame.address = trace.frames[i].ip;
        frame.text = names[i].site;
        frame.module = names[i].module;
        frame.source = line_text(names[i].line);
        frame.allocator = i < allocator.caller;
        stack.frames.push_back(std::move(frame));
    }
    return table_.add(std::move(addresses), std::move(stack));
}

TraceHit Tracer::begin_hit(std::size_t stack, const control::StopReport& report, const code::StackTrace& trace) {
    ++report_.hits;
    ++report_.sampled;
    if (hit_places_.size() < most_threads) hit_places_.insert(report.stop.ip);
    TraceHit hit;
    hit.stack = stack;
    hit.kind = table_.stack(stack).kind;
    hit.processor = report.stop.processor;
    hit.thread = report.stop.thread;
    hit.time = clock_.time();
    note_process(hit);
    // A thread that is at a hit again has returned from its last allocation some way that we did not see, unless an
    // interrupt came between and allocates on its account: then the return is still to come, and lies on the stack.
    for (std::size_t i = returns_.size(); i-- > 0;) {
        const bool to_come = std::ranges::any_of(trace.frames, [&](const code::Frame& frame) {
            return frame.ip == returns_[i].address && frame.sp > returns_[i].sp;
        });
        if (returns_[i].thread == hit.thread && !to_come) forget_return(i);
    }
    return hit;
}

Result<Tracer::Seen> Tracer::look(const control::StopReport& report) {
    if (skipped_by_sampling(report.stop.ip)) {
        ++report_.hits;
        return Seen::hit;
    }
    POOLKD_TRY(const RegisterFile registers, kernel_.target().registers(report.stop.processor));
    POOLKD_TRY(const auto answer, walk(registers));
    if (!answer) return Seen::cut_off;
    const auto stack = stack_of(answer->value, report, nullptr);
    if (!stack) return Seen::other;
    find_block(begin_hit(*stack, report, answer->value), answer->value, table_.stack(*stack).caller);
    return Seen::hit;
}

Result<Tracer::Seen> Tracer::look_at_site(const control::StopReport& report, const SiteBreakpoints::Site& site) {
    if (skipped_by_sampling(report.stop.ip)) {
        ++report_.hits;
        return Seen::hit;
    }
    POOLKD_TRY(const RegisterFile registers, kernel_.target().registers(report.stop.processor));
    const Machine& machine = kernel_.machine();
    VirtAddr block;
    std::optional<pool::PoolBlock> found;
    if (site.kind == HitKind::release) {
        POOLKD_TRY(block, SiteBreakpoints::freed(kernel_, registers, site));
        found = block_of_tag(block);
        // One site may free blocks of many tags.
        if (finder_ && !found) return Seen::other;
    } else if (site.returned) {
        block = machine.canonical(registers.get(machine.result).value_or(0));
        if (!block) return Seen::other; // there was no memory
        found = block_of_tag(block);
    }
    POOLKD_TRY(const auto answer, walk(registers));
    if (!answer) return Seen::cut_off;
    const auto stack = stack_of(answer->value, report, &site);
    if (!stack) return Seen::other;
    TraceHit hit = begin_hit(*stack, report, answer->value);
    if (site.kind == HitKind::allocation && !site.returned) {
        auto to = kernel_.read_pointer(registers.sp());
        if (!options_.blocks || !to || !watch_return(hit, *to, registers.sp(), {})) note(hit);
        return Seen::hit;
    }
    if (options_.blocks) {
        hit.block = block;
        // Without the pool's records a free may be of another tag's block.
        hit.block_sure = site.returned || found ? HowSure::sure : HowSure::likely;
        if (found) {
            hit.size = found->size;
            hit.size_sure = HowSure::sure;
        }
    }
    note(hit);
    return Seen::hit;
}

void Tracer::note_process(TraceHit& hit) {
    // As it was when the thread was first seen: asking at each stop would cost a request.
    auto known = processes_.find(hit.thread);
    if (known == processes_.end()) {
        if (!hit.thread || processes_.size() >= most_threads) return;
        std::pair<VirtAddr, std::string> process;
        if (auto address = kernel_.process_of_thread(hit.thread)) {
            process.first = *address;
            if (auto record = nt::read_process(kernel_, *address)) process.second = record->name;
        }
        known = processes_.emplace(hit.thread, std::move(process)).first;
    }
    hit.process = known->second.first;
    hit.process_name = known->second.second;
}

void Tracer::note(const TraceHit& hit) {
    table_.note(hit, clock_.now());
}

std::optional<pool::PoolBlock> Tracer::block_of_tag(VirtAddr body) {
    if (!finder_) return std::nullopt;
    auto block = finder_->at(kernel_, body);
    if (!block || block->tag.bare() != options_.tag.bare()) return std::nullopt;
    return block;
}

bool Tracer::can_be_block(VirtAddr address, const ShownWords& shown) const {
    if (address.value < first_kernel_address || !finder_ || address.value % finder_->unit() != 0) return false;
    const VirtAddr sp(shown.words[code::rsp]);
    return address - (sp - stack_span) >= 2 * stack_span && !kernel_.modules().containing(address);
}

void Tracer::find_block(TraceHit hit, const code::StackTrace& trace, std::size_t caller) {
    if (!options_.blocks || hit.kind == HitKind::unknown) return note(hit);
    ShownWords shown = shown_words(kernel_, trace, caller);
    if (hit.kind == HitKind::release) {
        find_freed(hit, shown);
        return note(hit);
    }
    // The header is written before the kernel stops: it proves what the learned place says.
    if (auto pointer = places_.read(shown)) {
        auto block = block_of_tag(VirtAddr(*pointer));
        if (block && !table_.outstanding(block->body)) {
            hit.block = block->body;
            hit.size = block->size;
            hit.block_sure = hit.size_sure = HowSure::sure;
            return note(hit);
        }
        places_.doubt(shown);
    }
    const bool has_caller = caller > 0 && caller < trace.frames.size();
    if (!has_caller || !watch_return(hit, trace.frames[caller].ip, trace.frames[caller - 1].sp, std::move(shown)))
        note(hit);
}

void Tracer::find_freed(TraceHit& hit, const ShownWords& shown) {
    const auto pointer = places_.read(shown);
    if (!pointer) return search_freed(hit, shown);
    hit.block = VirtAddr(*pointer);
    // One that was seen handed out and not given back needs no other proof: it saves a request.
    hit.size = table_.size_of(hit.block);
    if (hit.size == 0) {
        const auto block = block_of_tag(hit.block);
        if (!block) {
            hit.block = {};
            places_.doubt(shown);
            return search_freed(hit, shown);
        }
        hit.size = block->size;
    }
    hit.block_sure = hit.size_sure = HowSure::sure;
}

void Tracer::search_freed(TraceHit& hit, const ShownWords& shown) {
    std::vector<VirtAddr> tried;
    std::vector<pool::PoolBlock> blocks; // of the tag, each once
    std::vector<std::uint64_t> words;    // that point to them
    bool all_tried = true;
    auto try_body = [&](VirtAddr body) {
        if (std::ranges::find(tried, body) != tried.end())
            return std::ranges::find(blocks, body, &pool::PoolBlock::body) != blocks.end();
        if (tried.size() >= most_freed_candidates) {
            all_tried = false;
            return false;
        }
        tried.push_back(body);
        const auto block = block_of_tag(body);
        if (block) blocks.push_back(*block);
        return block.has_value();
    };
    for (const std::uint64_t word : shown.words)
        if (can_be_block(VirtAddr(word), shown) && try_body(VirtAddr(word))) words.push_back(word);
    // The pool itself may know a block by its header alone: another block of the tag there makes the first one a guess.
    for (const std::uint64_t word : shown.words)
        if (can_be_block(VirtAddr(word), shown)) try_body(VirtAddr(word) + finder_->unit());
    if (blocks.empty()) return;
    const auto pointer = words.empty() ? std::nullopt : places_.learn(shown, words);
    const auto at = pointer ? std::ranges::find(blocks, VirtAddr(*pointer), &pool::PoolBlock::body) : blocks.begin();
    hit.block = at->body;
    hit.size = at->size;
    hit.block_sure = hit.size_sure =
        blocks.size() == 1 && !words.empty() && all_tried ? HowSure::sure : HowSure::likely;
}

bool Tracer::watch_return(TraceHit hit, VirtAddr address, VirtAddr sp, ShownWords shown) {
    if (returns_.size() >= most_returns) return false;
    if (!return_breakpoints_.contains(address)) {
        control::Breakpoint breakpoint;
        breakpoint.address = address;
        breakpoint.internal = true;
        auto added = controller_.breakpoints().add(std::move(breakpoint), std::nullopt);
        if (!added) return false;
        return_breakpoints_[address] = added->id;
    }
    const VirtAddr thread = hit.thread;
    returns_.push_back({thread, address, sp, std::move(hit), std::move(shown)});
    return true;
}

void Tracer::forget_return(std::size_t index) {
    const Return gone = std::move(returns_[index]);
    returns_.erase(returns_.begin() + static_cast<std::ptrdiff_t>(index));
    if (std::ranges::find(returns_, gone.address, &Return::address) == returns_.end()) {
        (void)controller_.breakpoints().remove(return_breakpoints_[gone.address]);
        return_breakpoints_.erase(gone.address);
    }
    note(gone.hit);
}

Result<void> Tracer::returned(const control::StopReport& report) {
    if (std::ranges::find(returns_, report.stop.ip, &Return::address) == returns_.end()) return {};
    ++report_.return_stops;
    POOLKD_TRY(const RegisterFile registers, kernel_.target().registers(report.stop.processor));
    const auto at = std::ranges::find_if(returns_, [&](const Return& r) {
        return r.address == report.stop.ip && (!r.thread || !report.stop.thread || r.thread == report.stop.thread) &&
               registers.sp() > r.sp;
    });
    if (at == returns_.end()) return {}; // another thread came by
    const Machine& machine = kernel_.machine();
    const VirtAddr block = machine.canonical(registers.get(machine.result).value_or(0));
    TraceHit& hit = at->hit;
    hit.block = block;
    hit.block_sure = HowSure::sure;
    if (block) {
        if (auto found = block_of_tag(block)) {
            hit.size = found->size;
            hit.size_sure = HowSure::sure;
        }
        const std::uint64_t pointer[] = {block.value};
        if (!at->shown.words.empty()) (void)places_.learn(at->shown, pointer);
    }
    forget_return(static_cast<std::size_t>(at - returns_.begin()));
    return {};
}

} // namespace poolkd::hunt
