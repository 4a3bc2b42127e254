#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/time.h"
#include "discovery/probe/address_policy.h"
#include "discovery/probe/probe_target.h"
#include "discovery/probe/resolver.h"
#include "discovery/probe/target_limiter.h"

namespace holdfast::discovery {

struct ProberOptions {
  Duration connect_max{3'000};
  Duration handshake_max{3'000};
  Duration whole_max{5'000};  ///< Resolution, all dials of one record.
  std::size_t at_once_max = 64;
  std::size_t at_once_per_source_max = 4;
  std::size_t queue_max = 10'000;
  TargetLimits targets{};
  Resolver::Lookup lookup = Resolver::system_lookup;
};

/// Tests whether a replicator can be reached as it says: resolves its names, asks the policy, connects, completes the
/// Noise handshake and compares the static key. For ws addresses only the connection is tried.
///
/// Rules:
///  1. A name is resolved once; what the policy was asked about is what is dialled. Why: DNS may answer differently a
///     moment later.
///  2. At most 8 dials for one record, one after the other; nothing that the other side says makes us dial anything
///     else.
///  3. Nothing is sent but a Noise handshake, and at most 64 KiB are read.
///  4. All addresses must pass. One that this machine has no route to (IPv6 at many) says nothing, but one must pass.
///
/// One thread runs all connections, four resolve. Thread-safety: probe() and counters from any thread.
class Prober final : public SelfTester {
 public:
  Prober(AddressPolicy policy, ProberOptions options);
  ~Prober() override;  ///< `done` of tests in hand is not called.
  Prober(Prober const&) = delete;
  Prober& operator=(Prober const&) = delete;

  void probe(ProbeTarget target, Done done) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::discovery
