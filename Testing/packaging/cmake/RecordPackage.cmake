# In the place of Slicer_EXTENSION_CPACK, which must come after the description.
file(APPEND ${CMAKE_BINARY_DIR}/extension.txt "package=${PROJECT_NAME}\n")
