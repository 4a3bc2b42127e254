#include "discovery/store/redis_store.h"

#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "discovery/store/redis_connection.h"
#include "discovery/store/redis_scripts.h"

namespace holdfast::discovery {

namespace {

using registration::KeyholderProof;
using registration::ReplicatorState;

constexpr std::size_t kFirstResult = 3;  // Behind epoch, time and status.
constexpr std::size_t kProofFixedBytes = PublicKey::kSize + Signature::kSize;

std::string raw(ByteView bytes) { return std::string(as_text(bytes)); }
std::string digits(std::uint64_t number) { return std::to_string(number); }
std::string digits(Duration duration) { return std::to_string(duration.count()); }

std::string pack_proof(std::optional<KeyholderProof> const& proof) {
  if (!proof) return {};
  return raw(proof->keyholder.view()) + raw(proof->signature.view()) +
         digits(proof->expires_unix_s);
}

std::optional<KeyholderProof> unpack_proof(std::string_view packed) {
  if (packed.size() <= kProofFixedBytes) return std::nullopt;
  ByteView const bytes = as_bytes(packed);
  KeyholderProof out;
  out.keyholder = *PublicKey::from(bytes.first(PublicKey::kSize));
  out.signature = *Signature::from(bytes.subspan(PublicKey::kSize, Signature::kSize));
  std::string_view const expires = packed.substr(kProofFixedBytes);
  std::from_chars(expires.data(), expires.data() + expires.size(), out.expires_unix_s);
  return out;
}

std::optional<ReplicatorEntry> unpack_entry(RedisReply const& reply) {
  std::optional<PublicKey> const id = PublicKey::from(as_bytes(reply.at(0).text));
  if (!id) return std::nullopt;
  ReplicatorEntry out;
  out.id = *id;
  out.signed_record = to_bytes(as_bytes(reply.at(1).text));
  out.observed_host = reply.at(2).text;
  out.state = registration::state_from_name(reply.at(3).text).value_or(ReplicatorState::Active);
  if (Result<registration::RenewRequest> const kept =
          registration::renew_request_from_json(reply.at(4).text)) {
    out.load = kept->load;
  }
  out.projects = reply.at(5).number();
  out.lease_left = Duration(static_cast<Duration::rep>(reply.at(6).number()));
  return out;
}

/// Sends scripts by their hash, and whole when Redis has lost them.
class ScriptRunner {
 public:
  explicit ScriptRunner(RedisOptions options) : pool_(std::move(options)) {}

  /// Returns: [epoch, now, status, …].
  /// Errors: Unavailable.
  Result<RedisReply> run(Script script, std::vector<std::string> const& arguments) {
    Deadline const deadline = pool_.deadline();
    Result<std::string> const name = name_of(script, deadline);
    if (!name) return Unexpected(name.error());
    Result<RedisReply> reply = pool_.call(command("EVALSHA", *name, arguments), deadline);
    if (reply && reply->kind == RedisReply::Kind::Error && reply->text.starts_with("NOSCRIPT")) {
      reply = pool_.call(command("EVAL", std::string(script_text(script)), arguments), deadline);
    }
    return checked(std::move(reply));
  }

  Result<std::uint64_t> time_unix_ms() {
    Result<RedisReply> const reply = pool_.call({"TIME"}, pool_.deadline());
    if (!reply) return Unexpected(reply.error());
    if (reply->items.size() != 2)
      return Unexpected(ErrorCode::Unavailable, "Redis: " + reply->text);
    return reply->at(0).number() * 1000 + reply->at(1).number() / 1000;
  }

 private:
  static std::vector<std::string> command(char const* verb, std::string script,
                                          std::vector<std::string> const& arguments) {
    std::vector<std::string> out = {verb, std::move(script), "0"};
    out.insert(out.end(), arguments.begin(), arguments.end());
    return out;
  }

  static Result<RedisReply> checked(Result<RedisReply> reply) {
    if (!reply || reply->items.size() >= kFirstResult) return reply;
    return Unexpected(ErrorCode::Unavailable, "Redis: " + reply->text);
  }

