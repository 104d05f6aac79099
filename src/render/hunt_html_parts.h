#pragma once

#include "hunt/hunt.h"

#include <span>
#include <string>
#include <string_view>

namespace poolkd::render {

// Parts of the HTML report. All return HTML, and take text as the target has it.

/// A section of the page with its heading; empty when it holds nothing.
[[nodiscard]] std::string html_section(std::string_view id, std::string_view heading, const std::string& content);
/// The same below a suspect, with a smaller heading.
[[nodiscard]] std::string html_part(std::string_view heading, const std::string& content);
[[nodiscard]] std::string html_paragraph(std::string_view text, std::string_view style = {});
/// Sentences as a list, each ended; empty when there are none.
[[nodiscard]] std::string html_list(std::span<const std::string> sentences);
/// What to do and why, with commands to copy, as a list of that class; empty when there is none.
[[nodiscard]] std::string html_advice(std::span<const hunt::Advice> steps, std::string_view style);
/// The heading of the page.
[[nodiscard]] std::string html_heading(std::string_view text);
/// A name of the target's. Lines break in it before an offset and behind a module rather than within a word.
[[nodiscard]] std::string html_code(std::string_view text);
/// One fact of a list of facts; `value` is HTML.
[[nodiscard]] std::string html_fact(std::string_view name, const std::string& value);
/// "93 %" with a bar.
[[nodiscard]] std::string html_confidence(double confidence);

/// The tag without the blanks at its end, as poolkd takes it when it is typed.
[[nodiscard]] std::string html_tag_name(PoolTag tag);
/// The tag and the kind of its pool.
[[nodiscard]] std::string html_tag(const hunt::TagVerdict& row);
/// The likeliest owner: an image, or what the tag lists say, or that it is not known.
[[nodiscard]] std::string html_owner(const hunt::HuntReport& report, const hunt::Suspect& suspect);
/// The call site that is accused, or what stands for it.
[[nodiscard]] std::string html_accused(const hunt::Suspect& suspect);

/// All that is known of a suspect, as a section of its own. The first is open.
[[nodiscard]] std::string html_suspect(const hunt::HuntReport& report, std::size_t index);
/// What a trace saw: its figures, a place for the flame graph, the stacks.
[[nodiscard]] std::string html_trace(const hunt::TraceReport& trace, std::size_t index);
/// The growth of all suspects in one chart.
[[nodiscard]] std::string html_growth(const hunt::HuntReport& report);
/// The tags that are no suspects, as a table.
[[nodiscard]] std::string html_tags(const hunt::HuntReport& report);

/// Stacks of a trace in the page: so many in its data, so many written out.
inline constexpr std::size_t report_stacks = 200, report_listed_stacks = 12;
/// Tags with all their figures in the page's data; the table has all tags.
inline constexpr std::size_t report_tags = 50;
/// Lines of the growth chart: so many can be told apart.
inline constexpr std::size_t report_lines = 8;

} // namespace poolkd::render
