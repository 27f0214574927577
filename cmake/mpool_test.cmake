# Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

# mpool_test(name SOURCES a_test.cc ... [LIBS target ...] [TIMEOUT seconds])
#
# Makes a GoogleTest program and one ctest entry for each of its cases. Does
# nothing without MPOOL_BUILD_TESTS.
function(mpool_test name)
  if(NOT MPOOL_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LIBS")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
    message(FATAL_ERROR "mpool_test(${name} SOURCES ... [LIBS ...])")
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE
    mpool_core ${arg_LIBS} GTest::gmock GTest::gtest_main)
  set(properties)
  if(arg_TIMEOUT)
    set(properties PROPERTIES TIMEOUT ${arg_TIMEOUT})
  endif()
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 ${properties})
endfunction()

if(MPOOL_BUILD_TESTS)
  include(GoogleTest)
endif()
