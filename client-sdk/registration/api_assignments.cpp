#include <utility>

#include "registration/api.h"
#include "registration/json.h"

namespace holdfast::registration {

std::string to_json(AssignmentsAnswer const& answer) {
  Json assignments = Json::array();
  for (DiscoveryKey const& key : answer.keys) assignments.push_back({{"key", key.hex()}});
  return dump_json({{"cursor", answer.cursor}, {"assignments", std::move(assignments)}});
}

Result<AssignmentsAnswer> assignments_answer_from_json(std::string_view text) {
  Result<Json> const body = parse_json_object(text, kProjectsBytesMax);
  if (!body) return Unexpected(body.error());
  JsonReader in(*body);
  AssignmentsAnswer out;
  out.cursor = in.number("cursor", kNumberMax);
  for (Json const& item : in.array_or_empty("assignments", kBatchKeysMax)) {
    JsonReader entry(item);
    out.keys.push_back(entry.hex<DiscoveryKey>("key"));
    if (Result<void> const end = entry.finish(); !end) return Unexpected(end.error());
  }
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

}  // namespace holdfast::registration
