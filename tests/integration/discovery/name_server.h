#pragma once

#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace holdfast::test {

/// A name server on 127.0.0.1:53 that gives every name the same addresses, others each time. One thread.
class NameServer {
 public:
  NameServer();
  ~NameServer();
  NameServer(NameServer const&) = delete;
  NameServer& operator=(NameServer const&) = delete;

  /// What the next questions for an address (A) are answered with, one element each; the last one is kept.
  void answer(std::vector<std::vector<std::string>> addresses);
  int questions() const;  ///< For an address, so far.

 private:
  void run();
  std::string reply_to(std::string const& question);

  int socket_ = -1;
  mutable Mutex mutex_;
  std::deque<std::vector<std::string>> answers_ HOLDFAST_GUARDED_BY(mutex_);
  int questions_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

/// Moves this process, and what it starts from now on, into network and mount namespaces of its own: only loopback, with
/// `extra_address` beside 127.0.0.1, and names asked of 127.0.0.1. Before any thread is started.
/// Returns: false if that is not allowed here.
bool enter_lab(std::string const& extra_address, std::string const& folder);

}  // namespace holdfast::test
