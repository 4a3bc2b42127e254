// Claims, assignments, client peers and shared values of RedisRecords.
#include <algorithm>
#include <utility>

#include "discovery/store/memory_extras.h"
#include "discovery/store/redis_records.h"
#include "discovery/store/redis_words.h"

namespace holdfast::discovery {

namespace {

constexpr std::size_t kEndBytes = 6;

std::string kind_digit(SharedKind kind) { return digits(static_cast<std::uint64_t>(kind)); }

/// Port, big-endian, then the host.
std::string pack_peer(PeerEndpoint const& peer) {
  std::string out;
  out.push_back(static_cast<char>(peer.port >> 8));
  out.push_back(static_cast<char>(peer.port & 0xff));
  return out + peer.host;
}

std::optional<PeerEndpoint> unpack_peer(std::string_view packed) {
  if (packed.size() < 3) return std::nullopt;
  ByteView const bytes = as_bytes(packed);
  PeerEndpoint out;
  out.port = static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
  out.host = packed.substr(2);
  return out;
}

}  // namespace

Result<Claim> RedisRecords::claim(DiscoveryKey const& key, PublicKey const& id,
                                  std::optional<PublicKey> const& instead_of, Duration life) {
  Result<RedisReply> const reply =
      run(script(Script::Claim, {claim_key(key)},
                 {raw(id.view()), instead_of ? raw(instead_of->view()) : "", digits(life)}, 0),
          deadline());
  if (!reply) return Unexpected(reply.error());
  std::optional<PublicKey> const holder = PublicKey::from(as_bytes(reply->at(kFirstResult).text));
  if (!holder) return Unexpected(ErrorCode::Unavailable, "Redis holds no proper claim");
  Claim out;
  out.id = *holder;
  out.left = Duration(static_cast<Duration::rep>(reply->at(kFirstResult + 1).number()));
  out.is_mine = reply->at(1).text == "mine";
  return out;
}

Result<void> RedisRecords::assign(PublicKey const& id, DiscoveryKey const& key, Duration life) {
  ReplicatorKeys const keys(id);
  Result<RedisReply> const reply =
      run(script(Script::Assign, {keys.record, keys.assignments, keys.ends},
                 {channel_, "", raw(id.view()), raw(key.view()), digits(life),
                  digits(std::uint64_t{options_.assignments_per_replicator_max})},
                 2),
          deadline());
  if (!reply) return Unexpected(reply.error());
  if (reply->at(1).text == "none") return Unexpected(ErrorCode::NotFound, "no lease");
  if (reply->at(1).text == "full") {
    return Unexpected(ErrorCode::LimitExceeded, "too many assignments");
  }
  return {};
}

Result<Assignments> RedisRecords::assignments_of(PublicKey const& id, std::uint64_t after,
                                                 std::size_t limit) {
  ReplicatorKeys const keys(id);
  Result<RedisReply> const reply = run(script(Script::Assignments, {keys.assignments, keys.ends},
                                              {digits(after), digits(std::uint64_t{limit})}, 0),
                                       deadline());
  if (!reply) return Unexpected(reply.error());
  Assignments out;
  out.cursor = after;
  RedisReply const& found = reply->at(kFirstResult);
  for (std::size_t i = 0; i + 1 < found.items.size(); i += 2) {
    std::optional<DiscoveryKey> const key = DiscoveryKey::from(as_bytes(found.at(i).text));
    if (!key) continue;
    out.keys.push_back(*key);
    out.cursor = std::max(out.cursor, found.at(i + 1).number());
  }
  return out;
}

Result<void> RedisRecords::announce_peer(DiscoveryKey const& key, PeerEndpoint const& peer,
                                         Duration life) {
  Result<RedisReply> const reply = run(
      script(Script::AddPeer, {peers_key(key)},
             {"", pack_peer(peer), digits(life), digits(std::uint64_t{options_.peers_per_key_max})},
             1),
      deadline());
  if (!reply) return Unexpected(reply.error());
  return {};
}

Result<std::vector<PeerEndpoint>> RedisRecords::peers_of(DiscoveryKey const& key) {
  Result<RedisReply> const reply = run(script(Script::Peers, {peers_key(key)}, {}, 0), deadline());
  if (!reply) return Unexpected(reply.error());
  std::vector<PeerEndpoint> out;
  for (RedisReply const& packed : reply->at(kFirstResult).items) {
    if (std::optional<PeerEndpoint> peer = unpack_peer(packed.text)) {
      out.push_back(*std::move(peer));
    }
  }
  return out;
}

Result<bool> RedisRecords::put_shared(SharedKind kind, std::string_view name,
                                      std::string_view value, std::optional<Duration> life,
                                      bool only_if_absent) {
  if (Result<void> const fits = check_shared(name, value); !fits) return Unexpected(fits.error());
  Result<RedisReply> const reply =
      run(script(Script::PutShared, {shared_key(kind)},
                 {channel_, "", kind_digit(kind), std::string(name), std::string(value),
                  life ? digits(*life) : "", only_if_absent ? "1" : "0",
                  digits(std::uint64_t{options_.shared_per_kind_max})},
                 2),
          deadline());
  if (!reply) return Unexpected(reply.error());
  if (reply->at(1).text == "full") {
    return Unexpected(ErrorCode::LimitExceeded, "too many shared values");
  }
  return reply->at(1).text == "ok";
}

Result<std::optional<std::string>> RedisRecords::take_shared(SharedKind kind,
                                                             std::string_view name) {
  Result<RedisReply> const reply = run(script(Script::TakeShared, {shared_key(kind)},
                                              {channel_, kind_digit(kind), std::string(name)}, 0),
                                       deadline());
  if (!reply) return Unexpected(reply.error());
  if (reply->at(1).text != "ok") return std::optional<std::string>();
  return std::optional<std::string>(reply->at(kFirstResult).text);
}

Result<std::vector<Shared>> RedisRecords::list_shared(SharedKind kind) {
  std::string const key = shared_key(kind);
  Result<std::vector<RedisReply>> const replies =
      ask({plain(key, {"TIME"}), plain(key, {"HGETALL", key})}, deadline());
  if (!replies) return Unexpected(replies.error());
  RedisReply const& time = replies->front();
  std::uint64_t const now = time.at(0).number() * 1000 + time.at(1).number() / 1000;
  RedisReply const& found = replies->back();
  std::vector<Shared> out;
  for (std::size_t i = 0; i + 1 < found.items.size(); i += 2) {
    std::string const& kept = found.at(i + 1).text;
    if (kept.size() < kEndBytes) continue;
    std::uint64_t end = 0;
    for (Byte const byte : as_bytes(kept).first(kEndBytes)) end = end << 8 | byte;
    if (end != 0 && end <= now) continue;
    Shared& next = out.emplace_back();
    next.name = found.at(i).text;
    next.value = kept.substr(kEndBytes);
    if (end != 0) next.left = Duration(static_cast<Duration::rep>(end - now));
  }
  std::sort(out.begin(), out.end(),
            [](Shared const& a, Shared const& b) { return a.name < b.name; });
  return out;
}

}  // namespace holdfast::discovery
