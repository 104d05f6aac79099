#pragma once

#include <nlohmann/json.hpp>

#include <map>
#include <string>
#include <string_view>

namespace poolkd::render {

/// Text for any place between tags or in a quoted attribute, whatever it holds: names come from the target. Bytes that
/// are no UTF-8, control characters, and characters that turn the direction of writing become U+FFFD.
[[nodiscard]] std::string html_text(std::string_view text);

/// JSON that can stand in a script element: nothing in it ends or opens one.
[[nodiscard]] std::string html_json(const nlohmann::json& json);

/// A page with its places `{{name}}` filled. What is filled in is not searched for places again; one without a value is
/// left empty.
[[nodiscard]] std::string html_page(std::string_view page, const std::map<std::string_view, std::string>& values);

} // namespace poolkd::render
