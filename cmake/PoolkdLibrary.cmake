# poolkd_floor(NAME [FLOORS lower...] [LIBRARIES external...] [PRIVATE_LIBRARIES external...]): the folder of the calling
# CMakeLists as one library. Private libraries are seen by no floor above (and their definitions do not suit the
# precompiled headers).
# The list after FLOORS names only lower floors; tests/structure checks the includes against the same order.
function(poolkd_floor name)
  cmake_parse_arguments(arg "" "" "FLOORS;LIBRARIES;PRIVATE_LIBRARIES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp)
  if(sources)
    add_library(poolkd_${name} STATIC ${sources})
    if(NOT arg_PRIVATE_LIBRARIES)
      poolkd_precompiled(poolkd_${name})
    endif()
    target_link_libraries(poolkd_${name} PRIVATE ${arg_PRIVATE_LIBRARIES})
    set(scope PUBLIC)
  else()
    add_library(poolkd_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(poolkd_${name} ${scope} $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src>)
  target_link_libraries(poolkd_${name} ${scope} poolkd_options ${arg_LIBRARIES})
  foreach(floor ${arg_FLOORS})
    target_link_libraries(poolkd_${name} ${scope} poolkd_${floor})
  endforeach()
endfunction()
