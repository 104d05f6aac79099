# Full builds join a few sources of a folder before they compile them (CMake calls it a unity build): each header is read
# and each template made once for all of them, which takes a third of the time. Off in the presets that one works with:
# there a missing include and a shadowed name show, and one changed file is one compilation.
# Names in unnamed namespaces of one folder must therefore differ.
option(POOLKD_JOINED "Compile the sources of a folder a few at a time" OFF)

# poolkd_joined(TARGET [APART source...]): APART: sources that cannot stand beside others.
function(poolkd_joined target)
  cmake_parse_arguments(arg "" "" "APART" ${ARGN})
  if(NOT POOLKD_JOINED)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  target_compile_options(${target} PRIVATE -Wno-shadow)
  if(arg_APART)
    set_source_files_properties(${arg_APART} TARGET_DIRECTORY ${target} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
endfunction()
