# poolkd_unit_tests(TARGET [SUFFIX text] [PROPERTIES ...]): the tests of a GoogleTest program. Each is one of ctest's, or,
# where starting a program costs more than most tests do, the program is: then GTEST_OUTPUT tells what ran in it.
include(GoogleTest)

option(POOLKD_WHOLE_PROGRAMS "One ctest test for each program of unit tests" OFF)

function(poolkd_unit_tests target)
  cmake_parse_arguments(arg "" "SUFFIX" "PROPERTIES" ${ARGN})
  if(POOLKD_WHOLE_PROGRAMS)
    add_test(NAME ${target} COMMAND ${target})
    if(arg_PROPERTIES)
      set_tests_properties(${target} PROPERTIES ${arg_PROPERTIES})
    endif()
  else()
    gtest_discover_tests(${target} TEST_SUFFIX "${arg_SUFFIX}" DISCOVERY_TIMEOUT 60 PROPERTIES ${arg_PROPERTIES})
  endif()
endfunction()
