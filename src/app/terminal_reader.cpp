#include "app/line_reader.h"
#include "base/text.h"
#include "render/characters.h"

#include <fmt/format.h>
#include <histedit.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cwchar>

namespace poolkd::app {

namespace {

constexpr int history_size = 1000;
constexpr std::size_t most_listed = 100;

std::size_t common_prefix(const std::vector<std::string>& words) {
    std::size_t length = words.front().size();
    for (const std::string& word : words) {
        std::size_t same = 0;
        while (same < std::min(length, word.size()) && to_lower(word[same]) == to_lower(words.front()[same]))
            ++same;
        length = same;
    }
    return length;
}

/// libedit's editor, in its own (not readline's) interface.
class TerminalReader final : public LineReader {
  public:
    TerminalReader(std::filesystem::path history_file, Completer completer, const Work& work)
        : history_file_(std::move(history_file)), completer_(std::move(completer)), work_(work),
          edit_(el_init("poolkd", stdin, stdout, stderr)), history_(history_init()) {
        HistEvent event;
        history(history_.get(), &event, H_SETSIZE, history_size);
        history(history_.get(), &event, H_SETUNIQUE, 1);
        if (!history_file_.empty()) history(history_.get(), &event, H_LOAD, history_file_.c_str());
        EditLine* edit = edit_.get();
        el_set(edit, EL_CLIENTDATA, this);
        el_set(edit, EL_PROMPT, &TerminalReader::show_prompt);
        el_set(edit, EL_GETCFN, &TerminalReader::next_character);
        el_set(edit, EL_EDITOR, "emacs");
        el_set(edit, EL_HIST, history, history_.get());
        el_set(edit, EL_ADDFN, "poolkd-complete", "complete a name", &TerminalReader::on_tab);
        el_set(edit, EL_BIND, "^I", "poolkd-complete", nullptr);
        // At the prompt Ctrl-C only drops the line; as a key, because a signal would not reach the editor safely.
        el_set(edit, EL_ADDFN, "poolkd-drop", "drop the line", &TerminalReader::on_interrupt);
        el_set(edit, EL_SETTY, "-d", "-isig", nullptr);
        el_set(edit, EL_BIND, "^C", "poolkd-drop", nullptr);
        el_set(edit, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    }

    InputLine read(std::string_view prompt) override {
        prompt_ = prompt;
        dropped_ = false;
        int count = 0;
        const char* text = el_gets(edit_.get(), &count);
        if (dropped_) return {InputLine::Kind::interrupted};
        if (!text || count <= 0) return {InputLine::Kind::end};
        std::string line(text, static_cast<std::size_t>(count));
        while (!line.empty() && (line.back() == '\n' || line.back() == '\r'))
            line.pop_back();
        remember(line);
        return {InputLine::Kind::line, std::move(line)};
    }
    [[nodiscard]] bool interactive() const override { return true; }

  private:
    static TerminalReader& self(EditLine* edit) {
        void* data = nullptr;
        el_get(edit, EL_CLIENTDATA, &data);
        return *static_cast<TerminalReader*>(data);
    }
    static char* show_prompt(EditLine* edit) { return self(edit).prompt_.data(); }

    static unsigned char on_interrupt(EditLine* edit, int) {
        self(edit).dropped_ = true;
        const LineInfo* line = el_line(edit);
        el_cursor(edit, static_cast<int>(line->lastchar - line->cursor));
        el_deletestr(edit, static_cast<int>(line->lastchar - line->buffer));
        std::fputs("^C\n", stdout);
        return CC_NEWLINE;
    }

    /// In the place of libedit's own, which reads on after a signal.
    static int next_character(EditLine* edit, wchar_t* character) {
        std::mbstate_t state{};
        while (wait_for_input(STDIN_FILENO, self(edit).work_)) {
            char byte = 0;
            const ssize_t length = ::read(STDIN_FILENO, &byte, 1);
            if (length < 0 && (errno == EINTR || errno == EAGAIN)) continue;
            if (length <= 0) return static_cast<int>(length);
            const std::size_t used = std::mbrtowc(character, &byte, 1, &state);
            if (used <= 1) return 1;                              // also a NUL: Ctrl-Space
            if (used != static_cast<std::size_t>(-2)) state = {}; // no character of this locale: dropped
        }
        return 0;
    }

    static unsigned char on_tab(EditLine* edit, int) { return self(edit).complete(edit); }

    unsigned char complete(EditLine* edit) {
        const LineInfo* line = el_line(edit);
        std::string before(line->buffer, static_cast<std::size_t>(line->cursor - line->buffer));
        Completions found = completer_ ? completer_(before) : Completions{};
        if (found.candidates.empty() || found.start > before.size()) return CC_ERROR;
        std::size_t prefix = common_prefix(found.candidates);
        std::size_t typed = before.size() - found.start;
        if (found.candidates.size() == 1 || prefix > typed) {
            std::string word = found.candidates.front().substr(0, prefix);
            if (found.candidates.size() == 1) word += ' ';
            el_deletestr(edit, static_cast<int>(typed));
            return el_insertstr(edit, word.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
        }
        std::fputc('\n', stdout);
        for (std::size_t i = 0; i < std::min(found.candidates.size(), most_listed); ++i)
            fmt::print("{}  ", render::terminal_text(found.candidates[i]));
        if (found.candidates.size() > most_listed) fmt::print("... ({} in all)", found.candidates.size());
        std::fputc('\n', stdout);
        return CC_REDISPLAY;
    }

    void remember(const std::string& line) {
        if (trim(line).empty()) return;
        HistEvent event;
        history(history_.get(), &event, H_ENTER, line.c_str());
        if (history_file_.empty()) return;
        std::error_code ignored; // a history that cannot be kept is no reason to stop
        std::filesystem::create_directories(history_file_.parent_path(), ignored);
        history(history_.get(), &event, H_SAVE, history_file_.c_str());
    }

    struct EndEdit {
        void operator()(EditLine* edit) const { el_end(edit); }
    };
    struct EndHistory {
        void operator()(History* h) const { history_end(h); }
    };

    std::filesystem::path history_file_;
    Completer completer_;
    const Work& work_;
    std::string prompt_;
    bool dropped_ = false;
    std::unique_ptr<EditLine, EndEdit> edit_;
    std::unique_ptr<History, EndHistory> history_;
};

} // namespace

std::unique_ptr<LineReader> make_terminal_reader(std::filesystem::path history_file, Completer completer,
                                                 const Work& work) {
    return std::make_unique<TerminalReader>(std::move(history_file), std::move(completer), work);
}

} // namespace poolkd::app
