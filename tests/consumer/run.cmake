# Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
#
# Builds and runs the consumer against the library in the given MODE.

function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE result
    OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    list(JOIN ARGV " " command)
    message(FATAL_ERROR "${command}\nended with ${result}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(run_hello program)
  run(${CMAKE_COMMAND} -D PROGRAM=${program} -D HOME_DIR=${WORK}/home
      -D REMOVER=${REMOVER} -P ${SOURCE}/tests/examples/run_hello.cmake)
endfunction()

function(build_project source)
  run(${CMAKE_COMMAND} -G Ninja -S ${source} -B ${WORK}/build
      -D CMAKE_CXX_COMPILER=${CXX} -D CMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}
      ${ARGN})
  run(${CMAKE_COMMAND} --build ${WORK}/build --parallel 2)
endfunction()

function(build_consumer)
  build_project(${SOURCE}/tests/consumer/project ${ARGV})
  run_hello(${WORK}/build/consumer)
endfunction()

function(install_library)
  run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
endfunction()

# Builds the installed examples.
function(build_examples)
  build_project(${WORK}/prefix/${DOCDIR}/examples
    -D CMAKE_PREFIX_PATH=${WORK}/prefix)
  run_hello(${WORK}/build/hello)
  run(${CMAKE_COMMAND} -E env MPOOL_EXAMPLES=${WORK}/build ${EXAMPLES_TEST})
endfunction()

function(test_find_package)
  install_library()
  build_consumer(-D CMAKE_PREFIX_PATH=${WORK}/prefix)
  file(REMOVE_RECURSE ${WORK}/build)
  build_examples()
endfunction()

function(test_pkg_config)
  install_library()
  set(ENV{PKG_CONFIG_PATH} ${WORK}/prefix/${LIBDIR}/pkgconfig)
  run(pkg-config --cflags --libs mpool)
  separate_arguments(flags UNIX_COMMAND "${output}")
  run(${CXX} -std=c++20 ${SOURCE}/examples/hello.cc -o ${WORK}/consumer
      ${flags} -Wl,-rpath,${WORK}/prefix/${LIBDIR})
  run_hello(${WORK}/consumer)
endfunction()

function(test_subdirectory)
  build_consumer(-D MPOOL_SUBDIR=${SOURCE}
    -D CMAKE_UNITY_BUILD=ON -D CMAKE_UNITY_BUILD_BATCH_SIZE=16)
endfunction()

# The shared library exports the public names and, weakly, templates of the
# standard library and Abseil. It does not export the inner layers.
function(test_exports)
  run(${OBJDUMP} -p ${LIBRARY})
  if(NOT output MATCHES "SONAME +${SONAME}\n")
    message(FATAL_ERROR "${LIBRARY} is not named ${SONAME}:\n${output}")
  endif()
  run(${NM} -D -C --defined-only ${LIBRARY})
  if(NOT output MATCHES " T mpool::DbEnv::Open")
    message(FATAL_ERROR "DbEnv::Open is not exported:\n${output}")
  endif()
  string(REPLACE ";" "," output "${output}")
  string(REGEX REPLACE "\n" ";" symbols "${output}")
  foreach(symbol IN LISTS symbols)
    if(symbol MATCHES "^[0-9a-f]+ [A-Z] "
       AND NOT symbol MATCHES "^[0-9a-f]+ [WV] (.*[ *&])?(std|absl|__gnu_cxx)::"
       AND NOT symbol MATCHES "^[0-9a-f]+ [A-Z] mpool::([A-Z]|internal::)")
      message(FATAL_ERROR "exported, but not public: ${symbol}")
    endif()
  endforeach()
endfunction()

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
cmake_language(CALL test_${MODE})
file(REMOVE_RECURSE ${WORK})
