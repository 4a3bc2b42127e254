#include "registration/api.h"

#include <utility>

#include "registration/api_parts.h"
#include "registration/base64.h"
#include "registration/json.h"

namespace holdfast::registration {

Json proof_to_json(KeyholderProof const& proof) {
  return {{"keyholder", proof.keyholder.hex()},
          {"expires", proof.expires_unix_s},
          {"signature", proof.signature.hex()}};
}

Result<KeyholderProof> proof_from_json(Json const& value) {
  JsonReader in(value);
  KeyholderProof out;
  out.keyholder = in.hex<PublicKey>("keyholder");
  out.expires_unix_s = in.number("expires", kNumberMax);
  out.signature = in.hex<Signature>("signature");
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

namespace {

constexpr std::uint64_t kSecondsMax = 31'536'000;  // A year: no lease is longer.
constexpr std::uint64_t kPortMax = 65'535;

std::optional<KeyholderProof> read_proof(JsonReader& in) {
  Json const* const value = in.optional("proof");
  if (value == nullptr) return std::nullopt;
  return in.take(proof_from_json(*value));
}

Json endpoint_to_json(Endpoint const& endpoint) {
  Json out = {{"replicator", endpoint.replicator.hex()},
              {"host", endpoint.host},
              {"port", endpoint.port},
              {"transport", transport_name(endpoint.transport)},
              {"region", endpoint.region},
              {"expires_in", endpoint.expires_in_s},
              {"record", to_base64url(endpoint.record)}};
  if (endpoint.transport == AddressKind::WebSocket) out["url"] = endpoint.url;
  if (endpoint.proof) out["proof"] = proof_to_json(*endpoint.proof);
  return out;
}

Result<Endpoint> endpoint_from_json(Json const& value) {
  JsonReader in(value);
  Endpoint out;
  out.replicator = in.hex<PublicKey>("replicator");
  out.host = in.text("host", kHostBytesMax);
  out.port = static_cast<std::uint16_t>(in.number("port", kPortMax));
  std::optional<AddressKind> const transport = transport_from_name(in.text("transport", 16));
  if (!transport) in.fail(ErrorCode::Malformed, "unknown transport");
  out.transport = transport.value_or(AddressKind::Tcp);
  out.url = in.text_or_empty("url", kUrlBytesMax);
  out.region = in.text_or_empty("region", kLabelBytesMax);
  out.expires_in_s = in.number("expires_in", kSecondsMax);
  out.proof = read_proof(in);
  out.record = in.base64url("record", kSignedRecordBytesMax);
  if (in.ok() && (!is_host(out.host) || out.port == 0 || out.expires_in_s == 0)) {
    in.fail(ErrorCode::Malformed, "endpoint that nobody can dial");
  }
  if (in.ok() && out.transport == AddressKind::WebSocket) in.take(host_of_url(out.url));
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

ProjectListing listing_from_json(JsonReader& parent, Json const& value) {
  JsonReader in(value);
  ProjectListing out;
  out.key = in.hex<DiscoveryKey>("key");
  out.proof = read_proof(in);
  if (Result<void> const end = in.finish(); !end) {
    parent.fail(end.error().code, end.error().detail);
  }
  return out;
}

}  // namespace

std::string_view transport_name(AddressKind kind) {
  switch (kind) {
    case AddressKind::Tcp:
      return "tcp";
    case AddressKind::WebSocket:
      return "ws";
  }
  return "";
}

std::optional<AddressKind> transport_from_name(std::string_view name) {
  if (name == "tcp") return AddressKind::Tcp;
  if (name == "ws") return AddressKind::WebSocket;
  return std::nullopt;
}

std::string to_json(LookupAnswer const& answer) {
  Json endpoints = Json::array();
  for (Endpoint const& endpoint : answer.endpoints) endpoints.push_back(endpoint_to_json(endpoint));
  Json out = {{"endpoints", std::move(endpoints)}};
  if (!answer.endpoints.empty()) {
    out["host"] = answer.endpoints.front().host;
    out["port"] = answer.endpoints.front().port;
    out["expires_in"] = answer.endpoints.front().expires_in_s;
  }
  return dump_json(out);
}

Result<LookupAnswer> lookup_answer_from_json(std::string_view text) {
  Result<Json> const body = parse_json_object(text, kAnswerBytesMax);
  if (!body) return Unexpected(body.error());
  JsonReader in(*body);
  LookupAnswer out;
  for (Json const& endpoint : in.array_or_empty("endpoints", kEndpointsMax)) {
    out.endpoints.push_back(in.take(endpoint_from_json(endpoint)));
    if (!in.ok()) break;
  }
  if (out.endpoints.empty()) in.fail(ErrorCode::Malformed, "answer without endpoints");
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

std::string to_json(RegistrationRequest const& request) {
  Json out = {{"record", to_base64url(request.record)}};
  if (!request.receipt.empty()) out["receipt"] = to_base64url(request.receipt);
  if (!request.token.empty()) out["token"] = request.token;
  return dump_json(out);
}

Result<RegistrationRequest> registration_request_from_json(std::string_view text) {
  Result<Json> const body = parse_json_object(text, kRegistrationBytesMax);
  if (!body) return Unexpected(body.error());
  JsonReader in(*body);
  RegistrationRequest out{.record = in.base64url("record", kSignedRecordBytesMax)};
  if (in.has("receipt")) out.receipt = in.base64url("receipt", kReceiptBytesMax);
  out.token = in.text_or_empty("token", kTokenBytesMax);
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

std::string to_json(ProjectsRequest const& request) {
  Json add = Json::array();
  for (ProjectListing const& listing : request.add) {
    Json item = {{"key", listing.key.hex()}};
    if (listing.proof) item["proof"] = proof_to_json(*listing.proof);
    add.push_back(std::move(item));
  }
  Json remove = Json::array();
  for (DiscoveryKey const& key : request.remove) remove.push_back(key.hex());
  return dump_json(
      {{"replace", request.replace}, {"add", std::move(add)}, {"remove", std::move(remove)}});
}

Result<ProjectsRequest> projects_request_from_json(std::string_view text) {
  Result<Json> const body = parse_json_object(text, kProjectsBytesMax);
  if (!body) return Unexpected(body.error());
  JsonReader in(*body);
  ProjectsRequest out;
  out.replace = in.flag_or("replace", false);
  for (Json const& item : in.array_or_empty("add", kBatchKeysMax)) {
    out.add.push_back(listing_from_json(in, item));
    if (!in.ok()) break;
  }
  for (Json const& item : in.array_or_empty("remove", kBatchKeysMax)) {
    out.remove.push_back(in.hex_value<DiscoveryKey>(item));
    if (!in.ok()) break;
  }
  if (out.add.size() + out.remove.size() > kBatchKeysMax) {
    in.fail(ErrorCode::LimitExceeded, "too many keys in one batch");
  }
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

std::string to_json(ProjectsAnswer const& answer) {
  Json out = {{"projects", answer.projects}};
  for (DiscoveryKey const& key : answer.refused) out["refused"].push_back(key.hex());
  return dump_json(out);
}

Result<ProjectsAnswer> projects_answer_from_json(std::string_view text) {
  Result<Json> const body = parse_json_object(text, kAnswerBytesMax);
  if (!body) return Unexpected(body.error());
  JsonReader in(*body);
  ProjectsAnswer out{.projects = in.number("projects", kNumberMax)};
  for (Json const& item : in.array_or_empty("refused", kBatchKeysMax)) {
    out.refused.push_back(in.hex_value<DiscoveryKey>(item));
    if (!in.ok()) break;
  }
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

}  // namespace holdfast::registration
