#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "discovery/registry/record_store.h"
#include "discovery/store/redis_keys.h"
#include "discovery/store/redis_scripts.h"
#include "discovery/store/redis_servers.h"
#include "discovery/store/redis_store.h"
#include "discovery/store/redis_watch.h"
#include "discovery/store/store_codec.h"

namespace holdfast::discovery {

/// RecordStore in Redis; made by make_redis_store(). Layout: docs/formats/redis.md.
/// Its parts: redis_records.cpp (replicators), redis_renewals.cpp (and nonces), redis_hosting.cpp (hosting sets), redis_shared.cpp
/// (what expires by itself, shared values), redis_upkeep.cpp (its own thread).
class RedisRecords final : public RecordStore {
 public:
  RedisRecords(StoreOptions options, RedisOptions redis);
  ~RedisRecords() override;

  Result<PutAnswer> put_registration(registration::SignedRecord const& record,
                                     std::string_view observed_host, Health const& health) override;
  std::vector<Result<ReplicatorEntry>> renew_all(std::vector<Renewal> const& renewals) override;
  Result<void> set_health(PublicKey const& id, Health const& health) override;
  Result<ProjectsChange> change_projects(PublicKey const& id,
                                         registration::ProjectsRequest const& request,
                                         std::uint64_t keys_max) override;
  Result<void> deregister(PublicKey const& id) override;
  Result<HostingSet> hosting_of(DiscoveryKey const& key) override;
  Result<std::vector<ReplicatorEntry>> list(std::optional<PublicKey> after,
                                            std::size_t limit) override;
  Result<ReplicatorEntry> find(PublicKey const& id) override;
  Result<NonceState> nonce_state(Freshness freshness) override;
  Result<void> spend_nonce(PublicKey const& id, NonceUse const& nonce) override;
  Result<std::uint64_t> now_unix_ms() override;
  Result<Claim> claim(DiscoveryKey const& key, PublicKey const& id,
                      std::optional<PublicKey> const& instead_of, Duration life) override;
  Result<void> assign(PublicKey const& id, DiscoveryKey const& key, Duration life) override;
  Result<Assignments> assignments_of(PublicKey const& id, std::uint64_t after,
                                     std::size_t limit) override;
  Result<void> announce_peer(DiscoveryKey const& key, PeerEndpoint const& peer,
                             Duration life) override;
  Result<std::vector<PeerEndpoint>> peers_of(DiscoveryKey const& key) override;
  Result<bool> put_shared(SharedKind kind, std::string_view name, std::string_view value,
                          std::optional<Duration> life, bool only_if_absent) override;
  Result<std::optional<std::string>> take_shared(SharedKind kind, std::string_view name) override;
  Result<std::vector<Shared>> list_shared(SharedKind kind) override;
  void watch(StoreWatcher& watcher) override;
  StoreOptions const& options() const override { return options_; }

 private:
  using Words = std::vector<std::string>;
  /// An id's record, or nothing if there is none.
  struct Row {
    std::optional<ReplicatorEntry> entry;
    std::uint64_t now_unix_ms = 0;
    std::uint64_t lease_end_unix_ms = 0;
  };
  struct IdPage {
    std::vector<PublicKey> ids;
    std::vector<Row> rows;
  };
  Deadline deadline() const { return std::chrono::steady_clock::now() + redis_.timeout; }
  Deadline long_deadline() const { return std::chrono::steady_clock::now() + 4 * redis_.timeout; }

  /// `sent_at`: which argument the pool fills with the time of sending; the first is 1. 0: none.
  static RoutedCommand script(Script script, Words keys, Words arguments, std::size_t sent_at);
  static RoutedCommand plain(std::string_view key, Words words);
  static constexpr std::size_t kFirstResult = 2;  ///< Of a script, behind now and status.
  /// Runs one script. Returns: [now, status, …]. Errors: Unavailable (also for "late").
  Result<RedisReply> run(RoutedCommand command, Deadline deadline);
  /// What run() does with the reply to a script on `slot`.
  Result<RedisReply> take(RedisReply reply, std::uint16_t slot);
  Result<std::vector<RedisReply>> ask(std::vector<RoutedCommand> const& commands,
                                      Deadline deadline);

