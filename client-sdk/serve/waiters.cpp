#include "serve/waiters.h"

#include <functional>

namespace holdfast {

std::uint64_t Waiters::sequence() const {
  MutexLock const lock(mutex_);
  return sequence_;
}

Waiters::Added Waiters::add(std::string const& event, Token token, std::uint64_t sequence_before) {
  std::size_t const hash = std::hash<std::string>()(event);
  MutexLock const lock(mutex_);
  if (sequence_ - sequence_before > kRecent) return Added::NotifiedMeanwhile;
  for (std::uint64_t at = sequence_before; at < sequence_; ++at) {
    if (recent_[at % kRecent] == hash) return Added::NotifiedMeanwhile;
  }
  if (waiting_.size() >= waits_max_) return Added::Full;
  waiting_.insert({event, token});
  return Added::Waiting;
}

void Waiters::remove(std::string const& event, Token token) {
  MutexLock const lock(mutex_);
  waiting_.erase({event, token});
}

std::vector<Waiters::Token> Waiters::notify(std::string const& event) {
  std::size_t const hash = std::hash<std::string>()(event);
  std::vector<Token> woken;
  MutexLock const lock(mutex_);
  recent_[sequence_ % kRecent] = hash;
  ++sequence_;
  auto const first = waiting_.lower_bound({event, {}});
  auto last = first;
  for (; last != waiting_.end() && last->event == event; ++last) woken.push_back(last->token);
  waiting_.erase(first, last);
  return woken;
}

std::size_t Waiters::count() const {
  MutexLock const lock(mutex_);
  return waiting_.size();
}

}  // namespace holdfast
