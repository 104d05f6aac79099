# The machines themselves: each check boots its own QEMU on images that the whole project builds.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
foreach(images x64/era10/seed0 x64/era7/seed1 x64/era11/seed1 x86/era10/seed0 x86/era10/seed1)
  string(REPLACE "/" "." name ${images})
  set(checks kd_smoke kernel_check pool_smoke)
  if(images MATCHES "x64/era(7|10)")
    list(APPEND checks processors_check)
  endif()
  foreach(check ${checks})
    add_test(NAME lab.${check}.${name}
      COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_CURRENT_LIST_DIR}/${check}.py ${CMAKE_BINARY_DIR}/lab/${images})
    set_tests_properties(lab.${check}.${name} PROPERTIES LABELS live TIMEOUT 300)
  endforeach()
endforeach()
