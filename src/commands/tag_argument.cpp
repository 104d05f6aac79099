#include "commands/tag_argument.h"

#include "debugger/number.h"

namespace poolkd::commands {

Result<PoolTag> tag_argument(debugger::Session& session, debugger::Arguments& arguments) {
    debugger::Arguments here = arguments;
    if (arguments.peek() == '\'' || arguments.peek() == '@' || arguments.peek() == '(') {
        POOLKD_TRY(std::uint64_t value, session.expression(arguments));
        return PoolTag(static_cast<std::uint32_t>(value));
    }
    bool quoted = arguments.peek() == '"';
    std::string text = arguments.text();
    if (!quoted && (text.size() == 8 || text.starts_with("0x") || text.starts_with("0X"))) {
        auto number = debugger::read_number_word(text, 16);
        if (number.kind == debugger::NumberWord::Kind::number) return PoolTag(static_cast<std::uint32_t>(number.value));
    }
    if (auto tag = PoolTag::from_text(text)) return *tag;
    if (text.find('!') != std::string::npos && session.has_target()) {
        POOLKD_TRY(std::uint64_t address, session.evaluate_text(text));
        POOLKD_TRY(std::uint64_t value, memory::read_unsigned(session.memory(), VirtAddr(address), 4));
        return PoolTag(static_cast<std::uint32_t>(value));
    }
    return session.caret_error(here, "Syntax error");
}

} // namespace poolkd::commands
