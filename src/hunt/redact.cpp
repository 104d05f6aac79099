#include "hunt/redact.h"

#include <fmt/format.h>

#include <algorithm>

namespace poolkd::hunt {

namespace {

constexpr std::string_view hidden_path = "<path>";
constexpr std::string_view hidden_name = "<machine>";

bool ends_word(char c) {
    return c == ' ' || c == '"' || c == '\'' || c == ',' || c == ';' || c == '\n' || c == '\t' || c == '(' ||
           c == ')' || c == '<' || c == '>' || c == '[' || c == ']';
}

bool is_slash(char c) {
    return c == '/' || c == '\\';
}

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Where a word is a path, or a setting that is one: its last name stays. Those of a network count, too.
std::string shortened_word(std::string_view word) {
    if (const std::size_t value = word.find('=') + 1; value != 0)
        return std::string(word.substr(0, value)) + shortened_word(word.substr(value));
    const bool drive = word.size() > 2 && is_letter(word[0]) && word[1] == ':' && is_slash(word[2]);
    const bool rooted = !word.empty() && is_slash(word[0]) && word.size() > 1;
    const bool home = word.starts_with("~/") || word.starts_with("./") || word.starts_with("../");
    const std::size_t last = word.find_last_of("/\\");
    if (!(drive || rooted || home) || last == std::string_view::npos) return std::string(word);
    // A switch of a command ("/for", "/flags") is no path.
    if (rooted && last == 0) return std::string(word);
    return std::string(hidden_path) + std::string(word.substr(last));
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
    if (what.size() < 3) return; // would be found in anything
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
        text.replace(at, what.size(), with);
}

/// The folders of the evidence as the user named them, with the slash: relative ones, and those with spaces, too.
std::vector<std::string> folders_of(const std::vector<std::string>& evidence) {
    std::vector<std::string> folders;
    for (const std::string& one : evidence)
        if (const std::size_t last = one.find_last_of("/\\"); last != std::string::npos)
            folders.push_back(one.substr(0, last + 1));
    std::ranges::sort(folders, std::ranges::greater{}, &std::string::size); // one may begin with another
    return folders;
}

bool in_name(char c) {
    return (c >= '0' && c <= '9') || is_letter(c) || c == '_' || c == '-';
}

/// Where it stands by itself: "leak.csv" is not in "oldleak.csv".
void replace_name(std::string& text, std::string_view name, std::string_view with) {
    for (std::size_t at = 0; (at = text.find(name, at)) != std::string::npos;) {
        const std::size_t end = at + name.size();
        const bool whole = (at == 0 || !in_name(text[at - 1])) && (end == text.size() || !in_name(text[end]));
        if (whole) text.replace(at, name.size(), with);
        at += whole ? with.size() : name.size();
    }
}

/// A file of the evidence, and what stands for its name.
struct HiddenFile {
    std::string name, shown;
    /// A name like "leak" is a word of the report, too: it is looked for only where names of files are told.
    [[nodiscard]] bool is_word() const { return name.find('.') == std::string::npos; }
};

std::vector<HiddenFile> hidden_files(std::span<const std::filesystem::path> evidence) {
    std::vector<HiddenFile> files;
    for (const std::filesystem::path& path : evidence)
        if (const std::string name = path.filename().string(); !name.empty() && name != "-")
            files.push_back({name, evidence.size() == 1 ? "<file>" : fmt::format("<file {}>", files.size() + 1)});
    std::ranges::sort(files, std::ranges::greater{}, [](const HiddenFile& file) { return file.name.size(); });
    return files;
}

/// Calls `use` with every text of the report that people read.
template <class Use>
void for_each_text(HuntReport& report, Use use) {
    auto all = [&](std::vector<std::string>& texts) {
        for (std::string& text : texts)
            use(text);
    };
    use(report.title);
    use(report.target);
    all(report.not_visible);
    all(report.alternatives);
    for (HuntStep& step : report.steps) {
        use(step.text);
        use(step.outcome);
    }
    auto all_advice = [&](std::vector<Advice>& steps) {
        for (Advice& advice : steps) {
            use(advice.command);
            use(advice.why);
        }
    };
    all_advice(report.confirm);
    all(report.verdict.evidence);
    all(report.verdict.notes);
    for (TagVerdict& row : report.verdict.rows) {
        use(row.description);
        all(row.reasons);
    }
    all_advice(report.verdict.advice);
    for (LeakGroup& group : report.verdict.groups)
        use(group.reason);
    for (Suspect& suspect : report.suspects) {
        all_advice(suspect.confirm);
        use(suspect.conclusion);
        use(suspect.holders);
        all(suspect.unknown);
        for (SuspectOwner& owner : suspect.owners) {
            all(owner.reasons);
            all(owner.against);
        }
        for (SuspectSite& site : suspect.sites) {
            use(site.reason);
            use(site.site.source);
            use(site.site.note);
        }
        if (!suspect.trace) continue;
        all(suspect.trace->notes);
        use(suspect.trace->means_note);
        for (TraceStack& stack : suspect.trace->stacks)
            for (TraceFrame& frame : stack.frames)
                use(frame.source);
    }
}

void hide_files(HuntReport& report, std::span<const std::filesystem::path> evidence) {
    const std::vector<HiddenFile> files = hidden_files(evidence);
    auto hide = [&](std::string& text, bool words) {
        for (const HiddenFile& file : files)
            if (words || !file.is_word()) replace_name(text, file.name, file.shown);
    };
    for_each_text(report, [&](std::string& text) { hide(text, false); });
    for (std::string& text : report.verdict.evidence)
        hide(text, true);
    for (std::string& text : report.verdict.notes)
        hide(text, true);
}

} // namespace

std::string without_paths(std::string_view text) {
    std::string out, word;
    auto flush = [&] {
        out += shortened_word(word);
        word.clear();
    };
    for (const char c : text) {
        if (!ends_word(c)) {
            word += c;
            continue;
        }
        flush();
        out += c;
    }
    flush();
    return out;
}

void redact(HuntReport& report, std::span<const std::filesystem::path> evidence) {
    const std::string machine = report.verdict.machine;
    const std::vector<std::string> folders = folders_of(report.verdict.evidence);
    for_each_text(report, [&](std::string& text) {
        for (const std::string& folder : folders)
            replace_all(text, folder, std::string(hidden_path) + folder.back());
        text = without_paths(text);
    });
    hide_files(report, evidence);
    // Last: a file's name may hold the machine's.
    for_each_text(report, [&](std::string& text) { replace_all(text, machine, hidden_name); });
    if (!machine.empty()) report.verdict.machine = hidden_name;
    for (Suspect& suspect : report.suspects)
        if (suspect.trace)
            for (TraceHit& hit : suspect.trace->kept)
                hit.process_name.clear();
}

} // namespace poolkd::hunt
