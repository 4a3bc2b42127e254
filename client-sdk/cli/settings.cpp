#include "cli/settings.h"

#include <cstdio>

#include "codec/key_text.h"

namespace holdfast::cli {

Exit exit_of(Error const& error) {
  if (error.code == ErrorCode::NotFound) return Exit::NotFound;
  if (error.code == ErrorCode::Unavailable) return Exit::Unavailable;
  if (error.code == ErrorCode::BadHandshake) return Exit::Untrusted;
  return Exit::Error;
}

Exit complain(Error const& error) {
  std::fprintf(stderr, "holdfast: %s\n", error.detail.c_str());
  return exit_of(error);
}

Result<net::HttpsOptions> https_options(Settings const& settings) {
  net::HttpsOptions options;
  options.connect_timeout = settings.timeout;
  options.answer_timeout = settings.timeout;
  options.trust.ca_file = settings.discovery_ca;
  if (settings.discovery_pin.empty()) return options;
  options.trust.pin = Hash::from_hex(settings.discovery_pin);
  if (!options.trust.pin) {
    return Unexpected(ErrorCode::Malformed,
                      "--discovery-pin is the SHA-256 of a certificate, 64 hex digits");
  }
  return options;
}

Result<net::DiscoveryClientOptions> discovery_options(Settings const& settings) {
  if (settings.discovery.empty()) {
    return Unexpected(ErrorCode::Malformed, "no discovery service: give --discovery https://…");
  }
  Result<net::HttpsOptions> https = https_options(settings);
  if (!https) return Unexpected(https.error());
  net::DiscoveryClientOptions options;
  options.https = std::move(*https);
  options.region = settings.region;
  for (std::string const& text : settings.discovery) {
    Result<net::ServiceUrl> url = net::parse_service_url(text);
    if (!url) return Unexpected(ErrorCode::Malformed, "--discovery: " + url.error().detail);
    options.services.push_back(std::move(*url));
  }
  return options;
}

Result<std::vector<net::NamedPeer>> named_peers(Settings const& settings) {
  std::vector<net::NamedPeer> peers;
  for (std::string const& text : settings.peers) {
    Result<net::NamedPeer> peer = net::parse_named_peer(text);
    if (!peer) return Unexpected(ErrorCode::Malformed, "--peer: " + peer.error().detail);
    peers.push_back(std::move(*peer));
  }
  return peers;
}

Result<net::LookupQuery> lookup_query(Settings const& settings, Arguments const& arguments) {
  if (!arguments.project) {
    Result<DiscoveryKey> const key = parse_key_as<DiscoveryKey>(arguments.key);
    if (!key) return Unexpected(key.error());
    return net::LookupQuery{*key, std::nullopt, false, Duration(0)};
  }
  Result<CoreKey> const key = parse_key_as<CoreKey>(arguments.key);
  if (!key) return Unexpected(key.error());
  net::LookupQuery query = net::LookupQuery::of_project(*key);
  query.proven_only = settings.proven_only;
  return query;
}

}  // namespace holdfast::cli
