#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "discovery/http/activation_gate.h"
#include "discovery/http/activation_service.h"
#include "discovery/http/lookup_service.h"
#include "discovery/registry/record_store.h"
#include "discovery/server/settings.h"

namespace holdfast::discovery {

/// Bringing keys that nobody hosts to volunteers, put together. With --new-keys none it only wakes volunteers for what
/// other instances assign. One thread makes, starts, reloads and stops it.
class Activations {
 public:
  /// `store` and `lookups` must outlive this. `notify`: the public server's; any thread.
  /// Errors: NotFound, Malformed, LimitExceeded (the token file).
  static Result<std::unique_ptr<Activations>> make(
      Settings const& settings, RecordStore& store, LookupService& lookups,
      std::function<void(std::string const& event)> notify);

  /// To be told of the store's changes, behind the LookupService.
  StoreWatcher* watcher() { return &gate_; }
  /// Null with --new-keys none.
  Activator* activator() { return policy_ == NewKeys::None ? nullptr : &gate_; }
  void start() { service_.start(); }
  void stop() { service_.stop(); }
  /// Reads the tokens again. Errors: as make(); the old ones stay.
  Result<void> reload();
  ActivationCounters counters() const { return service_.counters(); }

 private:
  Activations(Settings const& settings, RecordStore& store, LookupService& lookups,
              std::function<void(std::string const& event)> notify);

  std::string const token_file_;
  NewKeys const policy_;
  ActivationService service_;
  ActivationGate gate_;
};

}  // namespace holdfast::discovery
