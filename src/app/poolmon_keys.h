#pragma once

#include "render/poolmon.h"

#include <string>
#include <string_view>
#include <vector>

namespace poolkd::app {

struct Key {
    enum class Kind { character, escape, up, down, page_up, page_down, home, end };
    Kind kind = Kind::character;
    char character = 0;

    bool operator==(const Key&) const = default;
};

/// Makes keys of what a terminal sends. Escape is a key and the beginning of others: `pause` says that nothing came
/// after it.
class KeyReader {
  public:
    std::vector<Key> feed(std::string_view bytes);
    std::vector<Key> pause();

  private:
    std::string pending_;
};

/// What a key asks of the program beside the change of the view.
enum class KeyEffect {
    none,
    redraw,
    refresh, ///< read the target now
    quit,
    unsupported, ///< a key of PoolMon's that means nothing here: session pools
};

/// PoolMon's keys (commands.md 13.2) and ours. `page` is the number of rows shown, `rows` that of all there are.
KeyEffect apply_key(render::PoolmonView& view, Key key, std::size_t page, std::size_t rows);

} // namespace poolkd::app