  /// The hash of a script is asked of Redis once: it computes SHA-1 anyway.
  Result<std::string> name_of(Script script, Deadline deadline) {
    auto const index = static_cast<std::size_t>(script);
    {
      MutexLock const lock(mutex_);
      if (!names_[index].empty()) return names_[index];
    }
    Result<RedisReply> const reply =
        pool_.call({"SCRIPT", "LOAD", std::string(script_text(script))}, deadline);
    if (!reply) return Unexpected(reply.error());
    if (reply->kind != RedisReply::Kind::Text) {
      return Unexpected(ErrorCode::Unavailable, "Redis: " + reply->text);
    }
    MutexLock const lock(mutex_);
    names_[index] = reply->text;
    return reply->text;
  }

  RedisPool pool_;
  Mutex mutex_;
  std::array<std::string, kScriptCount> names_ HOLDFAST_GUARDED_BY(mutex_);
};

class RedisStore final : public RecordStore {
 public:
  RedisStore(StoreOptions options, RedisOptions redis)
      : options_(options), runner_(std::move(redis)) {}

  Result<PutAnswer> put_registration(registration::SignedRecord const& record,
                                     std::string_view observed_host, Health const& health) override;
  Result<ReplicatorEntry> renew(PublicKey const& id, registration::RenewRequest const& request,
                                std::optional<NonceUse> const& nonce) override;
  Result<void> set_health(PublicKey const&, Health const&) override { return later(); }
  Result<ProjectsChange> change_projects(PublicKey const& id,
                                         registration::ProjectsRequest const& request) override;
  Result<HostingSet> hosting_of(DiscoveryKey const&) override { return later(); }
  Result<Claim> claim(DiscoveryKey const&, PublicKey const&, std::optional<PublicKey> const&,
                      Duration) override {
    return later();
  }
  Result<void> assign(PublicKey const&, DiscoveryKey const&, Duration) override { return later(); }
  Result<Assignments> assignments_of(PublicKey const&, std::uint64_t, std::size_t) override {
    return later();
  }
  Result<void> announce_peer(DiscoveryKey const&, PeerEndpoint const&, Duration) override {
    return later();
  }
  Result<std::vector<PeerEndpoint>> peers_of(DiscoveryKey const&) override { return later(); }
  Result<bool> put_shared(SharedKind, std::string_view, std::string_view, std::optional<Duration>,
                          bool) override {
    return later();
  }
  Result<std::optional<std::string>> take_shared(SharedKind, std::string_view) override {
    return later();
  }
  Result<std::vector<Shared>> list_shared(SharedKind) override { return later(); }
  void watch(StoreWatcher&) override {}
  Result<void> deregister(PublicKey const& id) override;
  Result<HostAnswer> hosts_of(HostQuery const& query) override;
  Result<std::vector<ReplicatorEntry>> list(std::optional<PublicKey> after,
                                            std::size_t limit) override;
  Result<ReplicatorEntry> find(PublicKey const& id) override;
  Result<NonceState> nonce_state(Freshness freshness) override;
  Result<void> spend_nonce(PublicKey const& id, NonceUse const& nonce) override;
  Result<std::uint64_t> now_unix_ms() override { return runner_.time_unix_ms(); }
  StoreOptions const& options() const override { return options_; }

 private:
  static Unexpected later() { return Unexpected(ErrorCode::Unavailable, "not there yet"); }
  /// Runs a script and sees from its epoch whether the store has lost its data since.
  Result<RedisReply> run(Script script, std::vector<std::string> arguments);
  bool is_recovering(std::uint64_t now);

  StoreOptions const options_;
  ScriptRunner runner_;
  Mutex mutex_;
  std::string epoch_ HOLDFAST_GUARDED_BY(mutex_);
  std::uint64_t recovering_until_unix_ms_ HOLDFAST_GUARDED_BY(mutex_) = 0;
};

Result<RedisReply> RedisStore::run(Script script, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), digits(options_.forget_after));
  Result<RedisReply> reply = runner_.run(script, arguments);
  if (!reply) return reply;
  MutexLock const lock(mutex_);
  std::string const& epoch = reply->at(0).text;
  if (!epoch_.empty() && epoch != epoch_) {
    recovering_until_unix_ms_ =
        reply->at(1).number() + static_cast<std::uint64_t>(options_.lease.count());
  }
  epoch_ = epoch;
  return reply;
}

bool RedisStore::is_recovering(std::uint64_t now) {
  MutexLock const lock(mutex_);
  return now < recovering_until_unix_ms_;
}

