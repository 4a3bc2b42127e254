#include "holdfast/client.h"

#include <utility>

#include "codec/key_text.h"
#include "net/core_clone.h"
#include "net/discovery_client.h"

namespace holdfast::sdk {
namespace {

Failure failure_of(Error const& error) {
  switch (error.code) {
    case ErrorCode::Malformed:
    case ErrorCode::LimitExceeded:
      return {Trouble::Usage, error.detail};
    case ErrorCode::NotFound:
      return {Trouble::NotFound, error.detail};
    case ErrorCode::Conflict:
    case ErrorCode::Storage:
    case ErrorCode::StorageFull:
      return {Trouble::Storage, error.detail};
    case ErrorCode::BadCapability:
    case ErrorCode::BadProof:
    case ErrorCode::BadSignature:
    case ErrorCode::BadHandshake:
    case ErrorCode::Protocol:
    case ErrorCode::Denied:
      return {Trouble::Refused, error.detail};
    case ErrorCode::Unavailable:
      return {Trouble::Unavailable, error.detail};
  }
  return {Trouble::Unavailable, error.detail};
}

Result<net::DiscoveryClientOptions> discovery_options(ClientOptions const& options) {
  net::DiscoveryClientOptions out;
  out.region = options.region;
  out.https.connect_timeout = options.timeout;
  out.https.answer_timeout = options.timeout;
  out.https.trust.ca_file = options.ca_file;
  if (!options.pin_sha256.empty()) {
    out.https.trust.pin = Hash::from_hex(options.pin_sha256);
    if (!out.https.trust.pin) {
      return Unexpected(ErrorCode::Malformed, "pin_sha256 is not 64 hex digits");
    }
  }
  for (std::string const& text : options.discovery) {
    Result<net::ServiceUrl> url = net::parse_service_url(text);
    if (!url) return Unexpected(url.error());
    out.services.push_back(std::move(*url));
  }
  return out;
}

Endpoint endpoint_of(net::FoundEndpoint const& found) {
  return {found.endpoint.host,
          found.endpoint.port,
          found.endpoint.replicator.hex(),
          found.endpoint.region,
          std::chrono::seconds(found.endpoint.expires_in_s),
          found.proven};
}

}  // namespace

struct Copy::State {
  CoreKey key;
  std::unique_ptr<net::CoreClone> clone;
};

Copy::Copy(std::unique_ptr<State> state) : state_(std::move(state)) {}
Copy::Copy(Copy&&) noexcept = default;
Copy& Copy::operator=(Copy&&) noexcept = default;
Copy::~Copy() = default;

Progress Copy::progress() {
  net::CloneProgress const now = state_->clone->progress();
  return {now.length, now.contiguous_length, now.blocks_held, now.remote_length, now.complete()};
}

void Copy::wait(std::chrono::milliseconds at_most) { state_->clone->wait(at_most); }
void Copy::interrupt() { state_->clone->interrupt(); }

Outcome<std::vector<std::uint8_t>> Copy::read(std::uint64_t block) {
  Result<std::unique_ptr<core::CoreView>> const view = state_->clone->store().view(state_->key);
  if (!view) return failure_of(view.error());
  Result<std::optional<Bytes>> value = (*view)->block(BlockIndex(block));
  if (!value) return failure_of(value.error());
  if (!*value) return Failure{Trouble::NotFound, "the block is not here"};
  return std::move(**value);
}

struct Client::State {
  ClientOptions options;
  net::DiscoveryClientOptions discovery;
  std::unique_ptr<net::DiscoveryClient> client;  ///< Null without services.

  Outcome<std::vector<Endpoint>> lookup(net::LookupQuery query) {
    if (!client) return Failure{Trouble::Usage, "no discovery service is given"};
    query.proven_only = options.proven_only && query.project;
    Result<net::Lookup> const found = client->lookup(query);
    if (!found) return failure_of(found.error());
    std::vector<Endpoint> endpoints;
    for (net::FoundEndpoint const& one : found->endpoints) endpoints.push_back(endpoint_of(one));
    return endpoints;
  }
};

Client::Client(std::unique_ptr<State> state) : state_(std::move(state)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Outcome<Client> Client::open(ClientOptions const& options) {
  if (Result<void> const ready = init_crypto(); !ready) return failure_of(ready.error());
  Result<net::DiscoveryClientOptions> discovery = discovery_options(options);
  if (!discovery) return failure_of(discovery.error());
  auto state = std::make_unique<State>();
  state->options = options;
  state->discovery = std::move(*discovery);
  if (!state->discovery.services.empty()) {
    Result<std::unique_ptr<net::DiscoveryClient>> client =
        net::DiscoveryClient::open(state->discovery);
    if (!client) return failure_of(client.error());
    state->client = std::move(*client);
  }
  return Client(std::move(state));
}

Outcome<std::vector<Endpoint>> Client::lookup_project(std::string const& project_key) {
  Result<CoreKey> const key = parse_key_as<CoreKey>(project_key);
  if (!key) return failure_of(key.error());
  return state_->lookup(net::LookupQuery::of_project(*key));
}

Outcome<std::vector<Endpoint>> Client::lookup(std::string const& discovery_key) {
  Result<DiscoveryKey> const key = parse_key_as<DiscoveryKey>(discovery_key);
  if (!key) return failure_of(key.error());
  return state_->lookup({*key, std::nullopt, false, Duration(0)});
}

Outcome<Copy> Client::copy(std::string const& core_key, std::filesystem::path const& directory,
                           std::vector<std::string> const& peers) {
  Result<CoreKey> const key = parse_key_as<CoreKey>(core_key);
  if (!key) return failure_of(key.error());
  net::CoreCloneOptions options;
  options.directory = directory;
  options.follow.project = *key;
  options.follow.proven_only = state_->options.proven_only;
  for (std::string const& text : peers) {
    Result<net::NamedPeer> peer = net::parse_named_peer(text);
    if (!peer) return failure_of(peer.error());
    options.follow.peers.push_back(std::move(*peer));
  }
  if (state_->client) options.follow.discovery = state_->discovery;
  Result<std::unique_ptr<net::CoreClone>> clone = net::CoreClone::open(std::move(options));
  if (!clone) return failure_of(clone.error());
  return Copy(std::make_unique<Copy::State>(Copy::State{*key, std::move(*clone)}));
}

}  // namespace holdfast::sdk
