#pragma once

#include <cstdint>
#include <memory>
#include <thread>

#include "base/mutex.h"
#include "base/time.h"
#include "net/backoff.h"
#include "net/registration_client.h"
#include "replicator/daemon/breakable_sleep.h"
#include "replicator/daemon/project_keeper.h"

namespace holdfast::replicator {

struct AssigneeOptions {
  net::ServiceUrl service;
  net::HttpsOptions https;
  std::uint64_t capacity = 0;         ///< Projects and assigned keys together; 0: no limit.
  Duration assigned_idle{3'600'000};  ///< See Config.
  net::BackoffOptions backoff;
};

/// A volunteer's ear at one discovery service: waits for keys that nobody hosts and takes them on.
///
/// Rules:
///  1. A key is confirmed by listing it, which the registrar does as soon as the keeper took it on; the node listens
///     before it registers, so what is confirmed is served.
///  2. Above its capacity the node takes nothing; the service asks somebody else.
/// Thread-safety: construct, start() and stop() on one thread. Costs one thread that waits for the service.
class Assignee {
 public:
  Assignee(AssigneeOptions options, KeyPair const& pair, ProjectKeeper& keeper);
  ~Assignee() { stop(); }
  Assignee(Assignee const&) = delete;
  Assignee& operator=(Assignee const&) = delete;

  void start();
  /// Repeatable.
  void stop();

 private:
  void run();
  /// One request. Errors: as the client's.
  Result<void> step();
  void take_on(registration::AssignmentsAnswer const& answer);

  AssigneeOptions const options_;
  KeyPair const pair_;
  ProjectKeeper& keeper_;
  std::uint64_t cursor_ = 0;  ///< On the thread.
  BreakableSleep rest_;
  Mutex mutex_;
  std::unique_ptr<net::RegistrationClient>
      client_;  ///< Made on the thread, under mutex_; cancelled from outside.
  std::thread thread_;
};

}  // namespace holdfast::replicator