Result<PutAnswer> RedisStore::put_registration(registration::SignedRecord const& record,
                                               std::string_view observed_host,
                                               Health const& health) {
  FixedBytes<struct EpochTag, 16> epoch;
  random_bytes(epoch.bytes);
  Result<RedisReply> const reply =
      run(Script::Put, {raw(record.record.id.view()), raw(record.bytes), digits(record.record.seq),
                        record.record.region, std::string(observed_host), digits(options_.lease),
                        digits(std::uint64_t{options_.replicators_max}), epoch.hex()});
  if (!reply) return Unexpected(reply.error());
  std::string const& status = reply->at(2).text;
  if (status == "full") return Unexpected(ErrorCode::LimitExceeded, "too many replicators");
  PutAnswer out;
  out.health = health;
  out.projects = reply->at(kFirstResult + 1).number();
  if (status == "unchanged") out.outcome = PutAnswer::Outcome::Unchanged;
  if (status == "conflict") {
    out.outcome = PutAnswer::Outcome::Conflict;
    out.kept_record = to_bytes(as_bytes(reply->at(kFirstResult).text));
  }
  return out;
}

Result<ReplicatorEntry> RedisStore::renew(PublicKey const& id,
                                          registration::RenewRequest const& request,
                                          std::optional<NonceUse> const& nonce) {
  if (nonce) {
    if (Result<void> const spent = spend_nonce(id, *nonce); !spent)
      return Unexpected(spent.error());
  }
  Result<RedisReply> const reply =
      run(Script::Renew, {raw(id.view()), std::string(registration::state_name(request.state)),
                          registration::to_json(request), digits(options_.lease)});
  if (!reply) return Unexpected(reply.error());
  std::optional<ReplicatorEntry> entry = unpack_entry(reply->at(kFirstResult));
  if (!entry) return Unexpected(ErrorCode::NotFound, "no lease");
  return *std::move(entry);
}

Result<ProjectsChange> RedisStore::change_projects(PublicKey const& id,
                                                   registration::ProjectsRequest const& request) {
  if (request.add.size() + request.remove.size() > registration::kBatchKeysMax) {
    return Unexpected(ErrorCode::LimitExceeded, "too many keys in one batch");
  }
  std::vector<std::string> arguments = {raw(id.view()), request.replace ? "1" : "0",
                                        digits(std::uint64_t{options_.projects_per_replicator_max}),
                                        digits(std::uint64_t{options_.hosts_per_key_max}),
                                        digits(std::uint64_t{request.remove.size()})};
  for (DiscoveryKey const& key : request.remove) arguments.push_back(raw(key.view()));
  for (registration::ProjectListing const& listing : request.add) {
    arguments.push_back(raw(listing.key.view()));
    arguments.push_back(pack_proof(listing.proof));
  }
  Result<RedisReply> const reply = run(Script::Change, std::move(arguments));
  if (!reply) return Unexpected(reply.error());
  if (reply->at(2).text == "none") return Unexpected(ErrorCode::NotFound, "no lease");
  if (reply->at(2).text == "full") {
    return Unexpected(ErrorCode::LimitExceeded, "too many projects, or too many hosts of a key");
  }
  return ProjectsChange{reply->at(kFirstResult).number(), {}};
}

Result<void> RedisStore::deregister(PublicKey const& id) {
  Result<RedisReply> const reply = run(Script::Deregister, {raw(id.view())});
  if (!reply) return Unexpected(reply.error());
  if (reply->at(2).text == "ok") return {};
  return Unexpected(ErrorCode::NotFound, "no such replicator");
}

Result<HostAnswer> RedisStore::hosts_of(HostQuery const& query) {
  Result<RedisReply> const reply =
      run(Script::Hosts, {raw(query.key.view()), query.region,
                          query.keyholder ? raw(query.keyholder->view()) : std::string(),
                          digits(std::uint64_t{query.candidates_max})});
  if (!reply) return Unexpected(reply.error());
  HostAnswer out;
  out.now_unix_ms = reply->at(1).number();
  out.known = reply->at(kFirstResult).number() == 1;
  out.recovering = is_recovering(out.now_unix_ms);
  for (std::size_t i = kFirstResult + 1; i + 1 < reply->items.size(); i += 2) {
    std::optional<ReplicatorEntry> entry = unpack_entry(reply->at(i));
    if (entry) out.hosts.push_back({*std::move(entry), unpack_proof(reply->at(i + 1).text)});
  }
  return out;
}

