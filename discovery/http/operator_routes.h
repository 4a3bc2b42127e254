#pragma once

#include <functional>

#include "crypto/keys.h"
#include "discovery/http/admission.h"
#include "discovery/http/answers.h"
#include "discovery/registry/record_store.h"
#include "serve/message.h"
#include "serve/router.h"

namespace holdfast::discovery {

/// What an operator may ask and order, on the admin port (which wants its token for anything but GET):
///
///   GET  /operator/replicators[?after=ID&limit=N]   all with a lease, also unlisted ones, with their health
///   GET  /operator/replicators/{id}
///   GET  /operator/bans
///   GET  /operator/trace/{key}[?region=R]           why a look-up is answered as it is
///   POST /operator/ban     {"what","reason","seconds"}   what: id, address or CIDR range
///   POST /operator/unban   {"what"}
///   POST /operator/drain   {"id","drain"}           drain: true (default) or false
///   POST /operator/quota   {"id","keys"}            keys: a number; without it the default holds again
///   POST /operator/invite  {"seconds"}              answers {"invite"}, shown only this once
///
/// Thread-safety: all handlers may run at once.
class OperatorRoutes {
 public:
  /// Answers a look-up with its trace.
  using Trace = std::function<HttpOutcome(HttpRequest&)>;

  /// Both must outlive this.
  OperatorRoutes(RecordStore& store, Admission& admission, Trace trace)
      : store_(store), admission_(admission), trace_(std::move(trace)) {}

  void add_routes(Router& router);

 private:
  Answer list(HttpRequest const& request);
  Answer find(HttpRequest const& request);
  Answer bans();
  Answer ban(HttpRequest const& request);
  Answer unban(HttpRequest const& request);
  Answer drain(HttpRequest const& request);
  Answer quota(HttpRequest const& request);
  Answer invite(HttpRequest const& request);
  HttpOutcome trace(HttpRequest const& request);

  RecordStore& store_;
  Admission& admission_;
  Trace const trace_;
};

}  // namespace holdfast::discovery
