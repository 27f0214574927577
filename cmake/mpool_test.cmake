# Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

# mpool_test(name SOURCES a_test.cc ... [LIBS target ...] [TIMEOUT seconds]
#            [OPTIMIZED])
#
# Makes a GoogleTest program and one ctest entry for each of its cases. Does
# nothing without MPOOL_BUILD_TESTS. The library that it tests is built as it is
# for everybody; the test's own code is neither optimized nor checked by UBSan,
# but with OPTIMIZED, for most of the time of a test run is the compiler's.
function(mpool_test name)
  if(NOT MPOOL_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "OPTIMIZED" "TIMEOUT" "SOURCES;LIBS")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
    message(FATAL_ERROR "mpool_test(${name} SOURCES ... [LIBS ...])")
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE
    mpool_core ${arg_LIBS} GTest::gmock GTest::gtest_main)
  if(NOT arg_OPTIMIZED)
    mpool_quick_to_build(${name})
  endif()
  set(properties)
  if(arg_TIMEOUT)
    set(properties PROPERTIES TIMEOUT ${arg_TIMEOUT})
  endif()
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 ${properties})
endfunction()

# The precompiled headers are for what links GoogleTest.
function(mpool_quick_to_build name)
  target_compile_options(${name} PRIVATE -O0 -g1)
  if("undefined" IN_LIST MPOOL_SANITIZE)
    target_compile_options(${name} PRIVATE -fno-sanitize=undefined)
  endif()
  get_target_property(libraries ${name} LINK_LIBRARIES)
  if(MPOOL_PRECOMPILE AND "GTest::gmock" IN_LIST libraries AND
     NOT name STREQUAL "mpool_test_headers")
    target_precompile_headers(${name} REUSE_FROM mpool_test_headers)
  endif()
endfunction()

if(MPOOL_BUILD_TESTS)
  include(GoogleTest)
  if(MPOOL_PRECOMPILE)
    file(WRITE ${PROJECT_BINARY_DIR}/test_headers.cc "")
    add_library(mpool_test_headers OBJECT ${PROJECT_BINARY_DIR}/test_headers.cc)
    target_link_libraries(mpool_test_headers PRIVATE absl::status
      absl::statusor absl::strings absl::time GTest::gmock Threads::Threads)
    mpool_precompile(mpool_test_headers <random> <gmock/gmock.h> <gtest/gtest.h>)
    mpool_quick_to_build(mpool_test_headers)
  endif()
endif()
