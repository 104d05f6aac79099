#include "app/poolmon_keys.h"

#include "base/text.h"

#include <algorithm>

namespace poolkd::app {

namespace {

using render::PoolmonKinds;
using render::PoolmonSort;

constexpr char escape = '\x1b';

struct Sequence {
    std::string_view text; ///< behind the escape
    Key::Kind kind;
};
// Both forms of cursor keys, and those of xterm, rxvt and the console of Linux.
constexpr Sequence sequences[] = {
    {"[A", Key::Kind::up},       {"OA", Key::Kind::up},         {"[B", Key::Kind::down}, {"OB", Key::Kind::down},
    {"[5~", Key::Kind::page_up}, {"[6~", Key::Kind::page_down}, {"[H", Key::Kind::home}, {"OH", Key::Kind::home},
    {"[1~", Key::Kind::home},    {"[7~", Key::Kind::home},      {"[F", Key::Kind::end},  {"OF", Key::Kind::end},
    {"[4~", Key::Kind::end},     {"[8~", Key::Kind::end},
};

/// Bytes of the control sequence that begins here (behind the escape); 0: it is not complete.
std::size_t sequence_length(std::string_view text) {
    if (text.empty()) return 0;
    if (text[0] == 'O') return text.size() < 2 ? 0 : 2;
    if (text[0] != '[') return 1;
    for (std::size_t i = 1; i < text.size(); ++i)
        if (text[i] >= 0x40 && text[i] <= 0x7e) return i + 1;
    return text.size() > 16 ? text.size() : 0; // nothing that a key sends
}

KeyEffect sort_by(render::PoolmonView& view, PoolmonSort sort) {
    view.sort = sort;
    view.first_row = 0;
    return KeyEffect::redraw;
}

KeyEffect scroll(render::PoolmonView& view, Key::Kind kind, std::size_t page, std::size_t rows) {
    const std::size_t last = rows > page ? rows - page : 0;
    std::size_t& first = view.first_row;
    switch (kind) {
    case Key::Kind::up: first = first > 0 ? first - 1 : 0; break;
    case Key::Kind::down: ++first; break;
    case Key::Kind::page_up: first = first > page ? first - page : 0; break;
    case Key::Kind::page_down: first += page; break;
    case Key::Kind::home: first = 0; break;
    case Key::Kind::end: first = last; break;
    case Key::Kind::character:
    case Key::Kind::escape: return KeyEffect::none;
    }
    first = std::min(first, last);
    return KeyEffect::redraw;
}

KeyEffect apply_character(render::PoolmonView& view, char c) {
    switch (to_lower(c)) {
    case 't': return sort_by(view, PoolmonSort::tag);
    case 'a': return sort_by(view, PoolmonSort::allocs);
    case 'f': return sort_by(view, PoolmonSort::frees);
    case 'd':
    case 's': return sort_by(view, PoolmonSort::difference); // `s` is that of older PoolMons
    case 'b': return sort_by(view, PoolmonSort::bytes);
    case 'm': return sort_by(view, PoolmonSort::per_alloc);
    case 'v': return sort_by(view, PoolmonSort::verdict);
    case '(':
    case ')': view.by_change = !view.by_change; return KeyEffect::redraw;
    case 'p':
        view.kinds = view.kinds == PoolmonKinds::both       ? PoolmonKinds::nonpaged
                     : view.kinds == PoolmonKinds::nonpaged ? PoolmonKinds::paged
                                                            : PoolmonKinds::both;
        view.first_row = 0;
        return KeyEffect::redraw;
    case 'l':
    case '/': view.highlight = !view.highlight; return KeyEffect::redraw;
    case 'e': view.totals = !view.totals; return KeyEffect::redraw;
    case '?':
    case 'h': view.help = true; return KeyEffect::redraw;
    case ' ': return KeyEffect::refresh;
    case 'q': return KeyEffect::quit;
    default: break;
    }
    return (c >= '0' && c <= '9') || c == 'i' ? KeyEffect::unsupported : KeyEffect::none;
}

} // namespace

std::vector<Key> KeyReader::feed(std::string_view bytes) {
    pending_ += bytes;
    std::vector<Key> keys;
    std::string_view rest = pending_;
    while (!rest.empty()) {
        if (rest.front() != escape) {
            keys.push_back({Key::Kind::character, rest.front()});
            rest.remove_prefix(1);
            continue;
        }
        const std::size_t length = sequence_length(rest.substr(1));
        if (length == 0) break;
        const std::string_view text = rest.substr(1, length);
        if (text[0] != '[' && text[0] != 'O') { // the key, and then another one (Alt sends that too)
            keys.push_back({Key::Kind::escape});
            rest.remove_prefix(1);
            continue;
        }
        for (const Sequence& sequence : sequences)
            if (sequence.text == text) keys.push_back({sequence.kind});
        rest.remove_prefix(1 + length);
    }
    pending_ = std::string(rest);
    return keys;
}

std::vector<Key> KeyReader::pause() {
    std::vector<Key> keys;
    if (!pending_.empty()) keys.push_back({Key::Kind::escape});
    pending_.clear();
    return keys;
}

KeyEffect apply_key(render::PoolmonView& view, Key key, std::size_t page, std::size_t rows) {
    if (view.help) {
        // Any key that means something leaves the help; the end needs `q` outside of it.
        view.help = false;
        return KeyEffect::redraw;
    }
    if (key.kind == Key::Kind::escape) return KeyEffect::quit;
    if (key.kind == Key::Kind::character) return apply_character(view, key.character);
    return scroll(view, key.kind, page, rows);
}

} // namespace poolkd::app
