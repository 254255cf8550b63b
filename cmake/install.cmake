# What `cmake --install` puts into the prefix beside the targets' own rules: the CMake package.
include(CMakePackageConfigHelpers)

set(package lib/cmake/weft)
install(EXPORT weftTargets NAMESPACE weft:: DESTINATION ${package})
foreach(part IN ITEMS executorch aoti)
  if(TARGET weft_${part})
    install(EXPORT weft_${part}_targets NAMESPACE weft:: DESTINATION ${package} FILE weft-${part}.cmake)
  endif()
endforeach()

# The versions that were found, which find_package() leaves in the scope of the folder that asked.
if(TARGET weft_executorch)
  get_directory_property(executorch_VERSION DIRECTORY backends/executorch DEFINITION executorch_VERSION)
endif()
if(TARGET weft_aoti)
  get_directory_property(Libtorch_VERSION DIRECTORY backends/aoti DEFINITION Libtorch_VERSION)
  get_directory_property(Libtorch_ROOT DIRECTORY backends/aoti DEFINITION Libtorch_ROOT)
  install(FILES cmake/FindLibtorch.cmake DESTINATION ${package})
endif()
configure_package_config_file(cmake/weftConfig.cmake.in ${PROJECT_BINARY_DIR}/weftConfig.cmake
  INSTALL_DESTINATION ${package}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/weftConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/weftConfig.cmake ${PROJECT_BINARY_DIR}/weftConfigVersion.cmake
  DESTINATION ${package})
