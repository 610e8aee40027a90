# Mends the ROS 2 wheels of PyPI for CMake. Use: cmake -DCMAKE_PROJECT_INCLUDE=<this file> ...
#
# 1. The CMake exports in those wheels name include folders of the machine that built them (/opt/python/...).
#    Generation fails on a folder that does not exist, so they are removed from every imported target.
# 2. The library of generated Python messages exports NumPy's include folder. Generation fails on an exported folder
#    inside the source tree, which it is when NumPy is in .venv, so it is removed from the targets of this project.
# Both happen once the top directory has been read. Nothing misses the folders: what needs the headers of Python or NumPy
# finds them with find_package(Python3). With a ROS 2 from a distribution there is nothing to mend.

function(_mtv_remove_includes target regex)
  get_target_property(_includes ${target} INTERFACE_INCLUDE_DIRECTORIES)
  if(_includes)
    list(FILTER _includes EXCLUDE REGEX "${regex}")
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${_includes}")
  endif()
endfunction()

function(_mtv_mend_targets directory)
  get_property(_imported DIRECTORY "${directory}" PROPERTY IMPORTED_TARGETS)
  foreach(_target IN LISTS _imported)
    _mtv_remove_includes(${_target} "^/opt/python/")
  endforeach()
  get_property(_own DIRECTORY "${directory}" PROPERTY BUILDSYSTEM_TARGETS)
  foreach(_target IN LISTS _own)
    _mtv_remove_includes(${_target} "/site-packages/numpy/")
  endforeach()
  get_property(_subdirectories DIRECTORY "${directory}" PROPERTY SUBDIRECTORIES)
  foreach(_subdirectory IN LISTS _subdirectories)
    _mtv_mend_targets("${_subdirectory}")
  endforeach()
endfunction()

if(CMAKE_CURRENT_SOURCE_DIR STREQUAL CMAKE_SOURCE_DIR)
  if(CMAKE_VERSION VERSION_LESS 3.21)
    message(FATAL_ERROR "The ROS 2 wheels need CMake 3.21 or newer, this is ${CMAKE_VERSION}.")
  endif()
  cmake_language(DEFER DIRECTORY "${CMAKE_SOURCE_DIR}" CALL _mtv_mend_targets "${CMAKE_SOURCE_DIR}")
endif()
