# terse_add_pass(NAME [PLUGIN] [SOURCES...] [LINK libs])
#
# The CMakeLists.txt of a pass folder `passes/<stage>/NAME` is this one line.
# It takes NAME.td and every .cpp file of the folder (or SOURCES), writes
# `<stage>/NAME/NAME.h.inc`, registers the pass in every tool and documents it.
# lit finds `test/` by itself.
#
# PLUGIN: the folder becomes `plugins/NAME.so` instead, for --load-pass-plugin
# of every tool. In a project that found the installed package it is the only
# form, and the target `check` runs the folder's tests.
function(terse_add_pass name)
  cmake_parse_arguments(ARG "PLUGIN" "" "LINK" ${ARGN})
  set(sources ${ARG_UNPARSED_ARGUMENTS})
  if(NOT sources)
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  endif()
  terse_tablegen(${name}.h.inc ${name}.td -gen-pass-decls -name ${name})
  terse_tablegen(${name}.md ${name}.td -gen-pass-doc)
  add_custom_target(${name}PassGenerated DEPENDS ${TABLEGEN_OUTPUT})
  if(ARG_PLUGIN)
    set(entry ${CMAKE_CURRENT_BINARY_DIR}/${name}Entry.cpp)
    configure_file(${TERSE_PASS_CMAKE_DIR}/PluginEntry.cpp.in ${entry} @ONLY)
    terse_add_plugin(${name} ${sources} ${entry} LINK ${ARG_LINK})
    add_dependencies(${name} ${name}PassGenerated)
    return()
  endif()
  if(TERSE_INSTALLED)
    message(FATAL_ERROR "terse_add_pass(${name}): expected PLUGIN outside Terse's own tree")
  endif()
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR}/passes ${CMAKE_CURRENT_SOURCE_DIR})
  get_filename_component(stage ${folder} DIRECTORY)
  terse_add_doc(passes/${stage} ${name})
  add_dependencies(terse_generated ${name}PassGenerated)
  terse_add_library(Terse${name}Pass ${sources} LINK ${ARG_LINK})
  target_include_directories(Terse${name}Pass PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
  set_property(GLOBAL APPEND PROPERTY TERSE_PASSES "${folder}/${name}")
endfunction()

# terse_add_plugin(NAME SOURCES... [LINK libs]): the loadable `plugins/NAME.so`.
# One source has an entry point (MLIR's, for passes or a dialect) and
# TERSE_DEFINE_PLUGIN_VERSION.
function(terse_add_plugin name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_library(${name} MODULE ${ARG_UNPARSED_ARGUMENTS})
  terse_compiler_settings(${name})
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
  target_link_libraries(${name} PRIVATE Terse ${ARG_LINK})
  set_target_properties(${name} PROPERTIES PREFIX ""
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/plugins)
  if(TERSE_INSTALLED)
    terse_add_check()
    add_dependencies(check ${name})
  endif()
endfunction()

set(TERSE_PASS_CMAKE_DIR ${CMAKE_CURRENT_LIST_DIR})

# Writes `terse/Passes.h` (declarations of all passes) and
# `terse/PassRegistration.inc` (their registration) from the folders above.
function(terse_write_pass_registry)
  get_property(passes GLOBAL PROPERTY TERSE_PASSES)
  list(SORT passes)
  set(header "// Written by terse_add_pass: every pass of the tree.\n#ifndef TERSE_PASSES_H\n#define TERSE_PASSES_H\n#include \"mlir/Pass/Pass.h\"\n#include \"mlir/Pass/PassRegistry.h\"\n\nnamespace terse {\n")
  set(registration "// Written by terse_add_pass.\n")
  foreach(pass ${passes})
    get_filename_component(name ${pass} NAME)
    string(APPEND header "#define GEN_PASS_DECL\n#define GEN_PASS_REGISTRATION\n#include \"${pass}.h.inc\"\n#undef GEN_PASS_DECL\n#undef GEN_PASS_REGISTRATION\n")
    string(APPEND registration "register${name}Passes();\n")
  endforeach()
  string(APPEND header "} // namespace terse\n\n#endif // TERSE_PASSES_H\n")
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/include/terse/Passes.h CONTENT "${header}" @ONLY)
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/include/terse/PassRegistration.inc CONTENT "${registration}" @ONLY)
endfunction()
