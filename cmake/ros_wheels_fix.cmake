# Mends the ROS 2 wheels of PyPI for CMake. Use: cmake -DCMAKE_PROJECT_INCLUDE=<this file> ...
#
# The CMake exports in those wheels name include folders of the machine that built them (/opt/python/...). Generation
# fails on a folder that does not exist, so they are removed from every imported target once the top directory has been
# read. Python's own headers are found by find_package(Python3) all the same.
# With a ROS 2 from a distribution there is nothing to mend, and this does nothing.

function(_mtv_mend_imported_targets directory)
  get_property(_targets DIRECTORY "${directory}" PROPERTY IMPORTED_TARGETS)
  foreach(_target IN LISTS _targets)
    get_target_property(_includes ${_target} INTERFACE_INCLUDE_DIRECTORIES)
    if(_includes MATCHES "(^|;)/opt/python/")
      list(FILTER _includes EXCLUDE REGEX "^/opt/python/")
      set_target_properties(${_target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${_includes}")
    endif()
  endforeach()
  get_property(_subdirectories DIRECTORY "${directory}" PROPERTY SUBDIRECTORIES)
  foreach(_subdirectory IN LISTS _subdirectories)
    _mtv_mend_imported_targets("${_subdirectory}")
  endforeach()
endfunction()

if(CMAKE_CURRENT_SOURCE_DIR STREQUAL CMAKE_SOURCE_DIR)
  if(CMAKE_VERSION VERSION_LESS 3.21)
    message(FATAL_ERROR "The ROS 2 wheels need CMake 3.21 or newer, this is ${CMAKE_VERSION}.")
  endif()
  cmake_language(DEFER DIRECTORY "${CMAKE_SOURCE_DIR}" CALL _mtv_mend_imported_targets "${CMAKE_SOURCE_DIR}")
endif()
