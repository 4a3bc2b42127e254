#include "replicator/daemon/assignee.h"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "net/system_rng.h"
#include "replicator/daemon/wall_clock.h"

namespace holdfast::replicator {

namespace {

constexpr Duration kPollWait{30'000};

}  // namespace

Assignee::Assignee(AssigneeOptions options, KeyPair const& pair, ProjectKeeper& keeper)
    : options_(std::move(options)), pair_(pair), keeper_(keeper) {}

void Assignee::start() {
  thread_ = std::thread([this] { run(); });
}

void Assignee::stop() {
  rest_.stop();
  {
    MutexLock const lock(mutex_);
    if (client_) client_->cancel();
  }
  if (thread_.joinable()) thread_.join();
}

void Assignee::run() {
  SeededRng rng = net::system_rng();
  net::Backoff backoff(options_.backoff);
  while (!rest_.stopped()) {
    Result<void> const done = step();
    if (done) {
      backoff.reset();
      continue;
    }
    // Not worth a line in the log: the registrar says what is wrong with the service.
    rest_.sleep(backoff.next(rng));
  }
}

Result<void> Assignee::step() {
  std::uint64_t const now = unix_ms();
  std::uint64_t const idle = static_cast<std::uint64_t>(options_.assigned_idle.count());
  Result<std::size_t> const given_back = keeper_.give_back(now - std::min(now, idle));
  if (!given_back) return Unexpected(given_back.error());
  if (*given_back > 0) spdlog::info("gave back {} assigned key(s) that nobody used", *given_back);
  if (!client_) {
    Result<std::unique_ptr<net::RegistrationClient>> opened =
        net::RegistrationClient::open(options_.service, options_.https, pair_);
    if (!opened) return Unexpected(opened.error());
    MutexLock const lock(mutex_);
    client_ = std::move(*opened);
    if (rest_.stopped()) client_->cancel();
  }
  Result<registration::AssignmentsAnswer> const answer = client_->assignments(cursor_, kPollWait);
  if (!answer) {
    cursor_ = 0;  // A service that lost its state counts anew.
    return Unexpected(answer.error());
  }
  take_on(*answer);
  return {};
}

void Assignee::take_on(registration::AssignmentsAnswer const& answer) {
  cursor_ = answer.cursor;
  for (DiscoveryKey const& key : answer.keys) {
    if (options_.capacity > 0 && keeper_.hosted_count() >= options_.capacity) {
      spdlog::warn("an assigned key was not taken: --capacity {} is reached", options_.capacity);
      return;
    }
    Result<bool> const taken = keeper_.take_on(key, unix_ms());
    if (!taken) spdlog::warn("an assigned key was not taken: {}", taken.error().detail);
  }
}

}  // namespace holdfast::replicator
