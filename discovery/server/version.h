#pragma once

namespace holdfast::discovery {

inline constexpr char kVersion[] = HOLDFAST_VERSION;  ///< Of the project, from CMake.

}  // namespace holdfast::discovery
