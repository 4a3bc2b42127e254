#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace holdfast::discovery {

/// The URLs under which this service is reached: the only ones a signed request may be meant for. `Host` says nothing
/// here: whoever passes a request on can write it.
class OwnUrls {
 public:
  static constexpr std::size_t kCountMax =
      16;  ///< Each costs a signature check when a request is signed for none.

  /// Reads `https://HOST[:PORT]` or `http://…` (behind a proxy that ends TLS); a slash at the end and a default port
  /// are taken off, letters of scheme and host made small.
  /// Errors: Malformed (other schemes, a path, user info, a query), LimitExceeded (more than kCountMax).
  static Result<OwnUrls> parse(std::vector<std::string> const& texts);

  /// What https://HOST:PORT of a listener is called by those who reach it: for "0.0.0.0" and "::" localhost and the
  /// loopback addresses.
  static OwnUrls of_listener(std::string const& host, std::uint16_t port);

  std::vector<std::string> const& list() const { return urls_; }
  /// Whether `host` (a Host field) is that of one of them; only to say which error it was.
  bool has_host(std::string_view host) const;
  /// Host names and literals, for a certificate.
  std::vector<std::string> host_names() const;

 private:
  std::vector<std::string> urls_;  ///< Without a slash at the end.
};

}  // namespace holdfast::discovery
