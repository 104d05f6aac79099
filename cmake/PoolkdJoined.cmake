# Full builds join a few sources of a folder of src/ before they compile them (CMake calls it a unity build): each header is read
# and each template made once for all of them, which takes a third of the time. Off in the presets that one works with:
# there a missing include and a shadowed name show, and one changed file is one compilation.
# Names in unnamed namespaces of one folder must therefore differ; folders where they do not yet are listed here.
option(POOLKD_JOINED "Compile the sources of a folder a few at a time" OFF)
set(POOLKD_APART poolkd_kd poolkd_pool poolkd_hunt poolkd_render poolkd_debugger poolkd_commands)

function(poolkd_joined target)
  if(NOT POOLKD_JOINED OR target IN_LIST POOLKD_APART)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  target_compile_options(${target} PRIVATE -Wno-shadow)
endfunction()
