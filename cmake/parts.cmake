# weft_add_part(<part> <folder>) adds the folder if WEFT_PARTS asks for the part or for one that needs it.
# weft_library(<part> ...) defines the target weft::<part> with its public headers; see any src/*/CMakeLists.txt.

set(WEFT_NEEDS_core "")
set(WEFT_NEEDS_tokenizer core)
set(WEFT_NEEDS_sampler core)
set(WEFT_NEEDS_template core)
set(WEFT_NEEDS_processor core)
set(WEFT_NEEDS_runner core)
set(WEFT_NEEDS_kernels "")
set(WEFT_NEEDS_program core runner kernels)
set(WEFT_NEEDS_model core tokenizer sampler template runner)
set(WEFT_NEEDS_pipeline core tokenizer sampler template runner)
set(WEFT_NEEDS_executorch core runner kernels program)
set(WEFT_NEEDS_aoti core runner kernels program)

set(WEFT_WANTED_PARTS core)
foreach(part IN LISTS WEFT_PARTS)
  if(NOT part STREQUAL "all" AND NOT DEFINED WEFT_NEEDS_${part})
    message(FATAL_ERROR "WEFT_PARTS names '${part}', which is no part of weft.\n"
      "The parts are: tokenizer sampler template processor runner kernels program model pipeline executorch aoti; or all.")
  endif()
  list(APPEND WEFT_WANTED_PARTS ${part} ${WEFT_NEEDS_${part}})
endforeach()

macro(weft_add_part part folder)
  if("all" IN_LIST WEFT_PARTS OR "${part}" IN_LIST WEFT_WANTED_PARTS)
    add_subdirectory(${folder})
  endif()
endmacro()

# weft_library(<part> SOURCES ... [HEADERS weft/x.h ...] [PUBLIC targets ...] [PRIVATE targets ...])
function(weft_library part)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;HEADERS;PUBLIC;PRIVATE")
  set(target weft_${part})
  add_library(${target} ${arg_SOURCES})
  add_library(weft::${part} ALIAS ${target})
  list(TRANSFORM arg_HEADERS PREPEND ${PROJECT_SOURCE_DIR}/include/)
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${part}
    POSITION_INDEPENDENT_CODE ON
    VISIBILITY_INLINES_HIDDEN ON
    VERIFY_INTERFACE_HEADER_SETS ON)
  target_sources(${target} PUBLIC FILE_SET HEADERS
    BASE_DIRS ${PROJECT_SOURCE_DIR}/include
    FILES ${arg_HEADERS})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_link_libraries(${target}
    PUBLIC ${arg_PUBLIC}
    PRIVATE ${arg_PRIVATE} $<BUILD_LOCAL_INTERFACE:weft_warnings>)
  if(WEFT_INSTALL)
    # What needs an SDK is exported apart, so that a find_package(weft) without it asks for none.
    if(part MATCHES "^(executorch|aoti)$")
      install(TARGETS ${target} EXPORT weft_${part}_targets FILE_SET HEADERS)
    else()
      install(TARGETS ${target} EXPORT weftTargets FILE_SET HEADERS)
    endif()
  endif()
endfunction()

# weft_test(<name> SOURCES ... LINK targets ... [LABEL unit|model|fuzz|soak]) adds a GoogleTest program.
function(weft_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL" "SOURCES;LINK;DEFINITIONS")
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINK} GTest::gtest_main weft_warnings)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_definitions(${name} PRIVATE WEFT_SOURCE_DIR="${PROJECT_SOURCE_DIR}" ${arg_DEFINITIONS})
  if(CMAKE_CROSSCOMPILING)
    # One start of the emulator for a program, not for each of its tests.
    add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
    set_tests_properties(${name} PROPERTIES LABELS ${arg_LABEL})
  else()
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES LABELS ${arg_LABEL})
  endif()
endfunction()

# weft_plugin(<backend>) makes the shared library that weft::load_backend() opens, from weft::<backend> and its plugin.cpp.
function(weft_plugin backend)
  add_library(weft_${backend}_plugin MODULE plugin.cpp)
  target_link_libraries(weft_${backend}_plugin PRIVATE weft::${backend} weft_warnings)
  set_target_properties(weft_${backend}_plugin PROPERTIES
    PREFIX "" OUTPUT_NAME weft_${backend}
    CXX_VISIBILITY_PRESET hidden
    INSTALL_RPATH "${WEFT_ORIGIN}/..;${WEFT_SDK_LIBRARY_FOLDERS}"
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/weft)
  if(WEFT_INSTALL)
    install(TARGETS weft_${backend}_plugin LIBRARY DESTINATION lib/weft)
  endif()
endfunction()
