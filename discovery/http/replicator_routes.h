#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "crypto/hash.h"
#include "crypto/keys.h"
#include "discovery/http/admission.h"
#include "discovery/http/answers.h"
#include "discovery/http/observer.h"
#include "discovery/http/own_urls.h"
#include "discovery/http/rate_limiter.h"
#include "discovery/http/renewals.h"
#include "discovery/probe/health_keeper.h"
#include "discovery/registry/record_store.h"
#include "registration/api.h"
#include "registration/record.h"
#include "serve/message.h"
#include "serve/router.h"

namespace holdfast::discovery {

/// What decides over registrations; each must outlive the routes.
struct RegistrationParts {
  Admission* admission = nullptr;  ///< Without: open to all.
  SelfTests* tests = nullptr;      ///< Without: what registers is listed untested.
  Hash receipt_secret{};           ///< Zero: no receipts.
  RateLimiter* limiter = nullptr;  ///< Without: as much as anybody likes.

  /// `handler` within the budget of its caller's network, if there are budgets.
  HttpHandler within_budget(RateKind kind, HttpHandler handler) const;
};

/// What replicators write: register, renew, projects, leave.
///
/// Rules:
///  1. A write counts only if the replicator of the path signed this very request for one of our own URLs, with a nonce
///     that was never used. The signature is checked before the nonce is spent. Why: else a stranger could use up the
///     nonces of others.
///  2. Every answer to a write carries a fresh Replay-Nonce, errors too.
///  3. A record is stored as pending and tested; the request is held for it at most kSelfTestWait. 200: it passed, or had
///     passed already; 202 with Location: the test still runs, renewals and keys are welcome meanwhile; 422: it failed, is
///     kept as failed and not listed, and may be tried again.
///  4. A receipt that holds lists a record at once; it is tested afterwards.
///
/// Thread-safety: all handlers may run at once; the state is the store's.
class ReplicatorRoutes {
 public:
  /// `store` and `observer` must outlive this.
  ReplicatorRoutes(RecordStore& store, OwnUrls own_urls, ApiObserver& observer,
                   RegistrationParts parts = {})
      : store_(store),
        own_urls_(std::move(own_urls)),
        observer_(observer),
        parts_(parts),
        renewals_(store) {}

  void add_routes(Router& router);

 private:
  /// What is left of a request until the others that came with it were looked at.
  using Rest = std::function<Answer()>;
  using WriteAnswer = std::variant<HttpResponse, registration::ProblemDetails, WaitFor, Rest>;
  using Write = WriteAnswer (ReplicatorRoutes::*)(HttpRequest const&, PublicKey const&);

  /// Rules 1 and 2 around `write`.
  HttpOutcome authenticated(HttpRequest const& request, WriteRoute route, Write write);
  HttpResponse conclude(WriteRoute route, Answer answer);
  WriteAnswer check_and_write(HttpRequest const& request, WriteRoute route, Write write);
  /// Rule 1, without spending the nonce. Returns: the problem, or nothing.
  std::optional<registration::ProblemDetails> refusal(HttpRequest const& request,
                                                      PublicKey const& id,
                                                      std::string& nonce) const;

  WriteAnswer put(HttpRequest const& request, PublicKey const& id);
  WriteAnswer store_record(HttpRequest const& request, registration::SignedRecord const& record,
                           registration::RegistrationRequest const& body);
  /// What a registration came to, once its test is over or its time is.
  WriteAnswer put_result(HttpRequest const& request, PublicKey const& id);
  WriteAnswer renew(HttpRequest const& request, PublicKey const& id);
  Answer renewed(Result<ReplicatorEntry> const& entry, std::string const& observed_host);
  WriteAnswer change_projects(HttpRequest const& request, PublicKey const& id);
  WriteAnswer deregister(HttpRequest const& request, PublicKey const& id);

  std::optional<Receipt> receipt_in(registration::RegistrationRequest const& body,
                                    registration::Record const& record, PeerAddress const& peer);
  /// Empty if it is not listed. Calls the store.
  Bytes receipt_for(ReplicatorEntry const& entry);
  registration::LeaseAnswer lease_answer(ReplicatorEntry const& entry,
                                         std::string const& observed_host);

  RecordStore& store_;
  OwnUrls own_urls_;
  ApiObserver& observer_;
  RegistrationParts parts_;
  Renewals renewals_;
};

}  // namespace holdfast::discovery
