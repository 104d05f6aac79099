#include "render/hunt_html_parts.h"

#include "base/tag_text.h"
#include "hunt/hunt_words.h"
#include "render/html.h"
#include "render/hunt_json.h"
#include "render/quantity.h"
#include "render/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>

namespace poolkd::render {

namespace {

constexpr std::size_t long_word = 20; // a phone's line of the heading holds little more

/// A name in which lines break before an offset and template arguments, and behind a module, a scope, a comma and an
/// underscore, rather than anywhere.
std::string breakable(std::string_view name) {
    const std::string text = html_text(name);
    std::string broken;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' || text.compare(i, 4, "&lt;") == 0) broken += "<wbr>";
        broken += text[i];
        const bool scope = text[i] == ':' && i > 0 && text[i - 1] == ':';
        if (scope || text[i] == '!' || text[i] == ',' || text[i] == '_') broken += "<wbr>";
    }
    return broken;
}

/// A sentence, with the long names in it; a number stays with its percent sign.
std::string sentence_html(std::string_view sentence) {
    std::string text;
    while (!sentence.empty()) {
        const std::size_t blank = std::min(sentence.find(' '), sentence.size());
        const std::string_view word = sentence.substr(0, blank);
        text += word.size() > long_word ? breakable(word) : html_text(word);
        sentence.remove_prefix(blank);
        if (sentence.empty()) break;
        sentence.remove_prefix(1);
        text += sentence.starts_with('%') ? "&nbsp;" : " ";
    }
    return text;
}

} // namespace

std::string html_section(std::string_view id, std::string_view heading, const std::string& content) {
    if (content.empty()) return {};
    return fmt::format(R"(<section id="{}"><h2>{}</h2>{}</section>)", id, heading, content);
}

std::string html_part(std::string_view heading, const std::string& content) {
    if (content.empty()) return {};
    return fmt::format(R"(<div class="part"><h3>{}</h3>{}</div>)", heading, content);
}

std::string html_paragraph(std::string_view text, std::string_view style) {
    if (text.empty()) return {};
    if (style.empty()) return "<p>" + sentence_html(text) + "</p>";
    return fmt::format(R"(<p class="{}">{}</p>)", style, sentence_html(text));
}

std::string html_list(std::span<const std::string> sentences) {
    std::string items;
    for (const std::string& sentence : sentences) {
        const bool ended = sentence.empty() || std::string_view(".:?!").find(sentence.back()) != std::string_view::npos;
        items += "<li>" + sentence_html(sentence) + (ended ? "" : ".") + "</li>";
    }
    return items.empty() ? items : "<ul>" + items + "</ul>";
}

std::string html_advice(std::span<const hunt::Advice> steps, std::string_view style) {
    std::string items;
    for (const hunt::Advice& step : steps) {
        items += "<li>" + html_text(step.why);
        if (!step.command.empty()) items += "<pre class=\"copy\"><code>" + html_text(step.command) + "</code></pre>";
        items += "</li>";
    }
    return items.empty() ? items : fmt::format(R"(<ol class="{}">{}</ol>)", style, items);
}

std::string html_code(std::string_view text) {
    return "<code>" + breakable(text) + "</code>";
}

std::string html_heading(std::string_view text) {
    return "<h1>" + sentence_html(text) + "</h1>";
}

std::string html_fact(std::string_view name, const std::string& value) {
    return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", name, value);
}

std::string html_confidence(double confidence) {
    return percent_text(confidence) + svg_bar(confidence);
}

std::string html_tag_name(PoolTag tag) {
    std::string text = typed_tag(tag);
    text.erase(text.find_last_not_of(' ') + 1);
    return html_code(text);
}

std::string html_tag(const hunt::TagVerdict& row) {
    return fmt::format("{} <span class=\"unit\">{} pool</span>", html_tag_name(row.key.tag), pool_word(row.key.kind));
}

std::string html_owner(const hunt::HuntReport& report, const hunt::Suspect& suspect) {
    if (const hunt::SuspectOwner* owner = hunt::owner_named(suspect))
        return html_code(owner->image) + (owner->unloaded ? " <span class=\"unit\">unloaded</span>" : "");
    if (!suspect.owners.empty()) return "not known";
    const hunt::TagVerdict* row = verdict_of(report, suspect);
    return row && !row->binary.empty() ? html_code(row->binary) : "not known";
}

} // namespace poolkd::render
