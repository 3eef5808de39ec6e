# terse_add_pass(NAME [SOURCES...] [LINK libs])
#
# The CMakeLists.txt of a pass folder `passes/<stage>/NAME` is this one line.
# It takes NAME.td and every .cpp file of the folder (or SOURCES), writes
# `<stage>/NAME/NAME.h.inc`, registers the pass in every tool and documents it.
# lit finds `test/` by itself.
function(terse_add_pass name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  set(sources ${ARG_UNPARSED_ARGUMENTS})
  if(NOT sources)
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  endif()
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR}/passes ${CMAKE_CURRENT_SOURCE_DIR})
  terse_tablegen(${name}.h.inc ${name}.td -gen-pass-decls -name ${name})
  terse_tablegen(${name}.md ${name}.td -gen-pass-doc)
  add_custom_target(${name}PassGenerated DEPENDS ${TABLEGEN_OUTPUT})
  add_dependencies(terse_generated ${name}PassGenerated)
  terse_add_library(Terse${name}Pass ${sources} LINK ${ARG_LINK})
  set_property(GLOBAL APPEND PROPERTY TERSE_PASSES "${folder}/${name}")
endfunction()

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
