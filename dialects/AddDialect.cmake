# terse_add_library(NAME SOURCES... [DEPENDS targets])
#
# One folder's part of the compiler. All parts are linked into one shared
# library, `libTerse.so`, so that tools and plug-ins share one copy of every
# dialect's type identifiers.

# The installed package (TerseConfig.cmake) includes this file too: there
# TERSE_INCLUDE_DIRS is set, and a project of a user's has no precompiled header.
if(TERSE_INSTALLED)
  set(TERSE_PCH OFF)
else()
  option(TERSE_PCH "Precompile MLIR's headers" ON)
  set(TERSE_INCLUDE_DIRS
    ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/include
    ${PROJECT_SOURCE_DIR}/dialects ${PROJECT_BINARY_DIR}/dialects
    ${PROJECT_SOURCE_DIR}/passes ${PROJECT_BINARY_DIR}/passes)
  configure_file(${PROJECT_SOURCE_DIR}/include/terse/Support/PluginVersion.h.in
    ${PROJECT_BINARY_DIR}/include/terse/Support/PluginVersion.h @ONLY)
endif()
set(TERSE_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=")

if(TERSE_SANITIZE)
  add_compile_options(-fsanitize=${TERSE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize=vptr,function
    -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TERSE_SANITIZE})
endif()
# What a program that is linked to MLIR needs then.
set(TERSE_SANITIZER_DEFAULTS)
if(TERSE_SANITIZE AND NOT TERSE_INSTALLED)
  set(TERSE_SANITIZER_DEFAULTS ${PROJECT_SOURCE_DIR}/lib/Support/SanitizerDefaults.cpp)
endif()

# Compile settings of everything that includes MLIR's headers.
add_library(terse_compile_settings INTERFACE)
target_include_directories(terse_compile_settings INTERFACE ${TERSE_INCLUDE_DIRS})
target_include_directories(terse_compile_settings SYSTEM INTERFACE ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
separate_arguments(TERSE_LLVM_DEFINITIONS NATIVE_COMMAND "${LLVM_DEFINITIONS}")
target_compile_definitions(terse_compile_settings INTERFACE ${TERSE_LLVM_DEFINITIONS})
target_compile_features(terse_compile_settings INTERFACE cxx_std_17)
target_compile_options(terse_compile_settings INTERFACE
  -fno-rtti -fno-exceptions -fvisibility-inlines-hidden -Wall -Wextra -Wno-unused-parameter)

if(TERSE_PCH)
  file(WRITE ${PROJECT_BINARY_DIR}/pch_anchor.cpp "")
  add_library(terse_pch OBJECT ${PROJECT_BINARY_DIR}/pch_anchor.cpp)
  target_link_libraries(terse_pch PRIVATE terse_compile_settings)
  # Without the time stamp the precompiled header is the same for the same
  # sources, so ccache recognises it.
  add_compile_options("$<$<COMPILE_LANG_AND_ID:CXX,Clang>:SHELL:-Xclang -fno-pch-timestamp>")
  target_compile_options(terse_pch PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  target_precompile_headers(terse_pch PRIVATE ${PROJECT_SOURCE_DIR}/include/terse/Support/Precompiled.h)
endif()

function(terse_compiler_settings target)
  target_link_libraries(${target} PRIVATE terse_compile_settings)
  if(TERSE_PCH)
    target_precompile_headers(${target} REUSE_FROM terse_pch)
  endif()
  add_dependencies(${target} terse_generated)
endfunction()

# Everything that TableGen writes; sources may include any of it.
add_custom_target(terse_generated)

function(terse_add_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK" ${ARGN})
  add_library(${name} OBJECT ${ARG_UNPARSED_ARGUMENTS})
  terse_compiler_settings(${name})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  set_property(GLOBAL APPEND PROPERTY TERSE_LIBRARIES ${name})
  set_property(GLOBAL APPEND PROPERTY TERSE_LINK ${ARG_LINK})
endfunction()

# terse_link_parts(NAME PARTS...): the shared library of these object libraries.
function(terse_link_parts name)
  get_property(extra GLOBAL PROPERTY TERSE_LINK)
  set(objects)
  foreach(part ${ARGN})
    list(APPEND objects $<TARGET_OBJECTS:${part}>)
  endforeach()
  add_library(${name} SHARED ${objects})
  target_link_libraries(${name} PUBLIC MLIR LLVM PRIVATE ${extra} Threads::Threads)
endfunction()

function(terse_link_compiler_library)
  get_property(parts GLOBAL PROPERTY TERSE_LIBRARIES)
  terse_link_parts(Terse ${parts})
  if(NOT TERSE_SANITIZE) # the sanitizers' functions are in the program
    target_link_options(Terse PRIVATE -Wl,--no-undefined)
  endif()
  set_target_properties(Terse PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0)
  install(TARGETS Terse EXPORT TerseTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endfunction()

# terse_add_tool(NAME SOURCES...): a program linked to the compiler library.
function(terse_add_tool name)
  add_executable(${name} ${ARGN} ${TERSE_SANITIZER_DEFAULTS})
  terse_compiler_settings(${name})
  # The precompiled header was made for -fPIC, which serves a program as well.
  target_compile_options(${name} PRIVATE -fPIC)
  target_link_libraries(${name} PRIVATE Terse)
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

# terse_tablegen(OUTPUT SOURCE flags...)
function(terse_tablegen output source)
  set(LLVM_TARGET_DEFINITIONS ${source})
  mlir_tablegen(${output} ${ARGN} EXTRA_INCLUDES ${TERSE_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
  set(TABLEGEN_OUTPUT ${TABLEGEN_OUTPUT} PARENT_SCOPE)
endfunction()

# terse_add_dialect(NAME SOURCES... [TD files])
#
# A folder `dialects/NAME` with NAMEDialect.td, NAMEAttrs.td, NAMEInterfaces.td
# and NAMEOps.td (which includes the op files). Writes `NAME/NAME*.h.inc`.
function(terse_add_dialect name)
  cmake_parse_arguments(ARG "" "" "OP_INTERFACES;LINK" ${ARGN})
  string(TOLOWER ${name} prefix)
  terse_tablegen(${name}Dialect.h.inc ${name}Dialect.td -gen-dialect-decls -dialect=${prefix})
  terse_tablegen(${name}Dialect.cpp.inc ${name}Dialect.td -gen-dialect-defs -dialect=${prefix})
  terse_tablegen(${name}Enums.h.inc ${name}Attrs.td -gen-enum-decls)
  terse_tablegen(${name}Enums.cpp.inc ${name}Attrs.td -gen-enum-defs)
  terse_tablegen(${name}Attrs.h.inc ${name}Attrs.td -gen-attrdef-decls -attrdefs-dialect=${prefix})
  terse_tablegen(${name}Attrs.cpp.inc ${name}Attrs.td -gen-attrdef-defs -attrdefs-dialect=${prefix})
  terse_tablegen(${name}Interfaces.h.inc ${name}Interfaces.td -gen-op-interface-decls)
  terse_tablegen(${name}Interfaces.cpp.inc ${name}Interfaces.td -gen-op-interface-defs)
  terse_tablegen(${name}AttrInterfaces.h.inc ${name}Interfaces.td -gen-attr-interface-decls)
  terse_tablegen(${name}AttrInterfaces.cpp.inc ${name}Interfaces.td -gen-attr-interface-defs)
  terse_tablegen(${name}Ops.h.inc ${name}Ops.td -gen-op-decls -dialect=${prefix})
  terse_tablegen(${name}Ops.cpp.inc ${name}Ops.td -gen-op-defs -dialect=${prefix})
  terse_tablegen(${name}.md ${name}Ops.td -gen-dialect-doc -dialect=${prefix})
  add_custom_target(${name}DialectGenerated DEPENDS ${TABLEGEN_OUTPUT})
  add_dependencies(terse_generated ${name}DialectGenerated)
  terse_add_library(Terse${name}Dialect ${ARG_UNPARSED_ARGUMENTS} LINK ${ARG_LINK})
  terse_add_doc(dialects ${name})
endfunction()

# terse_add_doc(FOLDER NAME): the page NAME.md that TableGen writes in this
# folder is collected as docs/FOLDER/NAME.md.
function(terse_add_doc folder name)
  set_property(GLOBAL APPEND PROPERTY TERSE_DOCS "${folder}/${name}")
  set_property(GLOBAL APPEND PROPERTY TERSE_DOC_FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.md)
endfunction()

# The target `docs`: every page, in docs/ of the build folder, and an index.
function(terse_collect_docs)
  get_property(docs GLOBAL PROPERTY TERSE_DOCS)
  get_property(files GLOBAL PROPERTY TERSE_DOC_FILES)
  set(index "# Terse: dialects and passes\n\n")
  set(outputs)
  foreach(doc file IN ZIP_LISTS docs files)
    string(APPEND index "- [${doc}](${doc}.md)\n")
    set(output ${PROJECT_BINARY_DIR}/docs/${doc}.md)
    add_custom_command(OUTPUT ${output} DEPENDS ${file}
      COMMAND ${CMAKE_COMMAND} -E copy ${file} ${output} COMMENT "")
    list(APPEND outputs ${output})
  endforeach()
  # A page of a pass that is gone would stay otherwise.
  file(GLOB_RECURSE pages ${PROJECT_BINARY_DIR}/docs/*/*.md)
  list(REMOVE_ITEM pages ${outputs} "")
  if(pages)
    file(REMOVE ${pages})
  endif()
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/docs/README.md CONTENT "${index}" @ONLY)
  add_custom_target(docs ALL DEPENDS ${outputs})
  add_dependencies(docs terse_generated)
  install(DIRECTORY ${PROJECT_BINARY_DIR}/docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR})
endfunction()
