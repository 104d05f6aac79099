# The HTML report's page (docs/report.md): page.html, page.css and page.js become texts in the program. The script is bundled
# with libraries from npm, at the versions of package-lock.json, in the build folder. A build without
# (POOLKD_REPORT_BUNDLE=OFF) makes reports without script: all is in them, nothing can be clicked.
option(POOLKD_REPORT_BUNDLE "Put the script with its libraries from npm into the HTML report" ON)

set(report_source ${CMAKE_CURRENT_LIST_DIR})
set(report_build ${CMAKE_CURRENT_BINARY_DIR}/report)
file(MAKE_DIRECTORY ${report_build})
set(report_inputs ${report_source}/page.html)
if(POOLKD_REPORT_BUNDLE)
  find_program(POOLKD_NPM npm)
  find_program(POOLKD_NODE NAMES node nodejs)
  if(NOT POOLKD_NPM OR NOT POOLKD_NODE)
    message(FATAL_ERROR "The script of the HTML report needs npm and node, which are not there. Install them (Debian: "
      "apt-get install npm), or build without the script: -DPOOLKD_REPORT_BUNDLE=OFF")
  endif()
  add_custom_command(OUTPUT ${report_build}/installed
    COMMAND ${CMAKE_COMMAND} -DNPM=${POOLKD_NPM} -DSOURCE=${report_source} -DBUILD=${report_build}
      -P ${report_source}/npm_ci.cmake
    DEPENDS ${report_source}/package.json ${report_source}/package-lock.json ${report_source}/npm_ci.cmake
    COMMENT "Fetching the libraries of the HTML report" VERBATIM)
  file(GLOB report_scripts CONFIGURE_DEPENDS ${report_source}/*.js)
  set(report_style ${report_build}/style.css)
  set(report_script ${report_build}/script.js)
  add_custom_command(OUTPUT ${report_style} ${report_script} ${report_build}/script.hash ${report_build}/licences.txt
    COMMAND ${POOLKD_NODE} ${report_source}/bundle.mjs ${report_build}
    DEPENDS ${report_build}/installed ${report_source}/bundle.mjs ${report_source}/page.css ${report_scripts}
    COMMENT "Bundling the script of the HTML report" VERBATIM)
  list(APPEND report_inputs ${report_style} ${report_script})
  install(FILES ${report_build}/licences.txt DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME report-licences.txt)
else()
  set(report_style ${report_source}/page.css)
  list(APPEND report_inputs ${report_style})
endif()
add_custom_command(OUTPUT ${report_build}/report_page.cpp
  COMMAND ${CMAKE_COMMAND} -DOUT=${report_build}/report_page.cpp -DPAGE=${report_source}/page.html -DSTYLE=${report_style}
    -DSCRIPT=${report_script} -DHASH=${report_build}/script.hash -P ${report_source}/embed.cmake
  DEPENDS ${report_inputs} ${report_source}/embed.cmake COMMENT "" VERBATIM)
target_sources(poolkd_render PRIVATE ${report_build}/report_page.cpp)
