# Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
#
# What is installed: the library, the public headers, the command, and the
# descriptions that find_package and pkg-config read.

include(CMakePackageConfigHelpers)

set(MPOOL_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/mpool)

install(TARGETS mpool EXPORT mpool-targets)
install(DIRECTORY include/mpool DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h" PATTERN "*.def")
install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(TARGET mpool_tool)
  install(TARGETS mpool_tool)
endif()

install(EXPORT mpool-targets NAMESPACE mpool:: DESTINATION ${MPOOL_CMAKE_DIR})
configure_package_config_file(cmake/mpool-config.cmake.in
  ${PROJECT_BINARY_DIR}/mpool-config.cmake
  INSTALL_DESTINATION ${MPOOL_CMAKE_DIR})
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/mpool-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/mpool-config.cmake
              ${PROJECT_BINARY_DIR}/mpool-config-version.cmake
        DESTINATION ${MPOOL_CMAKE_DIR})

# A program that links the static library must link what that one needs. The
# names are those of the root's lists, as pkg-config spells them.
set(MPOOL_PC_PRIVATE zlib)
foreach(kind PUBLIC PRIVATE)
  foreach(lib IN LISTS MPOOL_${kind}_LIBS)
    if(lib MATCHES "^absl::(.+)")
      list(APPEND MPOOL_PC_${kind} absl_${CMAKE_MATCH_1})
    endif()
  endforeach()
  list(JOIN MPOOL_PC_${kind} " " MPOOL_PC_${kind})
endforeach()
if(BUILD_SHARED_LIBS)
  set(MPOOL_PC_REQUIRES "${MPOOL_PC_PUBLIC}")
  set(MPOOL_PC_REQUIRES_PRIVATE "${MPOOL_PC_PRIVATE}")
else()
  set(MPOOL_PC_REQUIRES "${MPOOL_PC_PUBLIC} ${MPOOL_PC_PRIVATE}")
  set(MPOOL_PC_REQUIRES_PRIVATE "")
endif()
file(RELATIVE_PATH MPOOL_PC_PREFIX
     /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" MPOOL_PC_PREFIX "${MPOOL_PC_PREFIX}")
configure_file(cmake/mpool.pc.in ${PROJECT_BINARY_DIR}/mpool.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/mpool.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
