# In joined sources a local name may well be one of a neighbour's.
set(shadow -Wshadow)
if(POOLKD_JOINED AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(shadow -Wshadow=local)
elseif(POOLKD_JOINED)
  set(shadow)
endif()
# One interface target carries what every file of ours is compiled with.
add_library(poolkd_options INTERFACE)
target_compile_options(poolkd_options INTERFACE
  -Wall -Wextra -Wpedantic -Werror ${shadow} -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual
  -Wcast-align -Wunused -Wnull-dereference -Wdouble-promotion -Wimplicit-fallthrough)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports false positives of these in libstdc++ and fmt at -O2.
  target_compile_options(poolkd_options INTERFACE -Wno-null-dereference -Wno-maybe-uninitialized -Wno-restrict
    -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds -Wno-dangling-pointer)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # libstdc++ 12 calls a function of its own in std::stable_sort that it has deprecated.
  target_compile_options(poolkd_options INTERFACE -Wno-deprecated-declarations)
endif()
if(POOLKD_SANITIZE)
  # For all that is built here, so also for the lab's own code where a test compiles it for the host.
  add_compile_options(-fsanitize=${POOLKD_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${POOLKD_SANITIZE})
  # Checks of each pointer that is used, a quarter of the time to compile: a null one is seen by AddressSanitizer too, and
  # -Wcast-align keeps pointers from becoming misaligned. The fuzzers have them.
  if(POOLKD_SANITIZE_EXCEPT)
    add_compile_options(-fno-sanitize=${POOLKD_SANITIZE_EXCEPT})
  endif()
endif()
