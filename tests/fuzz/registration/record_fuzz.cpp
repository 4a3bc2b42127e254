// Property: what open_record takes, it gives back: the kept bytes are the input, and signing the record that was
// read gives the same bytes again, unless fields of a later version stand behind it. Nothing unsigned is taken.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "crypto/keys.h"
#include "registration/record.h"

namespace {

using namespace holdfast;

KeyPair fixed_pair() {
  Seed seed;
  seed.bytes.fill(1);
  return KeyPair::from_seed(seed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static KeyPair const pair = fixed_pair();
  // As it comes.
  auto const opened = registration::open_record({data, size});
  if (opened) HOLDFAST_CHECK(opened->bytes == Bytes(data, data + size));
  // The same, truly signed, as by a replicator that means ill: its id is put where the format has it.
  Bytes message(data, data + size);
  constexpr std::size_t kIdAt = 1 + registration::kRecordFormat.size();
  if (message.size() < kIdAt + PublicKey::kSize) return 0;
  std::copy(pair.public_key.bytes.begin(), pair.public_key.bytes.end(), message.begin() + kIdAt);
  Bytes signed_bytes = message;
  append(signed_bytes, sign(pair, message).view());
  auto const hostile = registration::open_record(signed_bytes);
  if (!hostile) return 0;
  HOLDFAST_CHECK(registration::check_record(hostile->record).ok());
  auto const again = registration::sign_record(hostile->record, pair);
  HOLDFAST_CHECK(again.ok());
  auto const reopened = registration::open_record(again->bytes);
  HOLDFAST_CHECK(reopened.ok() && reopened->record == hostile->record);
  return 0;
}
