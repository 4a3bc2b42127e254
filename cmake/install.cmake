# What `cmake --install` gives: the three programs, the public headers, the libraries of client-sdk that they stand for,
# and how other builds find them (CMake package config, pkg-config).
include(CMakePackageConfigHelpers)

set(holdfast_installed base codec crypto merkle core wire sync registration store net)
foreach(name IN LISTS holdfast_installed)
  list(APPEND holdfast_installed_targets holdfast_${name})
  target_include_directories(holdfast_${name} PUBLIC $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()
install(TARGETS ${holdfast_installed_targets} EXPORT holdfast ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        COMPONENT development)
install(DIRECTORY client-sdk/include/holdfast DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
foreach(program IN ITEMS holdfast holdfast-discovery holdfast-replicator)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT programs)
  endif()
endforeach()

set(holdfast_package ${CMAKE_INSTALL_LIBDIR}/cmake/holdfast)
install(EXPORT holdfast NAMESPACE holdfast:: FILE holdfastTargets.cmake DESTINATION ${holdfast_package}
        COMPONENT development)
configure_package_config_file(cmake/holdfastConfig.cmake.in ${CMAKE_BINARY_DIR}/holdfastConfig.cmake
                              INSTALL_DESTINATION ${holdfast_package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/holdfastConfigVersion.cmake COMPATIBILITY SameMinorVersion)
configure_file(cmake/holdfast.pc.in ${CMAKE_BINARY_DIR}/holdfast.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/holdfastConfig.cmake ${CMAKE_BINARY_DIR}/holdfastConfigVersion.cmake
        DESTINATION ${holdfast_package} COMPONENT development)
install(FILES ${CMAKE_BINARY_DIR}/holdfast.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
