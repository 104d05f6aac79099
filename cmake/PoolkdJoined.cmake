# Full builds join a few sources of a folder before they compile them (CMake calls it a unity build): each header is read
# and each template made once for all of them, which takes a third of the time. Off in the presets that one works with:
# there a missing include shows, and one changed file is one compilation.
# Names in unnamed namespaces of one folder must therefore differ.
option(POOLKD_JOINED "Compile the sources of a folder a few at a time" OFF)

function(poolkd_joined target)
  if(POOLKD_JOINED)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 16)
  endif()
endfunction()
