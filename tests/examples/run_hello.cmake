# Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
#
# Runs PROGRAM twice in an empty HOME_DIR; the second run must find the page
# of the first one. REMOVER discards the cache.

file(REMOVE_RECURSE ${HOME_DIR})
file(MAKE_DIRECTORY ${HOME_DIR})
foreach(page 0 1)
  execute_process(COMMAND ${PROGRAM} ${HOME_DIR}
    OUTPUT_VARIABLE said RESULT_VARIABLE result)
  if(NOT result EQUAL 0 OR NOT said STREQUAL "page ${page} says hello\n")
    message(FATAL_ERROR "run ${page} ended with ${result} and said: ${said}")
  endif()
endforeach()
file(SIZE ${HOME_DIR}/hello.db size)
if(NOT size EQUAL 8192)
  message(FATAL_ERROR "hello.db has ${size} bytes, not two pages")
endif()
execute_process(COMMAND ${REMOVER} ${HOME_DIR} remove
  COMMAND_ERROR_IS_FATAL ANY)
file(REMOVE_RECURSE ${HOME_DIR})
