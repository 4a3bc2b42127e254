#include "discovery/store/redis_store.h"

#include <charconv>
#include <utility>

#include "base/check.h"
#include "discovery/store/redis_records.h"

namespace holdfast::discovery {

namespace {

using registration::HostPort;

constexpr std::size_t kServersMax = 64;

Unexpected malformed(char const* what) { return Unexpected(ErrorCode::Malformed, what); }

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t max) {
  std::uint64_t out = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || out > max) {
    return Unexpected(ErrorCode::Malformed, "not a number that can stand in a Redis URL");
  }
  return out;
}

/// HOST[:PORT], IPv6 in brackets.
Result<HostPort> parse_server(std::string_view text, std::uint16_t default_port) {
  HostPort out;
  out.port = default_port;
  bool const is_bracketed = text.starts_with('[');
  std::size_t const colon = text.find(':', is_bracketed ? text.find(']') : 0);
  if (colon != std::string_view::npos) {
    Result<std::uint64_t> const port = parse_number(text.substr(colon + 1), 65'535);
    if (!port || *port == 0) return malformed("bad port in Redis URL");
    out.port = static_cast<std::uint16_t>(*port);
    text = text.substr(0, colon);
  }
  if (is_bracketed) {
    if (!text.ends_with(']')) return malformed("bad host in Redis URL");
    text = text.substr(1, text.size() - 2);
  }
  out.host = std::string(text);
  if (!registration::is_host(out.host) ||
      is_bracketed != (out.host.find(':') != std::string::npos)) {
    return malformed("bad host in Redis URL");
  }
  return out;
}

Result<std::vector<HostPort>> parse_servers(std::string_view text, std::uint16_t default_port) {
  std::vector<HostPort> out;
  while (true) {
    std::size_t const comma = text.find(',');
    Result<HostPort> server = parse_server(text.substr(0, comma), default_port);
    if (!server) return Unexpected(server.error());
    out.push_back(*std::move(server));
    if (out.size() > kServersMax) return malformed("too many hosts in Redis URL");
    if (comma == std::string_view::npos) return out;
    text.remove_prefix(comma + 1);
  }
}

/// Cuts `head` off the front of `text`.
bool cut(std::string_view& text, std::string_view head) {
  if (!text.starts_with(head)) return false;
  text.remove_prefix(head.size());
  return true;
}

bool is_master_name(std::string_view name) {
  if (name.empty() || name.size() > 255) return false;
  for (char const character : name) {
    if (character <= ' ' || character > '~' || character == '/') return false;
  }
  return true;
}

/// Reads what stands behind the servers: for Sentinel /MASTER, then [/DB].
Result<void> parse_path(std::string_view path, RedisOptions& out) {
  constexpr std::uint64_t kDatabaseMax = 1'000'000;
  if (out.kind == RedisOptions::Kind::Sentinel) {
    std::size_t const slash = path.find('/');
    if (!is_master_name(path.substr(0, slash))) return malformed("no master in Redis URL");
    out.master = std::string(path.substr(0, slash));
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
  }
  if (path.empty()) return {};
  Result<std::uint64_t> const number = parse_number(path, kDatabaseMax);
  if (!number) return Unexpected(number.error());
  out.database = static_cast<std::uint32_t>(*number);
  if (out.kind == RedisOptions::Kind::Cluster && out.database != 0) {
    return malformed("a cluster has one database");
  }
  return {};
}

}  // namespace

Result<RedisOptions> parse_redis_url(std::string_view url) {
  constexpr std::uint16_t kRedisPort = 6379;
  constexpr std::uint16_t kSentinelPort = 26'379;
  RedisOptions out;
  if (cut(url, "redis-sentinel://")) {
    out.kind = RedisOptions::Kind::Sentinel;
  } else if (cut(url, "redis-cluster://")) {
    out.kind = RedisOptions::Kind::Cluster;
  } else if (!cut(url, "redis://")) {
    return malformed("not a redis://, redis-sentinel:// or redis-cluster:// URL");
  }
  std::size_t const slash = url.find('/');
  bool const is_sentinel = out.kind == RedisOptions::Kind::Sentinel;
  Result<std::vector<HostPort>> servers =
      parse_servers(url.substr(0, slash), is_sentinel ? kSentinelPort : kRedisPort);
  if (!servers) return Unexpected(servers.error());
  if (out.kind == RedisOptions::Kind::Plain && servers->size() != 1) {
    return malformed("one host in a redis:// URL");
  }
  out.servers = *std::move(servers);
  std::string_view const path =
      slash == std::string_view::npos ? std::string_view{} : url.substr(slash + 1);
  if (Result<void> const parsed = parse_path(path, out); !parsed) {
    return Unexpected(parsed.error());
  }
  return out;
}

std::unique_ptr<RecordStore> make_redis_store(StoreOptions options, RedisOptions redis) {
  HOLDFAST_CHECK(options.lease >= Duration(1'000));
  HOLDFAST_CHECK(!redis.servers.empty());
  return std::make_unique<RedisRecords>(options, std::move(redis));
}

}  // namespace holdfast::discovery
