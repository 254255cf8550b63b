# Every switch of the build, in one place.

option(WEFT_EXECUTORCH "Run .pte files (needs the ExecuTorch SDK, which the executorch wheel holds)" OFF)
option(WEFT_AOTI "Run .pt2 files (needs libtorch, which the torch wheel holds)" OFF)
option(WEFT_APPS "Build the programs: weft, and et_run and aoti_run where their backend is on" ${PROJECT_IS_TOP_LEVEL})
option(WEFT_PYTHON_MODULE "Build the Python module weft._native (needs nanobind and Python's headers)" OFF)
option(WEFT_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(WEFT_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(WEFT_INSTALL "Make install rules" ${PROJECT_IS_TOP_LEVEL})
option(WEFT_WERROR "Treat warnings as errors" OFF)
option(WEFT_COVERAGE "Count which lines run, for gcov" OFF)
set(WEFT_SANITIZE "" CACHE STRING "Sanitizers for all of weft, as -fsanitize= takes them: address,undefined or thread")
set(WEFT_PARTS "all" CACHE STRING
  "Which parts to build, e.g. \"tokenizer\" or \"tokenizer;sampler\"; what they depend on comes with them")
set(WEFT_INSTRUCTION_SETS "all" CACHE STRING
  "Which instruction sets to build the kernels for: all, native (this processor's), or some, e.g. \"avx2;avx512_vnni\"; plain C++ comes always")

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
if(NOT WEFT_PARTS STREQUAL "all")
  # A build of some parts makes no programs, examples or Python module: those need all of them.
  set(WEFT_APPS OFF)
  set(WEFT_PYTHON_MODULE OFF)
  set(WEFT_EXAMPLES OFF)
endif()

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  find_program(WEFT_CCACHE ccache)
  if(WEFT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${WEFT_CCACHE})
  endif()
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 11
   OR CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 16)
  message(FATAL_ERROR "${CMAKE_CXX_COMPILER} is ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}, "
    "which doesn't know all of C++20 that weft uses.\n"
    "Install g++ 11 or clang 16, or newer, and pass -DCMAKE_CXX_COMPILER=<it>.")
endif()

# What every target of ours is compiled with; never reaches those who link it.
add_library(weft_warnings INTERFACE)
target_compile_features(weft_warnings INTERFACE cxx_std_20)
target_compile_options(weft_warnings INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor
  $<$<BOOL:${WEFT_WERROR}>:-Werror>)
if(WEFT_COVERAGE)
  target_compile_options(weft_warnings INTERFACE --coverage -g)
  target_link_options(weft_warnings INTERFACE --coverage)
endif()
if(WEFT_SANITIZE)
  target_compile_options(weft_warnings INTERFACE -fsanitize=${WEFT_SANITIZE} -fno-omit-frame-pointer -g)
  target_link_options(weft_warnings INTERFACE -fsanitize=${WEFT_SANITIZE})
endif()
