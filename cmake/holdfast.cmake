# Helpers that every folder uses, so that its CMakeLists.txt is one call with a list of sources.

# A comma, as in address,undefined, would be a second parameter of $<BOOL:…>.
string(REPLACE "," "_" holdfast_sanitized "${HOLDFAST_SANITIZE}")

add_library(holdfast_warnings INTERFACE)
target_compile_options(holdfast_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wswitch-enum -Wnon-virtual-dtor
  -Woverloaded-virtual -Wcast-align -Wundef
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond -Wlogical-op -Wuseless-cast -Wno-mismatched-new-delete>
  # g++ 12 takes empty optionals for uninitialised ones as soon as it optimises.
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<OR:$<NOT:$<CONFIG:Debug>>,$<BOOL:${holdfast_sanitized}>>>:-Wno-maybe-uninitialized>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Wunreachable-code>
  $<$<BOOL:${HOLDFAST_WARNINGS_AS_ERRORS}>:-Werror>)

if(HOLDFAST_SANITIZE)
  add_compile_options(-fsanitize=${HOLDFAST_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${HOLDFAST_SANITIZE})
  if(HOLDFAST_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)
  endif()
  if(HOLDFAST_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
      add_compile_options(-fno-sanitize=function)
    endif()
  endif()
endif()

# holdfast_library(NAME SOURCES...): the static library of one folder, as holdfast::NAME.
# What it may link to comes from the table in layers.cmake and from nowhere else.
function(holdfast_library name)
  if(NOT DEFINED holdfast_uses_${name})
    message(FATAL_ERROR "${name} is missing in cmake/layers.cmake")
  endif()
  add_library(holdfast_${name} STATIC ${ARGN})
  add_library(holdfast::${name} ALIAS holdfast_${name})
  set_target_properties(holdfast_${name} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(holdfast_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/client-sdk> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/client-sdk/include>)
  if(NOT CMAKE_CURRENT_SOURCE_DIR MATCHES "/client-sdk/")
    target_include_directories(holdfast_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  endif()
  target_link_libraries(holdfast_${name} PUBLIC ${holdfast_uses_${name}} PRIVATE $<BUILD_INTERFACE:holdfast_warnings>)
endfunction()

# holdfast_program(NAME SOURCES... ): a program in build/bin. Links the libraries that layers.cmake names for it.
function(holdfast_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE ${holdfast_uses_${name}} holdfast_warnings)
endfunction()

# Tests are compiled once and run for moments, so they are compiled fast: not optimised (what they test is), and with
# what nearly all of them include parsed once. Both only in the release preset: elsewhere each file shows that it
# includes what it uses. Simulations compute, and are optimised like the libraries.
set(holdfast_test_options "$<$<CONFIG:RelWithDebInfo>:-O0;-U_FORTIFY_SOURCE>")
if(HOLDFAST_TEST_PCH)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/test_pch.cpp CONTENT "")
  add_library(holdfast_test_pch OBJECT ${CMAKE_BINARY_DIR}/test_pch.cpp)
  target_link_libraries(holdfast_test_pch PRIVATE holdfast_warnings nlohmann_json::nlohmann_json GTest::gtest Threads::Threads)
  target_compile_options(holdfast_test_pch PRIVATE ${holdfast_test_options} -fpch-preprocess)
  target_precompile_headers(holdfast_test_pch PRIVATE <gtest/gtest.h> <nlohmann/json.hpp> <algorithm> <array> <chrono> <cstdint>
    <functional> <map> <memory> <optional> <set> <span> <string> <string_view> <utility> <variant> <vector>)
endif()

add_custom_target(tests)  # every program of holdfast_test()
add_custom_target(fuzz)   # every program of holdfast_fuzz(); their names are in fuzz_targets.txt
file(WRITE ${CMAKE_BINARY_DIR}/fuzz_targets.txt "")

# holdfast_test(NAME LIBS "a;b" SOURCES...): one GoogleTest program, one ctest entry, 60 s at most.
# LABEL (unit by default) picks the suite: unit, contract, sim, integration.
function(holdfast_test name)
  cmake_parse_arguments(arg "" "LABEL;TIMEOUT" "SOURCES;LIBS" ${ARGN})
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${name} PRIVATE HOLDFAST_GOLDEN_DIR="${PROJECT_SOURCE_DIR}/tests/golden")
  target_link_libraries(${name} PRIVATE ${arg_LIBS} holdfast_warnings nlohmann_json::nlohmann_json GTest::gtest GTest::gtest_main)
  if(NOT arg_LABEL STREQUAL "sim")
    target_compile_options(${name} PRIVATE ${holdfast_test_options})
    if(HOLDFAST_TEST_PCH)
      target_link_libraries(${name} PRIVATE Threads::Threads)
      target_compile_options(${name} PRIVATE -fpch-preprocess)
      target_precompile_headers(${name} REUSE_FROM holdfast_test_pch)
    endif()
  endif()
  add_dependencies(tests ${name})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT})
  if(HOLDFAST_SANITIZE MATCHES "thread")
    set_tests_properties(${name} PROPERTIES
      ENVIRONMENT "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/tsan_suppressions.txt")
  endif()
endfunction()

# holdfast_fuzz(NAME LIBS "a;b" SOURCES...): one libFuzzer program, built only in the fuzz preset.
function(holdfast_fuzz name)
  if(NOT HOLDFAST_FUZZ)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  add_dependencies(fuzz ${name})
  file(APPEND ${CMAKE_BINARY_DIR}/fuzz_targets.txt "${name}\n")
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(${name} PRIVATE ${arg_LIBS} holdfast_warnings nlohmann_json::nlohmann_json)
endfunction()
