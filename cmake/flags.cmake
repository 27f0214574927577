# Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
#
# How the project's own targets are compiled: warnings, hidden symbols,
# sanitizers, coverage, ccache, precompiled headers.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

add_compile_options(-Wall -Wextra -Wshadow -Wconversion)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  add_compile_options(-Wthread-safety -Werror=thread-safety)
endif()
if(MPOOL_WERROR)
  add_compile_options(-Werror)
endif()

if(MPOOL_SANITIZE)
  string(REPLACE ";" "," sanitizers "${MPOOL_SANITIZE}")
  add_compile_options(-O1 -g1 -fno-omit-frame-pointer
    -fsanitize=${sanitizers} -fno-sanitize-recover=all)
  # The check of an object's type needs a pipe. Tests run without descriptors.
  add_compile_options(-fno-sanitize=vptr)
  add_link_options(-fsanitize=${sanitizers} -fno-sanitize=vptr)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # The checks that the sanitizers add make g++ see paths that are not there.
    add_compile_options(-Wno-maybe-uninitialized)
  endif()
endif()

if(MPOOL_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()

if(PROJECT_IS_TOP_LEVEL AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(MPOOL_CCACHE ccache)
  mark_as_advanced(MPOOL_CCACHE)
  if(MPOOL_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros ${MPOOL_CCACHE})
    if(MPOOL_PRECOMPILE)
      add_compile_options(-fpch-preprocess)
    endif()
  endif()
endif()

# What most files include: two thirds of the time of a build is its parsing.
set(MPOOL_COMMON_HEADERS <atomic> <functional> <memory> <mutex> <optional>
  <string> <thread> <vector> <absl/status/status.h> <absl/status/statusor.h>
  <absl/strings/str_cat.h> <absl/time/time.h>)
function(mpool_precompile target)
  if(MPOOL_PRECOMPILE)
    target_precompile_headers(${target} PRIVATE ${MPOOL_COMMON_HEADERS} ${ARGN})
  endif()
endfunction()