  // Replicators.
  void add_read(std::vector<RoutedCommand>& commands, PublicKey const& id) const;
  Row row_of(std::vector<RedisReply> const& replies, std::size_t at) const;
  Result<IdPage> read_page(std::optional<PublicKey> const& after);
  Result<RedisWatch::Table> read_table();
  /// How a record says under which secret it was put.
  static std::string tag_of(Hash const& secret);
  Result<std::string> secret_tag();
  RoutedCommand enter_command(PublicKey const& id) const;
  Result<void> take_entered(Result<RedisReply> const& reply);
  Result<void> enter(PublicKey const& id, Deadline deadline);
  using Together = std::vector<std::size_t>;  ///< Places of renewals that go in one script call.
  RoutedCommand renew_command(std::vector<Renewal> const& renewals, Together const& which) const;
  Result<ReplicatorEntry> take_renewed(Renewal const& renewal, RedisReply const& reply);
  /// Those of one server; `out` is as long as `renewals`. Returns: false if the server refuses calls with keys of several
  /// slots; it has done nothing then.
  bool renew_some(std::vector<Renewal> const& renewals, std::vector<Together> const& calls,
                  std::vector<Result<ReplicatorEntry>>& out);
  void enter_renewed(std::vector<Renewal> const& renewals,
                     std::vector<Result<ReplicatorEntry>> const& results);

  // Hosting sets.
  void learn_time_of(std::uint16_t slot, Deadline deadline);
  Result<std::vector<DiscoveryKey>> write_lines(PublicKey const& id, std::uint64_t generation,
                                                registration::ProjectsRequest const& request,
                                                Deadline deadline);
  Result<void> make_room(std::vector<DiscoveryKey> const& full, Deadline deadline);
  Result<std::vector<std::optional<PublicKey>>> resolve(std::vector<IdPrefix> const& prefixes,
                                                        Deadline deadline);
  /// Judges the lines of some hosting sets by records that are read after them, and removes what is
  /// left over.
  Result<std::size_t> prune(std::vector<DiscoveryKey> const& keys, Deadline deadline);

  // What this instance remembers.
  void learn_id(PublicKey const& id) HOLDFAST_EXCLUDES(mutex_);
  void note_epoch(std::string const& epoch, std::uint64_t now) HOLDFAST_EXCLUDES(mutex_);
  void note_flushed() HOLDFAST_EXCLUDES(mutex_);
  bool is_recovering(std::uint64_t now) HOLDFAST_EXCLUDES(mutex_);
  void forget_secret() HOLDFAST_EXCLUDES(mutex_);

  // Upkeep.
  void keep_up();
  bool rest(Duration time) HOLDFAST_EXCLUDES(upkeep_mutex_);
  void tend();
  bool breathe();
  void beat();
  void extend_leases(std::uint64_t from_unix_ms, std::uint64_t now_unix_ms);
  void forget_old();
  void sweep_in_turn();
  void sweep(HostPort const& server);

  StoreOptions const options_;
  RedisOptions const redis_;
  std::string const channel_;
  RedisResolver resolver_;
  std::unique_ptr<RedisServers> const servers_;
  /// The one server is a cluster of its own, or behind something that thinks it is.
  std::atomic<bool> renews_apart_{false};

  Mutex mutex_;
  std::string epoch_ HOLDFAST_GUARDED_BY(mutex_);
  std::uint64_t recovering_until_unix_ms_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  std::optional<Hash> secret_ HOLDFAST_GUARDED_BY(mutex_);
  std::unordered_map<IdPrefix, PublicKey> ids_ HOLDFAST_GUARDED_BY(mutex_);

  // Of the upkeep thread.
  std::uint64_t last_beat_unix_ms_ = 0;
  bool missed_beat_ = false;
  Deadline next_beat_{};

  Mutex upkeep_mutex_;
  CondVar stopped_;
  bool stopping_ HOLDFAST_GUARDED_BY(upkeep_mutex_) = false;
  std::unique_ptr<RedisWatch> watch_;
  std::thread upkeep_;
};

}  // namespace holdfast::discovery
