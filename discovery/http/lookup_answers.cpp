#include "discovery/http/lookup_answers.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "discovery/http/answers.h"

namespace holdfast::discovery {

namespace {

using Json = nlohmann::ordered_json;
using registration::ProblemType;

constexpr std::size_t kEtagBytes = 18;
constexpr std::uint64_t kUnknownRetryMaxS = 300;
constexpr std::uint64_t kOverloadRetryS = 1;

std::array<char, kEtagBytes> etag_of(std::uint64_t hash) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::array<char, kEtagBytes> out{};
  out.front() = out.back() = '"';
  for (std::size_t i = 0; i < 16; ++i) out[i + 1] = kDigits[hash >> (60 - 4 * i) & 15];
  return out;
}

void append_number(std::string& out, std::uint64_t number) {
  std::array<char, 20> digits{};
  auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

/// From `least` to twice that.
std::uint64_t jittered(std::uint64_t least, Rng& rng) { return least + rng.below(least + 1); }

std::string dumped(Json const& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

void append_found_headers(DirectoryAnswer const& answer, CacheScope scope, bool is_not_modified,
                          std::string& lines) {
  std::array<char, kEtagBytes> const etag = etag_of(answer.hash);
  lines += "ETag: ";
  lines.append(etag.data(), etag.size());
  if (answer.degraded_for) {
    lines += "\r\nCache-Control: no-store\r\nAge: ";
    append_number(lines, whole_seconds(*answer.degraded_for));
    lines += "\r\nWarning: 110 - \"Response is Stale\"";
  } else {
    lines += scope == CacheScope::Public ? "\r\nCache-Control: public, max-age="
                                         : "\r\nCache-Control: private, max-age=";
    append_number(lines, answer.least_left_s / 2);
  }
  lines += "\r\nVary: Accept\r\n";
  if (!is_not_modified) return;
  lines += "Holdfast-Expires-In: ";
  append_number(lines, answer.least_left_s);
  lines += "\r\n";
}

bool matches_etag(std::string_view if_none_match, std::uint64_t hash) {
  std::array<char, kEtagBytes> const etag = etag_of(hash);
  std::string_view const wanted(etag.data(), etag.size());
  while (!if_none_match.empty()) {
    std::size_t const comma = if_none_match.find(',');
    std::string_view one = if_none_match.substr(0, comma);
    if_none_match.remove_prefix(comma == std::string_view::npos ? if_none_match.size() : comma + 1);
    while (!one.empty() && (one.front() == ' ' || one.front() == '\t')) one.remove_prefix(1);
    while (!one.empty() && (one.back() == ' ' || one.back() == '\t')) one.remove_suffix(1);
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == wanted || one == "*") return true;
  }
  return false;
}

void add_header_lines(HttpResponse& response, std::string_view lines) {
  while (!lines.empty()) {
    std::size_t const end = lines.find("\r\n");
    std::string_view const line = lines.substr(0, end);
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 2);
    std::size_t const colon = line.find(": ");
    HOLDFAST_CHECK(colon != std::string_view::npos);
    response.headers.add(std::string(line.substr(0, colon)), std::string(line.substr(colon + 2)));
  }
}

registration::ProblemDetails lookup_problem(DirectoryAnswer const& answer, Duration lease,
                                            Rng& rng) {
  std::uint64_t const lease_s = whole_seconds(lease);
  switch (answer.status) {
    case DirectoryStatus::UnknownKey: {
      std::uint64_t const patience =
          std::clamp<std::uint64_t>(answer.asked / 2, 1, kUnknownRetryMaxS / 2);
      return problem_document(ProblemType::UnknownKey, "no replicator is registered for this key",
                              jittered(patience, rng));
    }
    case DirectoryStatus::NobodyCanServe:
      // A node that comes back registers within a third of a lease; spread the crowd that waits for it.
      return problem_document(ProblemType::NobodyCanServe,
                              "replicators of this key are known, none is there now",
                              1 + jittered(lease_s / 6, rng));
    case DirectoryStatus::BeingTakenOn:
      return problem_document(ProblemType::NobodyCanServe, "a replicator is being asked to host it",
                              jittered(1, rng));
    case DirectoryStatus::Recovering:
      return problem_document(ProblemType::Recovering, "replicators are registering again",
                              jittered(std::max<std::uint64_t>(1, lease_s / 4), rng));
    case DirectoryStatus::ProjectKeySent:
      return problem_document(ProblemType::ProjectKeySent,
                              "this was a project key; ask for its discovery key, and keep the "
                              "project key to yourself");
    case DirectoryStatus::Away:
      return problem_document(ProblemType::StoreUnavailable, "the store does not answer",
                              jittered(2, rng));
    case DirectoryStatus::Overloaded:
    case DirectoryStatus::Fetch:
    case DirectoryStatus::Wait:
      return problem_document(ProblemType::StoreUnavailable, "too many look-ups wait for the store",
                              jittered(kOverloadRetryS, rng));
    case DirectoryStatus::Found:
      break;
  }
  return problem_document(ProblemType::Internal, "");
}

void add_json_member(std::string& body, std::string_view name, std::string_view value) {
  HOLDFAST_CHECK(body.size() > 2 && body.back() == '}');
  body.pop_back();
  body.append(",\"").append(name).append("\":").append(value) += '}';
}

std::string to_json(std::vector<TraceLine> const& trace) {
  Json out = Json::array();
  for (TraceLine const& line : trace) {
    out.push_back({{"replicator", line.id.hex()},
                   {"verdict", verdict_name(line.verdict)},
                   {"region", line.region},
                   {"group", line.group},
                   {"weight", line.weight},
                   {"cost", line.cost},
                   {"load_permille", line.load_permille},
                   {"busy", line.is_busy},
                   {"expires_in", line.expires_in_s}});
  }
  return dumped(out);
}

std::string to_json(ClientPlace const& place) {
  Json out = Json::object();
  if (std::string_view const country = text_of(place.country); !country.empty())
    out["country"] = country;
  if (std::string_view const continent = text_of(place.continent); !continent.empty())
    out["continent"] = continent;
  return dumped(out);
}

std::string to_json(std::vector<PeerEndpoint> const& peers) {
  Json out = Json::array();
  for (PeerEndpoint const& peer : peers) out.push_back({{"host", peer.host}, {"port", peer.port}});
  return dumped(out);
}

}  // namespace holdfast::discovery
