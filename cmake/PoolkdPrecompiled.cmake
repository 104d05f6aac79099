# Precompiled headers, shared by all floors: a full build takes about half the time with them. Off in the presets that
# one works with, so that a missing include shows there.
option(POOLKD_PCH "Precompile the library headers that most files use" OFF)

if(POOLKD_PCH)
  file(WRITE ${CMAKE_BINARY_DIR}/pch/empty.cpp "")
  set(headers <algorithm> <array> <chrono> <cstdint> <expected> <filesystem> <functional> <map> <memory> <optional> <span>
    <string> <string_view> <unordered_map> <variant> <vector> <fmt/format.h> <nlohmann/json.hpp>)
  add_library(poolkd_pch STATIC ${CMAKE_BINARY_DIR}/pch/empty.cpp)
  target_link_libraries(poolkd_pch PRIVATE poolkd_options fmt::fmt nlohmann_json::nlohmann_json)
  target_precompile_headers(poolkd_pch PRIVATE ${headers})
  if(POOLKD_TESTS AND POOLKD_UNIT_TESTS)
    find_package(GTest REQUIRED)
    add_library(poolkd_pch_tests STATIC ${CMAKE_BINARY_DIR}/pch/empty.cpp)
    target_link_libraries(poolkd_pch_tests PRIVATE poolkd_options fmt::fmt nlohmann_json::nlohmann_json GTest::gmock)
    target_precompile_headers(poolkd_pch_tests PRIVATE ${headers} <gmock/gmock.h> <gtest/gtest.h>)
  endif()
endif()

# poolkd_precompiled(TARGET [tests]): the target uses them, where they are on.
function(poolkd_precompiled target)
  if(NOT POOLKD_PCH)
    return()
  endif()
  if("tests" IN_LIST ARGN)
    target_precompile_headers(${target} REUSE_FROM poolkd_pch_tests)
  else()
    target_precompile_headers(${target} REUSE_FROM poolkd_pch)
  endif()
endfunction()
