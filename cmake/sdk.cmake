# Where find_package() meets the SDKs that the Python wheels carry: executorch holds the ExecuTorch SDK, torch libtorch.
#
# The first of these that exists is asked: -DWEFT_PYTHON=..., the Python that pip builds a wheel with, $WEFT_PYTHON, the
# .venv that ./weft makes, the active virtual environment. A prefix of the user's own (-DCMAKE_PREFIX_PATH, -Dexecutorch_DIR, -DTorch_DIR) comes before.

set(WEFT_PYTHON "" CACHE FILEPATH "The Python whose packages hold the ExecuTorch SDK and libtorch; empty: look for one")

function(weft_add_sdk_prefixes)
  set(python "")
  foreach(candidate IN ITEMS "${WEFT_PYTHON}" "${SKBUILD_PYTHON}" "$ENV{WEFT_PYTHON}"
      "${PROJECT_SOURCE_DIR}/.venv/bin/python" "$ENV{VIRTUAL_ENV}/bin/python")
    if(candidate AND EXISTS "${candidate}")
      set(python "${candidate}")
      break()
    endif()
  endforeach()
  if(WEFT_PYTHON AND NOT python STREQUAL WEFT_PYTHON)
    message(FATAL_ERROR "WEFT_PYTHON=${WEFT_PYTHON} doesn't exist.\n"
      "Pass the Python of the environment that has torch and executorch, or leave it out.")
  endif()
  if(NOT python)
    return()
  endif()
  set(WEFT_SDK_PYTHON "${python}" PARENT_SCOPE)

  set(packages "")
  if(WEFT_EXECUTORCH)
    list(APPEND packages executorch)
  endif()
  if(WEFT_AOTI)
    list(APPEND packages torch)
  endif()
  # find_spec() doesn't import the package: this takes milliseconds, not the seconds of `import torch`.
  execute_process(
    COMMAND "${python}" -c [[
import importlib.util, sys
for name in sys.argv[1:]:
    spec = importlib.util.find_spec(name)
    if spec and spec.submodule_search_locations:
        print(list(spec.submodule_search_locations)[0])
]] ${packages}
    OUTPUT_VARIABLE prefixes OUTPUT_STRIP_TRAILING_WHITESPACE
    RESULT_VARIABLE result ERROR_VARIABLE complaint)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "Asking ${python} for its packages failed: ${complaint}\n"
      "Pass -DWEFT_PYTHON=<the Python that has torch and executorch>.")
  endif()
  string(REPLACE "\n" ";" prefixes "${prefixes}")
  set(CMAKE_PREFIX_PATH ${CMAKE_PREFIX_PATH} ${prefixes} PARENT_SCOPE)
  # CMAKE_INSTALL_RPATH_USE_LINK_PATH leaves out what lies in the source tree, as .venv does.
  list(TRANSFORM prefixes APPEND /lib)
  if(SKBUILD) # a wheel: site-packages/weft/lib/weft, and torch beside weft
    set(prefixes ${WEFT_ORIGIN}/../../../torch/lib)
  endif()
  set(WEFT_SDK_LIBRARY_FOLDERS ${prefixes} PARENT_SCOPE)
endfunction()

if(SKBUILD)
  set(SKBUILD_PYTHON "${Python_EXECUTABLE}")
endif()
set(WEFT_ORIGIN $<IF:$<PLATFORM_ID:Darwin>,@loader_path,$ORIGIN>) # the folder of the file that has the run path
set(WEFT_SDK_LIBRARY_FOLDERS "")
set(WEFT_SDK_PYTHON "")
if(WEFT_EXECUTORCH OR WEFT_AOTI OR WEFT_PYTHON_MODULE)
  weft_add_sdk_prefixes()
endif()

# Installed programs find our libraries beside them, wherever the prefix is moved to, and the SDKs where they were linked.
if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_INSTALL_RPATH ${WEFT_ORIGIN}/../lib ${WEFT_SDK_LIBRARY_FOLDERS})
  set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)
endif()
