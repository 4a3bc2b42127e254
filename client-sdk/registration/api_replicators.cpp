#include <utility>

#include "registration/api.h"
#include "registration/base64.h"
#include "registration/http_signature.h"
#include "registration/json.h"

namespace holdfast::registration {

namespace {

constexpr std::uint64_t kSecondsMax = 31'536'000;  // A year: no lease is longer.
constexpr std::size_t kReasonBytesMax = 1280;
constexpr std::size_t kNameBytesMax = 16;

Json load_to_json(LoadFigures const& load) {
  return {{"projects", load.projects},         {"connections", load.connections},
          {"stored_bytes", load.stored_bytes}, {"free_bytes", load.free_bytes},
          {"cpu_permille", load.cpu_permille}, {"storage_full", load.storage_full}};
}

Result<LoadFigures> load_from_json(Json const& value) {
  JsonReader in(value);
  LoadFigures out;
  out.projects = in.number_or("projects", 0, kNumberMax);
  out.connections = in.number_or("connections", 0, kNumberMax);
  out.stored_bytes = in.number_or("stored_bytes", 0, kNumberMax);
  out.free_bytes = in.number_or("free_bytes", 0, kNumberMax);
  out.cpu_permille = in.number_or("cpu_permille", 0, 1000);
  out.storage_full = in.flag_or("storage_full", false);
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

LoadFigures read_load(JsonReader& in) {
  Json const* const value = in.optional("load");
  return value == nullptr ? LoadFigures{} : in.take(load_from_json(*value));
}

ReplicatorState read_state(JsonReader& in) {
  if (!in.has("state")) return ReplicatorState::Active;
  std::optional<ReplicatorState> const state = state_from_name(in.text("state", kNameBytesMax));
  if (!state) in.fail(ErrorCode::Malformed, "unknown state");
  return state.value_or(ReplicatorState::Active);
}

Json address_to_json(Address const& address) {
  if (address.kind == AddressKind::WebSocket) return {{"transport", "ws"}, {"url", address.url}};
  return {{"transport", "tcp"}, {"host", address.host}, {"port", address.port}};
}

Json info_to_json(ReplicatorInfo const& info) {
  Json addresses = Json::array();
  for (Address const& address : info.record.addresses) {
    addresses.push_back(address_to_json(address));
  }
  Json out = {{"id", info.record.id.hex()},
              {"state", state_name(info.state)},
              {"listed", info.listed},
              {"expires_in", info.expires_in_s},
              {"projects", info.projects},
              {"seq", info.record.seq},
              {"addresses", std::move(addresses)},
              {"region", info.record.region},
              {"group", info.record.group},
              {"capacity", info.record.capacity},
              {"accept", info.record.accept == AcceptMode::Assigned ? "assigned" : "listed"},
              {"software", info.record.software},
              {"observed_address", info.observed_address},
              {"load", load_to_json(info.load)},
              {"record", to_base64url(info.signed_record)}};
  if (!info.reason.empty()) out["reason"] = info.reason;
  return out;
}

/// What the record says is taken from its signed bytes, never from the members that repeat it.
Result<ReplicatorInfo> info_from_json(Json const& value) {
  JsonReader in(value);
  ReplicatorInfo out;
  out.signed_record = in.base64url("record", kSignedRecordBytesMax);
  out.state = read_state(in);
  out.listed = in.flag_or("listed", false);
  out.reason = in.text_or_empty("reason", kReasonBytesMax);
  out.expires_in_s = in.number("expires_in", kSecondsMax);
  out.projects = in.number_or("projects", 0, kNumberMax);
  out.load = read_load(in);
  out.observed_address = in.text_or_empty("observed_address", kHostBytesMax);
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  Result<SignedRecord> record = open_record(out.signed_record);
  if (!record) return Unexpected(record.error());
  out.record = std::move(record->record);
  return out;
}

}  // namespace

std::string_view state_name(ReplicatorState state) {
  switch (state) {
    case ReplicatorState::Active:
      return "active";
    case ReplicatorState::Draining:
      return "draining";
  }
  return "";
}

std::optional<ReplicatorState> state_from_name(std::string_view name) {
  if (name == "active") return ReplicatorState::Active;
  if (name == "draining") return ReplicatorState::Draining;
  return std::nullopt;
}

std::string to_json(LeaseAnswer const& answer) {
  Json out = {{"lease", answer.lease_s},
              {"renew_in", answer.renew_in_s},
              {"projects", answer.projects},
              {"state", state_name(answer.state)},
              {"observed_address", answer.observed_address},
              {"listed", answer.listed}};
  if (answer.keys_max) out["keys_max"] = *answer.keys_max;
  if (!answer.reason.empty()) out["reason"] = answer.reason;
  if (!answer.receipt.empty()) out["receipt"] = to_base64url(answer.receipt);
  return dump_json(out);
}

Result<LeaseAnswer> lease_answer_from_json(std::string_view text) {
  Result<Json> const body = parse_json_object(text, kAnswerBytesMax);
  if (!body) return Unexpected(body.error());
  JsonReader in(*body);
  LeaseAnswer out;
  out.lease_s = in.number("lease", kSecondsMax);
  out.renew_in_s = in.number("renew_in", kSecondsMax);
  out.projects = in.number_or("projects", 0, kNumberMax);
  if (in.has("keys_max")) out.keys_max = in.number("keys_max", kNumberMax);
  out.state = read_state(in);
  out.observed_address = in.text_or_empty("observed_address", kHostBytesMax);
  out.listed = in.flag_or("listed", true);
  out.reason = in.text_or_empty("reason", kReasonBytesMax);
  if (in.has("receipt")) out.receipt = in.base64url("receipt", kReceiptBytesMax);
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

std::string to_json(RenewRequest const& request) {
  return dump_json({{"state", state_name(request.state)}, {"load", load_to_json(request.load)}});
}

Result<RenewRequest> renew_request_from_json(std::string_view text) {
  Result<Json> const body = parse_json_object(text, kRenewBytesMax);
  if (!body) return Unexpected(body.error());
  JsonReader in(*body);
  RenewRequest out;
  out.state = read_state(in);
  out.load = read_load(in);
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

std::string to_json(ReplicatorInfo const& info) { return dump_json(info_to_json(info)); }

Result<ReplicatorInfo> replicator_info_from_json(std::string_view text) {
  Result<Json> const body = parse_json_object(text, kAnswerBytesMax);
  if (!body) return Unexpected(body.error());
  return info_from_json(*body);
}

std::string to_json(ReplicatorList const& list) {
  Json replicators = Json::array();
  for (ReplicatorInfo const& info : list.replicators) replicators.push_back(info_to_json(info));
  Json out = {{"replicators", std::move(replicators)}};
  if (list.next) out["next"] = list.next->hex();
  return dump_json(out);
}

Result<ReplicatorList> replicator_list_from_json(std::string_view text) {
  Result<Json> const body = parse_json_object(text, kListBytesMax);
  if (!body) return Unexpected(body.error());
  JsonReader in(*body);
  ReplicatorList out;
  for (Json const& item : in.array_or_empty("replicators", kListedReplicatorsMax)) {
    out.replicators.push_back(in.take(info_from_json(item)));
    if (!in.ok()) break;
  }
  if (in.has("next")) out.next = in.hex<PublicKey>("next");
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

std::string to_json(WhoamiAnswer const& answer) {
  Json out = {{"observed_address", answer.observed_address},
              {"now_unix_ms", answer.now_unix_ms},
              {"may_register", answer.may_register}};
  if (!answer.reason.empty()) out["reason"] = answer.reason;
  return dump_json(out);
}

Result<WhoamiAnswer> whoami_answer_from_json(std::string_view text) {
  Result<Json> const body = parse_json_object(text, kAnswerBytesMax);
  if (!body) return Unexpected(body.error());
  JsonReader in(*body);
  WhoamiAnswer out{.observed_address = in.text("observed_address", kHostBytesMax),
                   .now_unix_ms = in.number_or("now_unix_ms", 0, kNumberMax),
                   .may_register = in.flag_or("may_register", true),
                   .reason = in.text_or_empty("reason", kReasonBytesMax)};
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

std::string to_json(NonceAnswer const& answer) { return dump_json({{"nonce", answer.nonce}}); }

Result<NonceAnswer> nonce_answer_from_json(std::string_view text) {
  Result<Json> const body = parse_json_object(text, kAnswerBytesMax);
  if (!body) return Unexpected(body.error());
  JsonReader in(*body);
  NonceAnswer out{.nonce = in.text("nonce", kNonceBytesMax)};
  if (in.ok() && out.nonce.empty()) in.fail(ErrorCode::Malformed, "empty nonce");
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

}  // namespace holdfast::registration
