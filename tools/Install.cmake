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
# The runtime is a package of its own: its users need no LLVM.
set(runtime_dir ${CMAKE_INSTALL_LIBDIR}/cmake/TerseRuntime)
install(TARGETS terse_rt terse_rt_static terse_sentencepiece EXPORT TerseRuntimeTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS terse-run terse-bench RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS terse_run_main ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT TerseRuntimeTargets DESTINATION ${runtime_dir})
file(WRITE ${PROJECT_BINARY_DIR}/TerseRuntimeConfig.cmake
"# find_package(TerseRuntime): the libraries terse_rt (shared) and terse_rt_static,
# which run compiled models from C and C++ (terse-c/terse.h).
include(CMakeFindDependencyMacro)
find_dependency(Threads)
include(\${CMAKE_CURRENT_LIST_DIR}/TerseRuntimeTargets.cmake)
")
write_basic_package_version_file(${PROJECT_BINARY_DIR}/TerseRuntimeConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/TerseRuntimeConfig.cmake
  ${PROJECT_BINARY_DIR}/TerseRuntimeConfigVersion.cmake DESTINATION ${runtime_dir})
install(PROGRAMS passes/new-pass DESTINATION ${CMAKE_INSTALL_BINDIR} RENAME terse-new-pass)
# What users of other languages begin with: `pip install <prefix>/share/terse/python`.
install(DIRECTORY python include/terse-c/example DESTINATION ${CMAKE_INSTALL_DATADIR}/terse
  PATTERN "__pycache__" EXCLUDE PATTERN "*.pyc" EXCLUDE)
# `terse-bench --peers`.
install(DIRECTORY tools/terse-bench/peers DESTINATION ${CMAKE_INSTALL_DATADIR}/terse
  FILES_MATCHING PATTERN "*.py" PATTERN "__pycache__" EXCLUDE)
install(FILES test/FullSize/Inputs/llama.py test/FullSize/Inputs/shapes.py
  DESTINATION ${CMAKE_INSTALL_DATADIR}/terse/peers)