Result<std::vector<ReplicatorEntry>> RedisStore::list(std::optional<PublicKey> after,
                                                      std::size_t limit) {
  Result<RedisReply> const reply =
      run(Script::List, {after ? raw(after->view()) : std::string(), digits(std::uint64_t{limit})});
  if (!reply) return Unexpected(reply.error());
  std::vector<ReplicatorEntry> out;
  for (std::size_t i = kFirstResult; i < reply->items.size(); ++i) {
    std::optional<ReplicatorEntry> entry = unpack_entry(reply->at(i));
    if (entry) out.push_back(*std::move(entry));
  }
  return out;
}

Result<ReplicatorEntry> RedisStore::find(PublicKey const& id) {
  Result<RedisReply> const reply = run(Script::Find, {raw(id.view())});
  if (!reply) return Unexpected(reply.error());
  std::optional<ReplicatorEntry> entry = unpack_entry(reply->at(kFirstResult));
  if (!entry) return Unexpected(ErrorCode::NotFound, "no such replicator");
  return *std::move(entry);
}

Result<NonceState> RedisStore::nonce_state(Freshness /*freshness*/) {
  Hash fresh;
  random_bytes(fresh.bytes);
  Result<RedisReply> const reply = run(Script::Nonce, {raw(fresh.view())});
  if (!reply) return Unexpected(reply.error());
  std::optional<Hash> const secret = Hash::from(as_bytes(reply->at(kFirstResult).text));
  if (!secret) return Unexpected(ErrorCode::Unavailable, "Redis holds no proper nonce secret");
  return NonceState{.secret = *secret, .now_unix_ms = reply->at(1).number()};
}

Result<void> RedisStore::spend_nonce(PublicKey const& /*id*/, NonceUse const& nonce) {
  Result<RedisReply> const reply =
      run(Script::Spend, {raw(nonce.secret.view()), nonce.name, digits(nonce.life)});
  if (!reply) return Unexpected(reply.error());
  std::string const& status = reply->at(2).text;
  if (status == "ok") return {};
  if (status == "used") return Unexpected(ErrorCode::Denied, "nonce was used before");
  return Unexpected(ErrorCode::Denied, "nonce of another store");
}

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t max) {
  std::uint64_t out = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || out > max) {
    return Unexpected(ErrorCode::Malformed, "not a number that can stand in a Redis URL");
  }
  return out;
}

}  // namespace

Result<RedisOptions> parse_redis_url(std::string_view url) {
  constexpr std::string_view kScheme = "redis://";
  constexpr std::uint64_t kDatabaseMax = 1'000'000;
  if (!url.starts_with(kScheme)) return Unexpected(ErrorCode::Malformed, "not a redis:// URL");
  std::string_view authority = url.substr(kScheme.size());
  RedisOptions out;
  if (std::size_t const slash = authority.find('/'); slash != std::string_view::npos) {
    std::string_view const database = authority.substr(slash + 1);
    authority = authority.substr(0, slash);
    if (!database.empty()) {
      Result<std::uint64_t> const number = parse_number(database, kDatabaseMax);
      if (!number) return Unexpected(number.error());
      out.database = static_cast<std::uint32_t>(*number);
    }
  }
  bool const is_bracketed = authority.starts_with('[');
  std::size_t const colon = authority.find(':', is_bracketed ? authority.find(']') : 0);
  if (colon != std::string_view::npos) {
    Result<std::uint64_t> const port = parse_number(authority.substr(colon + 1), 65'535);
    if (!port || *port == 0) return Unexpected(ErrorCode::Malformed, "bad port in Redis URL");
    out.port = static_cast<std::uint16_t>(*port);
    authority = authority.substr(0, colon);
  }
  if (is_bracketed) {
    if (!authority.ends_with(']')) return Unexpected(ErrorCode::Malformed, "bad host in Redis URL");
    authority = authority.substr(1, authority.size() - 2);
  }
  out.host = std::string(authority);
  if (!registration::is_host(out.host) ||
      is_bracketed != (out.host.find(':') != std::string::npos)) {
    return Unexpected(ErrorCode::Malformed, "bad host in Redis URL");
  }
  return out;
}

std::unique_ptr<RecordStore> make_redis_store(StoreOptions options, RedisOptions redis) {
  HOLDFAST_CHECK(options.lease >= Duration(1'000));
  return std::make_unique<RedisStore>(options, std::move(redis));
}

}  // namespace holdfast::discovery
