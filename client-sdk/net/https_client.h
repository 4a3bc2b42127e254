#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "crypto/hash.h"

namespace holdfast::net {

/// A service by its URL: https://HOST[:PORT][/BASE].
struct ServiceUrl {
  std::string text;  ///< As given, without a slash at the end; what targets are appended to.
  std::string host;  ///< Without brackets.
  std::uint16_t port = 443;
  std::string base;  ///< Path in front of every target; empty or starting with a slash.
};
/// Errors: Malformed (not https, user info, query, fragment, bad host or port).
Result<ServiceUrl> parse_service_url(std::string_view text);

/// Whom to believe. Both empty: the system's certificate authorities.
struct TlsTrust {
  std::string ca_file;      ///< PEM; replaces the system's authorities.
  std::optional<Hash> pin;  ///< SHA-256 of the leaf's DER; then nothing else is asked.
};

struct HttpsOptions {
  TlsTrust trust;
  Duration connect_timeout{5'000};
  Duration answer_timeout{10'000};
  std::size_t answer_bytes_max = 1024 * 1024;
};

struct HttpsRequest {
  std::string method = "GET";
  std::string target = {};  ///< Behind the service's base: "/whoami". Sent as it is.
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  std::string content_type = {};
  Duration extra_wait{0};  ///< Added to the answer's time-out, for requests that are held.
  /// Doing it twice does no more than doing it once, whatever the method says: see rule 4.
  bool repeatable = false;
};

struct HttpsAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< Names in lower case.
  std::string body;

  /// Empty if absent.
  std::string header(std::string const& lower_case_name) const;
  /// Whole seconds of Retry-After; zero if absent or a date.
  Duration retry_after() const;
  /// Seconds of the Date header: the server's clock, for judging expiries without trusting ours.
  std::optional<std::uint64_t> date_unix_s() const;
};

/// One HTTPS service over a connection that is kept while it is used.
///
/// Rules:
///  1. Nothing of a request is sent before the certificate passed: the handshake itself fails.
///  2. Redirects are not followed, compressed answers not asked for, larger ones cut off.
///  3. A kept connection whose end was told (end of stream, TLS close_notify), or where something came unasked, is
///     replaced before anything is written. Why: services close idle connections, and the next request shall not pay.
///  4. A request on a kept connection that ends before the first byte of an answer, and before its time is over, is sent
///     once more, on a fresh connection, if it could not be sent whole, if its method is idempotent (GET, HEAD, PUT,
///     DELETE, OPTIONS), or if it is `repeatable`.
///     Why only then: a service may have carried out what it did not answer (RFC 9110, 9.2.2). Why only before its time
///     is over: a service that is too slow gets no second load. Why only on kept ones: the failure of a fresh one is news.
///  5. What was sent and nobody acknowledged for `connect_timeout` ends the connection. Why: a NAT that forgot it says
///     nothing.
///  6. Writing to what has gone raises no SIGPIPE.
/// Blocks its caller. Thread-safety: one thread, except cancel().
class HttpsClient {
 public:
  /// Errors: Unavailable (the CA file cannot be read).
  static Result<std::unique_ptr<HttpsClient>> open(ServiceUrl url, HttpsOptions options);
  ~HttpsClient();
  HttpsClient(HttpsClient const&) = delete;
  HttpsClient& operator=(HttpsClient const&) = delete;

  /// Any status is an answer. Errors: Unavailable (no connection, time-out), BadHandshake (the
  /// certificate was not accepted; the detail says why and names its SHA-256), LimitExceeded.
  Result<HttpsAnswer> send(HttpsRequest const& request);
  /// Ends a send() that is under way and all later ones. From any thread.
  void cancel();

  ServiceUrl const& url() const;
  /// SHA-256 of the last leaf that was shown, accepted or not.
  std::optional<Hash> shown_certificate() const;

 private:
  struct State;
  explicit HttpsClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::net
