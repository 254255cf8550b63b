# find_package(Libtorch <version> MODULE): what runs a .pt2 on a CPU, from the torch wheel, as the target Libtorch::cpu.
#
# Not torch's own CMake package: where the wheel was built with CUDA, as PyPI's for Linux are, that fails without the CUDA toolkit, and
# its target brings libtorch_cuda into every process. Looks below CMAKE_PREFIX_PATH (<site-packages>/torch), and beside Torch_DIR.
# Sets Libtorch_FOUND, Libtorch_VERSION and Libtorch_ROOT.
set(hints "")
if(Torch_DIR)
  get_filename_component(hints "${Torch_DIR}/../../.." ABSOLUTE)
endif()
find_path(Libtorch_INCLUDE_DIR torch/csrc/inductor/aoti_package/model_package_loader.h HINTS ${hints} PATH_SUFFIXES include)
find_library(Libtorch_CPU_LIBRARY torch_cpu HINTS ${hints} PATH_SUFFIXES lib)
find_library(Libtorch_C10_LIBRARY c10 HINTS ${hints} PATH_SUFFIXES lib)
mark_as_advanced(Libtorch_INCLUDE_DIR Libtorch_CPU_LIBRARY Libtorch_C10_LIBRARY)

set(Libtorch_VERSION "")
if(EXISTS "${Libtorch_INCLUDE_DIR}/torch/headeronly/version.h")
  file(STRINGS "${Libtorch_INCLUDE_DIR}/torch/headeronly/version.h" lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE "[^0-9]*([0-9]+)[^0-9]+([0-9]+)[^0-9]+([0-9]+).*" "\\1.\\2.\\3" Libtorch_VERSION "${lines}")
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libtorch
  REQUIRED_VARS Libtorch_CPU_LIBRARY Libtorch_C10_LIBRARY Libtorch_INCLUDE_DIR VERSION_VAR Libtorch_VERSION)

if(Libtorch_FOUND)
  get_filename_component(Libtorch_ROOT "${Libtorch_INCLUDE_DIR}" DIRECTORY)
  if(NOT TARGET Libtorch::cpu)
    add_library(Libtorch::cpu INTERFACE IMPORTED)
    set_target_properties(Libtorch::cpu PROPERTIES
      INTERFACE_INCLUDE_DIRECTORIES "${Libtorch_INCLUDE_DIR};${Libtorch_INCLUDE_DIR}/torch/csrc/api/include"
      INTERFACE_LINK_LIBRARIES "${Libtorch_CPU_LIBRARY};${Libtorch_C10_LIBRARY}")
  endif()
endif()
