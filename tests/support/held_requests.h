#pragma once

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <variant>

#include "base/mutex.h"
#include "serve/message.h"
#include "serve/router.h"

namespace holdfast {

/// Stands for the server's parking of requests in tests of handlers: asks again when the event is notified, as often as
/// the handler wants to wait.
class HeldRequests {
 public:
  void notify(std::string const& event) {
    MutexLock const lock(mutex_);
    ++notified_[event];
    changed_.notify_all();
  }

  /// Returns: the answer. An event that does not come within five seconds is the handler's deadline.
  HttpResponse answer(Router const& router, HttpRequest request) {
    while (true) {
      std::map<std::string, int> const before = notified();
      HttpOutcome outcome = router.handle(request);
      if (HttpResponse* const response = std::get_if<HttpResponse>(&outcome); response != nullptr) {
        return std::move(*response);
      }
      if (Later* const later = std::get_if<Later>(&outcome)) return later->finish();
      std::string const& event = std::get<WaitFor>(outcome).event;
      auto const known = before.find(event);
      request.call =
          wait(event, known == before.end() ? 0 : known->second) ? Call::Event : Call::Deadline;
    }
  }

 private:
  std::map<std::string, int> notified() {
    MutexLock const lock(mutex_);
    return notified_;
  }
  bool wait(std::string const& event, int before) {
    auto const until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    MutexLock const lock(mutex_);
    while (notified_[event] == before) {
      auto const left = until - std::chrono::steady_clock::now();
      if (left <= std::chrono::steady_clock::duration(0)) return false;
      changed_.wait_for(mutex_, left);
    }
    return true;
  }

  Mutex mutex_;
  CondVar changed_;
  std::map<std::string, int> notified_ HOLDFAST_GUARDED_BY(mutex_);
};

}  // namespace holdfast
