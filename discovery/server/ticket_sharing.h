#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "base/result.h"
#include "discovery/registry/record_store.h"
#include "serve/server.h"
#include "serve/ticket_keys.h"

namespace holdfast::discovery {

/// Gives every instance the same session ticket keys, so that a client resumes at any of them.
///
/// Time is cut into periods of TicketKeyLife::making_s. The key of a period lies in the store, sealed under the cluster
/// secret, put there by whichever instance comes first: some time before the period begins, so that all have read it
/// when the first ticket is made under it. Keys that were read are kept although the store loses them, and put back: the
/// same ones, so that tickets made meanwhile open at instances that start later.
///
/// Thread-safety: round() is called by one thread at a time: the one that start() starts.
class TicketSharing {
 public:
  /// All are borrowed and must outlive this.
  TicketSharing(RecordStore& store, HttpServer& server, ClusterSecret const& secret,
                TicketKeyLife life = {});
  ~TicketSharing() { stop(); }
  TicketSharing(TicketSharing const&) = delete;
  TicketSharing& operator=(TicketSharing const&) = delete;

  /// Puts what is missing, reads all, and tells the server.
  /// Errors: those of the store. Keys sealed under another secret are passed over.
  Result<void> round();
  /// round() now, on this thread, and every half minute on one of its own.
  void start();
  void stop();
  TicketKeys const& keys() const { return keys_; }

 private:
  void run();
  Result<void> put_if_absent(std::int64_t period, std::int64_t now);
  void merge(TicketKeys told, std::int64_t now);

  RecordStore& store_;
  HttpServer& server_;
  ClusterSecret const secret_;
  TicketKeyLife const life_;
  TicketKeys keys_;
  std::set<std::string> refused_;  ///< Periods whose keys could not be opened; each is logged once.
  std::thread thread_;
  Mutex mutex_;
  CondVar stopped_;
  bool stop_ HOLDFAST_GUARDED_BY(mutex_) = false;
};

}  // namespace holdfast::discovery
