# What `cmake --install` adds to the programs and libTerse.so: headers, TableGen
# files and the CMake package, so that a pass or dialect can be built outside
# the tree.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Terse)
foreach(dir include dialects passes)
  foreach(base ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
    install(DIRECTORY ${base}/${dir}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
      FILES_MATCHING PATTERN "*.h" PATTERN "*.td" PATTERN "*.inc"
      PATTERN "CMakeFiles" EXCLUDE PATTERN "test" EXCLUDE)
  endforeach()
endforeach()

configure_package_config_file(tools/TerseConfig.cmake.in
  ${PROJECT_BINARY_DIR}/TerseConfig.cmake INSTALL_DESTINATION ${package_dir}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_BINDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/TerseConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/TerseConfig.cmake ${PROJECT_BINARY_DIR}/TerseConfigVersion.cmake
  dialects/AddDialect.cmake passes/AddPass.cmake passes/PluginEntry.cpp.in
  test/lit.cfg.py test/lit.site.cfg.py.in
  DESTINATION ${package_dir})
install(EXPORT TerseTargets DESTINATION ${package_dir})
install(PROGRAMS passes/new-pass DESTINATION ${CMAKE_INSTALL_BINDIR} RENAME terse-new-pass)
