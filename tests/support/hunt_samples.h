#pragma once

#include "hunt/hunt.h"

#include <fmt/format.h>

#include <cmath>

namespace poolkd::samples {

inline constexpr hunt::Time hunt_begin{std::chrono::milliseconds(1780300800000)};

inline hunt::TagVerdict hunt_row(const char* tag, hunt::PoolKind kind, hunt::Verdict verdict, double confidence,
                                 std::int64_t bytes, std::int64_t gained) {
    hunt::TagVerdict row;
    row.key = {*PoolTag::from_text(tag), kind};
    row.verdict = verdict;
    row.confidence = confidence;
    row.figures.samples = 60;
    row.figures.bytes = bytes;
    row.figures.blocks = bytes / 736;
    row.figures.bytes_gained = gained;
    row.figures.blocks_gained = gained / 736;
    row.figures.bytes_per_hour = static_cast<double>(gained) * 12;
    row.figures.freed_share = gained > 0 ? 0.39 : 1;
    row.figures.bytes_per_block = 736;
    for (int i = 0; i < 60; ++i)
        row.chart.push_back(static_cast<double>(bytes - gained) + static_cast<double>(gained) * (i + std::sin(i)) / 60);
    return row;
}

inline hunt::TraceStack hunt_stack(std::uint64_t outstanding, std::vector<std::string> frames) {
    hunt::TraceStack stack;
    stack.kind = hunt::HitKind::allocation;
    std::uint64_t address = 0xfffff80100006478;
    stack.frames.push_back({VirtAddr(0xfffff80000402f30), "nt!DbgBreakPoint", "nt", "", true});
    stack.frames.push_back({VirtAddr(0xfffff80000401748), "nt!ExAllocatePoolWithTag+0x168", "nt", "", true});
    for (std::string& frame : frames) {
        std::string module = frame.substr(0, frame.find('!'));
        const std::string source = module == "leaky" ? fmt::format("stream.cpp:{}", 20 + frame.size()) : "";
        stack.frames.push_back({VirtAddr(address += 0x40), std::move(frame), std::move(module), source, false});
    }
    stack.caller = 2;
    stack.outstanding = outstanding;
    stack.outstanding_bytes = outstanding * 736;
    stack.allocations = outstanding * 8 / 5;
    stack.releases = 0;
    stack.oldest = std::chrono::milliseconds(18'400);
    stack.median_age = std::chrono::milliseconds(7'250);
    return stack;
}

inline hunt::TraceReport hunt_trace() {
    hunt::TraceReport trace;
    trace.options.tag = *PoolTag::from_text("Abc");
    trace.hits = 2914;
    trace.sampled = 2914;
    trace.allocations = 1840;
    trace.releases = 1074;
    trace.matched = 690;
    trace.older_blocks = 384;
    trace.outstanding = 1150;
    trace.outstanding_bytes = 1150 * 736;
    trace.blocks_sure = 2890;
    trace.blocks_likely = 24;
    trace.elapsed = std::chrono::seconds(20);
    trace.stopped = std::chrono::milliseconds(9'300);
    trace.slow_down = 2.4;
    const std::string start = "nt!PspSystemThreadStartup+0xc", first = "nt!KiStartSystemThread+0x19";
    trace.stacks = {
        hunt_stack(812, {"leaky!LeakyAllocateBuffer+0x18", "leaky!LeakyOpenStream+0xf", "leaky!LeakyServeRequests+0x60",
                         start, first}),
        hunt_stack(201, {"leaky!LeakyAllocateBuffer+0x18", "leaky!LeakyReopenStream+0x3b",
                         "leaky!LeakyServeRequests+0x9a", start, first}),
        hunt_stack(112, {"leaky!LeakyBuildReport+0x2c", "leaky!LeakyServeRequests+0xc1", start, first}),
        hunt_stack(25, {"fltlib!FltpCopyName+0x44", "fltlib!FltpQuery+0x120", "nt!IopQueryXxxInformation+0x1f1",
                        "nt!NtQueryInformationFile+0x88", "nt!KiSystemServiceExit+0x3"}),
    };
    trace.stacks[0].freed_by = {VirtAddr(0xfffff80100006a10)};
    trace.stacks[0].freed_by_text = {"leaky!LeakyCloseStream+0x22"};
    hunt::TraceStack frees =
        hunt_stack(0, {"leaky!LeakyCloseStream+0x22", "leaky!LeakyServeRequests+0x74", start, first});
    frees.kind = hunt::HitKind::release;
    frees.releases = 1074;
    frees.oldest = frees.median_age = std::nullopt;
    trace.stacks.push_back(frees);
    return trace;
}

inline hunt::SuspectSite hunt_site(std::uint32_t rva, const char* function, std::uint32_t offset, double confidence) {
    hunt::SuspectSite site;
    site.module = "leaky";
    site.site.rva = rva;
    site.site.return_rva = rva + 5;
    site.site.function_rva = rva - offset;
    site.site.function = function;
    site.site.source = "stream.cpp:41";
    site.site.api = "ExAllocatePoolWithTag";
    site.site.tag = PoolTag::from_text("Abc");
    site.site.tag_source = code::TagSource::constant;
    site.from_index = true;
    site.confidence = confidence;
    return site;
}

/// A leak with all that a hunt can tell of it, two lesser ones, and tags that do nothing.
inline hunt::HuntReport hunt_report() {
    using enum hunt::Verdict;
    hunt::HuntReport report;
    report.title =
        "leaky.sys leaks paged pool under tag Abc: LeakyAllocateBuffer hands out buffers that LeakyOpenStream "
        "never gives back";
    report.program = "poolkd 0.6";
    report.target = "Windows 10 Kernel Version 19041 MP (2 procs) Free x64";
    report.took = std::chrono::milliseconds(84'200);
    report.signature = "Abc:paged:leaky.sys:LeakyAllocateBuffer+18:7f3a9c21";
    report.verdict.snapshots = 60;
    report.verdict.first = hunt_begin;
    report.verdict.last = hunt_begin + std::chrono::minutes(5);
    report.verdict.evidence = {"live kernel over KD"};
    report.verdict.machine = "LAB-PC";
    report.verdict.uptime = std::chrono::hours(2);
    report.verdict.paged_bytes = 52 << 20;
    report.verdict.notes = {"Tags of large session pool are not in the counters of this version."};
    report.verdict.rows = {hunt_row("Abc", hunt::PoolKind::paged, leaking, 0.97, 35788016, 31457280),
                           hunt_row("DpcQ", hunt::PoolKind::nonpaged, leaking, 0.91, 8388608, 6291456),
                           hunt_row("Gone", hunt::PoolKind::nonpaged, growing, 0.6, 1048576, 0)};
    report.verdict.rows[0].reasons = {
        "Its floor rose in 100 % of the stretches of the evidence, practically never by chance.",
        "It keeps its pace: the last third grew 1.00 times as fast as the first.",
        "39 % of its 50,312 allocations in this time were freed.", "What piles up has one size, 736 bytes a block."};
    report.verdict.rows[0].description = "leaky test driver";
    report.verdict.rows[0].figures.uniform_sizes = true;
    report.verdict.rows[0].figures.share = 0.69;
    report.verdict.rows[0].figures.exhausted_hours = 31.5;
    report.verdict.rows[1].reasons = {"Its floor rose in 96 % of the stretches of the evidence."};
    for (int i = 0; i < 40; ++i) {
        hunt::TagVerdict row =
            hunt_row(fmt::format("T{:03}", i).c_str(), i % 2 != 0 ? hunt::PoolKind::paged : hunt::PoolKind::nonpaged,
                     i % 7 == 0    ? sawtooth
                     : i % 11 == 0 ? undecided
                                   : flat,
                     0.5 + 0.01 * i, (i * 7919) % 1000 * 1024, 0);
        if (i % 3 == 0) {
            row.binary = "nt!io";
            row.description = "completion port packets";
        }
        row.figures.bytes_per_hour = 0;
        report.verdict.rows.push_back(row);
    }

    hunt::Suspect abc;
    abc.row = 0;
    abc.confidence = 0.93;
    abc.conclusion =
        "leaky.sys gains 6.3 MB a minute under Abc. 812 of the 1,150 blocks that the trace saw pile up were "
        "allocated by LeakyAllocateBuffer for LeakyOpenStream.";
    abc.owners = {{"leaky.sys",
                   false,
                   0.99,
                   {"Its code passes the tag Abc to ExAllocatePoolWithTag at two places.",
                    "All stacks of the trace but 25 go through it."},
                   {}},
                  {"fltlib.sys",
                   false,
                   0.04,
                   {"25 blocks of the trace come from it."},
                   {"All of these were freed within a second.", "Its code does not have the tag."}}};
    abc.sites = {hunt_site(0x1478, "LeakyAllocateBuffer", 0x13, 0.96),
                 hunt_site(0x1902, "LeakyBuildReport", 0x27, 0.4)};
    abc.sites[0].from_trace = true;
    abc.sites[0].blocks = 44'120;
    abc.sites[0].bytes = 44'120ull * 736;
    abc.sites[0].seen_allocated = 1621;
    abc.sites[0].seen_freed = 608;
    abc.sites[0].site.size = 720;
    abc.sites[0].site.via = {"LeakyAllocate"};
    abc.sites[0].reason =
        "1,013 of its 1,621 blocks were still held at the end of the trace; the oldest had lived through all of it.";
    abc.sites[1].reason = "Its blocks are freed after 9 s on average; 112 are held at any time.";
    abc.trace = hunt_trace();
    abc.sizes = {{736, 44'120}, {752, 3'011}, {1'024, 880}, {64, 12}};
    abc.blocks_found = 48'023;
    abc.blocks_counted = 48'723;
    abc.holders = "The blocks are on the list leaky!StreamList; 31 of a sample of 200 are pointed to from nowhere.";
    abc.unknown = {"Whether LeakyCloseStream is ever called for these streams: it was not called in 20 s.",
                   "Another trace of ten minutes would tell."};

    hunt::Suspect dpc;
    dpc.row = 1;
    dpc.signature = "DpcQ:nonpaged:storlab.sys:StorQueueDpc+51:01b7e0d4";
    dpc.confidence = 0.71;
    dpc.conclusion = "storlab.sys gains 1.2 MB a minute under DpcQ, from a DPC.";
    dpc.sizes = {{8192, 1100}};
    dpc.blocks_found = 1100;
    dpc.blocks_counted = 1024;
    dpc.owners = {{"storlab.sys", false, 0.8, {"Its code has the tag."}, {}}};
    dpc.sites = {hunt_site(0x2210, "StorQueueDpc", 0x51, 0.62)};
    dpc.sites[0].module = "storlab";

    hunt::Suspect gone;
    gone.row = 2;
    gone.confidence = 0.55;
    gone.conclusion = "A driver that is gone left 1.0 MB under Gone.";
    gone.owners = {{"vanish.sys",
                    true,
                    0.7,
                    {"It is on the list of unloaded drivers, and the blocks hold pointers into where it was."},
                    {}}};
    gone.orphaned = true;
    gone.holders = "Nothing points to the blocks.";
    abc.confirm = {{"!hits \"Abc \" /t 60s", "Watch the tag longer"}, {"!sites \"Abc \"", "Every place in the code"}};
    dpc.confirm = {{"!hits DpcQ /t 60s", "Watch the tag longer"},
                   {"!retag DpcQ", "Give each call site a tag of its own"},
                   {"!sites DpcQ", "Every place in the code"},
                   {"!poolfind DpcQ 0", "The blocks themselves"},
                   {"verifier /flags 0x8 /driver dpcwork.sys", "On the machine itself"}};
    report.suspects = {abc, dpc, gone};

    report.not_visible = {
        "12 % of the pages of paged pool were not present: their blocks could not be counted one by one.",
        "The second processor's lookaside lists were in use while they were read."};
    report.alternatives = {"A cache that fills up would look the same for the first five minutes; the ages of the "
                           "blocks speak against it."};
    report.confirm = {
        {"poolkd trace Abc --seconds 600 --age 60s", "Blocks that outlive a minute are leaked: trace for ten minutes."},
        {"kd> !retag Abc", "Give each call site a tag of its own and watch the kernel's counters."},
        {"", "Look at LeakyOpenStream's error path: LeakyCloseStream is not called from it."}};
    report.steps = {{"Baseline of all tags", true, "60 snapshots in 5 minutes"},
                    {"Call sites of 41 drivers", true, "1,204 sites, 3 not resolved"},
                    {"Trace of Abc", true, "2,914 stops in 20 s"},
                    {"Trace of DpcQ", false, "the budget was used up"}};
    report.coverage.add_read(52 << 20);
    report.coverage.add_gap(GapReason::unmapped, VirtAddr(0xffff8a0000012000), 12288);
    report.coverage.add_gap(GapReason::stopped, VirtAddr(0xffff8a0000400000), 4096);
    return report;
}

/// Names as long as C++ and those who name drivers make them, and a tag that cannot be typed.
inline hunt::HuntReport long_names_hunt_report() {
    const std::string module = "contoso_endpoint_stream_inspection_filter_x64_release";
    const std::string function =
        "StreamInspection::ContextCache<StreamInspection::SharedBuffer<unsigned char>,StreamInspection::LockTraits<"
        "_EX_PUSH_LOCK> >::TakeOrAllocateContextWithReference";
    hunt::HuntReport report = hunt_report();
    report.title = fmt::format("LEAK: \\x01O\\xfe\\x09 leaks nonpaged pool from {}!{} ({}.sys), confidence 93 %.",
                               module, function, module);
    report.verdict.rows[0].key.tag = PoolTag(0x09fe4f01);
    hunt::Suspect& suspect = report.suspects[0];
    suspect.conclusion = report.title;
    suspect.owners[0].image = module + ".sys";
    for (hunt::SuspectSite& at : suspect.sites) {
        at.module = module;
        at.site.function = function;
        at.site.source = "minifilter_stream_context_reference_operations.cpp:1204";
        at.site.via = {module + "!" + function};
    }
    for (hunt::TraceStack& stack : suspect.trace->stacks)
        for (hunt::TraceFrame& frame : stack.frames) {
            if (frame.module == "nt") continue;
            frame.module = module;
            frame.text = module + "!" + function + "+0x123";
            frame.source = "minifilter_stream_context_reference_operations.cpp:1204";
        }
    return report;
}

/// The evidence tells nothing.
inline hunt::HuntReport empty_hunt_report() {
    return {};
}

/// Stopped before any suspect was looked at closely.
inline hunt::HuntReport partial_hunt_report() {
    hunt::HuntReport report = hunt_report();
    report.partial = true;
    for (hunt::Suspect& suspect : report.suspects) {
        suspect.trace.reset();
        suspect.sites.clear();
        suspect.owners.clear();
        suspect.sizes.clear();
    }
    return report;
}

/// What a target may call its things to harm whoever reads the report.
inline constexpr const char* hostile_name = "</script><script>window.broken=1</script><!--<img src=x "
                                            "onerror=window.broken=1>\"'&\xe2\x80\xa8\xe2\x80\xae{{script}}\x01\xff";

/// A report in which every text is hostile.
inline hunt::HuntReport hostile_hunt_report() {
    const std::string name = hostile_name;
    hunt::HuntReport report = hunt_report();
    report.title = report.program = report.target = report.signature = report.verdict.machine = name;
    report.verdict.evidence = report.verdict.notes = report.not_visible = report.alternatives = {name};
    for (hunt::TagVerdict& row : report.verdict.rows) {
        row.key.tag = *PoolTag::from_text("<!--");
        row.reasons = {name};
        row.binary = row.description = name;
    }
    for (hunt::Suspect& suspect : report.suspects) {
        suspect.conclusion = suspect.holders = suspect.signature = name;
        suspect.unknown = {name};
        for (hunt::Advice& advice : suspect.confirm)
            advice = {name, name};
        for (hunt::SuspectOwner& owner : suspect.owners)
            owner = {name, true, 0.5, {name}, {name}};
        for (hunt::SuspectSite& at : suspect.sites) {
            at.module = at.site.function = at.site.source = at.site.api = at.reason = name;
            at.site.via = {name};
        }
        if (!suspect.trace) continue;
        suspect.trace->notes = {name};
        suspect.trace->means_note = name;
        for (hunt::TraceStack& stack : suspect.trace->stacks) {
            stack.freed_by_text = {name};
            for (hunt::TraceFrame& frame : stack.frames)
                frame.text = frame.module = frame.source = name;
        }
    }
    for (hunt::HuntStep& step : report.steps)
        step.text = step.outcome = name;
    for (hunt::Advice& advice : report.confirm)
        advice = {name, name};
    return report;
}

} // namespace poolkd::samples
