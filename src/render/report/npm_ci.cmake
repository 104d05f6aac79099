# npm_ci.cmake: installs the packages that SOURCE/package-lock.json names into BUILD/node_modules, without running any
# script of theirs.
file(COPY ${SOURCE}/package.json ${SOURCE}/package-lock.json DESTINATION ${BUILD})
execute_process(COMMAND ${NPM} ci --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error
  WORKING_DIRECTORY ${BUILD} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT result EQUAL 0)
  message("${output}")
  message(FATAL_ERROR "npm could not fetch the libraries of the HTML report. Without a network build without them: "
    "cmake -DPOOLKD_REPORT_BUNDLE=OFF BUILD-FOLDER")
endif()
file(WRITE ${BUILD}/installed "")
