# Configures the build that counts, in the folder ${counting}, as this one is configured: by its cache, and now, as the
# environment is what it is now. Where that cannot be had, TIDEMILL_PROFILE is OFF behind this.
set(counting ${CMAKE_CURRENT_BINARY_DIR}/counting)
cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
set(cache)
get_cmake_property(names CACHE_VARIABLES)
foreach(name IN LISTS names)
  get_property(type CACHE ${name} PROPERTY TYPE)
  string(REPLACE UNINITIALIZED STRING type "${type}")
  if(NOT type MATCHES "INTERNAL|STATIC")
    string(APPEND cache "set(${name} [==[${${name}}]==] CACHE ${type} \"\" FORCE)\n")
  endif()
endforeach()
if(CMAKE_C_COMPILER_ARG1)
  string(STRIP "${CMAKE_C_COMPILER_ARG1}" argument)
  string(APPEND cache "set(CMAKE_C_COMPILER [==[${CMAKE_C_COMPILER};${argument}]==] CACHE STRING \"\" FORCE)\n")
endif()
string(APPEND cache "set(TIDEMILL_PROFILE count CACHE STRING \"\" FORCE)\n"
  "set(TIDEMILL_LTO OFF CACHE BOOL \"\" FORCE)\nset(BUILD_TESTING OFF CACHE BOOL \"\" FORCE)\n")
file(WRITE ${counting}.new "${cache}")
file(COPY_FILE ${counting}.new ${counting}.cmake ONLY_IF_DIFFERENT)
execute_process(
  COMMAND ${CMAKE_COMMAND} -G ${CMAKE_GENERATOR} -C ${counting}.cmake -S ${PROJECT_SOURCE_DIR} -B ${counting}
  OUTPUT_FILE ${counting}.log ERROR_FILE ${counting}.log RESULT_VARIABLE failed)
if(failed)
  message(WARNING "TIDEMILL_PROFILE: cannot configure what counts (see ${counting}.log): ignored")
  set(TIDEMILL_PROFILE OFF)
endif()
