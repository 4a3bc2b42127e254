// Property: whatever happens in the store, and in whatever order reads come back, a look-up says what the store holds:
// nobody who left, drains, was not tested or whose lease ran out, and never more seconds than are left.
#include <cstddef>
#include <cstdint>

#include "support/directory_model.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static bool const ready = holdfast::init_crypto().ok();
  HOLDFAST_CHECK(ready);
  holdfast::discovery::DirectoryModel({data, size}).run();
  return 0;
}
