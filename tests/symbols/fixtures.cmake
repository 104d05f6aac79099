# Images with PDBs for test_symbols, built by clang and lld: for x64 and x86, C and C++.
find_program(FIXTURE_CLANG NAMES clang-19 clang REQUIRED)
find_program(FIXTURE_LLD_LINK NAMES lld-link-19 lld-link REQUIRED)
set(fixture_source ${CMAKE_CURRENT_SOURCE_DIR}/symbols/fixtures)
set(fixture_binary ${CMAKE_CURRENT_BINARY_DIR}/symbols)
file(MAKE_DIRECTORY ${fixture_binary})
set(fixture_outputs)
function(poolkd_pdb_fixture name triple source entry)
  add_custom_command(
    OUTPUT ${fixture_binary}/${name}.sys ${fixture_binary}/${name}.pdb
    COMMAND ${FIXTURE_CLANG} --target=${triple} -g -gcodeview -O1 -fno-exceptions -fno-rtti -fms-extensions
      -ffreestanding -c ${fixture_source}/${source} -o ${name}.obj
    COMMAND ${FIXTURE_LLD_LINK} /dll /nodefaultlib /debug /entry:${entry} /subsystem:native /pdbaltpath:${name}.pdb
      /out:${name}.sys ${ARGN} ${name}.obj
    DEPENDS ${fixture_source}/${source}
    WORKING_DIRECTORY ${fixture_binary}
    COMMENT "Building the PDB fixture ${name}")
  set(fixture_outputs ${fixture_outputs} ${fixture_binary}/${name}.pdb PARENT_SCOPE)
endfunction()
poolkd_pdb_fixture(sample64 x86_64-pc-windows-msvc sample.c SampleEntry
  /export:SampleTake /export:SampleCount,DATA /export:Renamed=SampleFast /export:Elsewhere=ntoskrnl.ExFreePool)
poolkd_pdb_fixture(sample32 i686-pc-windows-msvc sample.c SampleEntry /safeseh:no /export:SampleTake)
poolkd_pdb_fixture(classes64 x86_64-pc-windows-msvc sample.cpp cpp_entry)
add_custom_target(symbols_fixtures DEPENDS ${fixture_outputs})
add_dependencies(test_symbols symbols_fixtures)
target_compile_definitions(test_symbols PRIVATE POOLKD_SYMBOL_FIXTURES="${fixture_binary}")
