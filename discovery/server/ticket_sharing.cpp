#include "discovery/server/ticket_sharing.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include <spdlog/spdlog.h>

namespace holdfast::discovery {

namespace {

constexpr std::chrono::seconds kEvery{30};

}  // namespace

TicketSharing::TicketSharing(RecordStore& store, HttpServer& server, ClusterSecret const& secret,
                             TicketKeyLife life)
    : store_(store), server_(server), secret_(secret), life_(life) {}

Result<void> TicketSharing::put_if_absent(std::int64_t period, std::int64_t now) {
  std::int64_t const begins = period * life_.making_s;
  auto const known =
      std::find_if(keys_.keys.begin(), keys_.keys.end(),
                   [begins](TicketKey const& each) { return each.not_before_unix_s == begins; });
  TicketKey const key = known != keys_.keys.end() ? *known : make_ticket_key(begins, life_);
  Bytes const sealed = seal(TicketKeys{{key}}, secret_);
  std::chrono::seconds const left(key.not_after_unix_s - now);
  Result<bool> const put = store_.put_shared(SharedKind::TicketKeys, std::to_string(period),
                                             as_text(sealed), left, /*only_if_absent=*/true);
  if (!put) return Unexpected(put.error());
  return {};
}

/// `told`: what the store has. Of the keys of one period those come first, and make the tickets: after the store has
/// lost its keys and got others, all instances go over to the same ones.
void TicketSharing::merge(TicketKeys told, std::int64_t now) {
  for (TicketKey const& key : keys_.keys) {
    if (told.find(key.name, now) == nullptr) told.keys.push_back(key);
  }
  std::erase_if(told.keys, [now](TicketKey const& key) { return key.not_after_unix_s <= now; });
  std::stable_sort(told.keys.begin(), told.keys.end(), [](TicketKey const& a, TicketKey const& b) {
    return a.not_before_unix_s > b.not_before_unix_s;
  });
  if (told.keys.size() > TicketKeys::kCountMax) told.keys.resize(TicketKeys::kCountMax);
  keys_ = std::move(told);
}

Result<void> TicketSharing::round() {
  Result<std::uint64_t> const now_ms = store_.now_unix_ms();
  if (!now_ms) return Unexpected(now_ms.error());
  auto const now = static_cast<std::int64_t>(*now_ms / 1000);
  for (std::int64_t const at : {now, now + life_.ahead_s}) {
    if (Result<void> const put = put_if_absent(at / life_.making_s, now); !put) return put;
  }
  Result<std::vector<Shared>> const all = store_.list_shared(SharedKind::TicketKeys);
  if (!all) return Unexpected(all.error());
  TicketKeys told;
  for (Shared const& each : *all) {
    Result<TicketKeys> const opened = open_ticket_keys(as_bytes(each.value), secret_);
    if (opened)
      told.keys.insert(told.keys.end(), opened->keys.begin(), opened->keys.end());
    else if (refused_.insert(each.name).second)
      spdlog::warn("ticket keys of period {}: {}", each.name, opened.error().detail);
  }
  merge(std::move(told), now);
  if (!keys_.keys.empty()) server_.set_ticket_keys(keys_, now);
  return {};
}

void TicketSharing::start() {
  if (Result<void> const done = round(); !done)
    spdlog::warn("ticket keys are not shared yet: {}", done.error().detail);
  thread_ = std::thread([this] { run(); });
}

void TicketSharing::stop() {
  {
    MutexLock const lock(mutex_);
    stop_ = true;
    stopped_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void TicketSharing::run() {
  while (true) {
    {
      MutexLock const lock(mutex_);
      if (!stop_) stopped_.wait_for(mutex_, kEvery);
      if (stop_) return;
    }
    if (Result<void> const done = round(); !done)
      spdlog::debug("ticket keys could not be read: {}", done.error().detail);
  }
}

}  // namespace holdfast::discovery
