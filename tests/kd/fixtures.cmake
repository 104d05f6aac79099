# The recorded conversations are gzip files.
target_link_libraries(test_kd PRIVATE z)
