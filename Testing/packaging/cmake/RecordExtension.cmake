# In the place of Slicer_EXTENSION_GENERATE_CONFIG: the description of the extension must be whole.
foreach(
  field
  HOMEPAGE
  CONTRIBUTORS
  DESCRIPTION
  ICONURL
  SCREENSHOTURLS
  DEPENDS
  )
  if(NOT EXTENSION_${field})
    message(FATAL_ERROR "EXTENSION_${field} is not set")
  endif()
  file(APPEND ${CMAKE_BINARY_DIR}/extension.txt "${field}=${EXTENSION_${field}}\n")
endforeach()
