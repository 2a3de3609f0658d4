# What find_package(Slicer) of the extension finds: the variables that an extension uses.
set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/UseSlicerStub.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/RecordExtension.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/RecordPackage.cmake)
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR lib/Slicer-5.12/qt-scripted-modules)
