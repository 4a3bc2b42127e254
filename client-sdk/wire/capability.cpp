#include "wire/capability.h"

namespace holdfast::wire {

Hash capability(Role sender, Hash64 const& handshake_hash, CoreKey const& core) {
  static Hash const kInitiator = crypto_namespace("hypercore", 1);
  static Hash const kResponder = crypto_namespace("hypercore", 2);
  Hash const& name = sender == Role::Initiator ? kInitiator : kResponder;
  return blake2b_keyed(handshake_hash.view(), {name.view(), core.view()});
}

}  // namespace holdfast::wire
