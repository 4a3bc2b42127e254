#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "sim/sync/spy.h"
#include "store/memory_store.h"
#include "support/test_core.h"
#include "sync/engine.h"

namespace holdfast::sim {

/// Every fault is a named option, off by default.
struct WorldOptions {
  std::size_t nodes = 2;    ///< Replicators that start empty.
  std::size_t sources = 1;  ///< Nodes that start with data.
  std::size_t cores = 1;
  std::uint64_t blocks = 40;  ///< Per core, at the start.
  std::size_t block_bytes_max = 300;
  bool mesh = false;       ///< Everybody dials everybody; otherwise a chain behind the sources.
  Duration delay_max{40};  ///< Of each chunk on the network; never reordered within a connection.
  Duration disk_delay_max{30};  ///< Of each commit, load and read.

  bool sparse_sources = false;  ///< Each source lacks some blocks; together they have all.
  std::uint64_t appends = 0;    ///< Times the writer comes back with more blocks.
  bool fork = false;            ///< The writer truncates once.
  unsigned cut_percent = 0;     ///< Of a second in which a connection is cut.
  unsigned crash_percent =
      0;  ///< Of a second in which a replicator loses what is not durable and starts again.
  unsigned partition_percent =
      0;  ///< Of a second in which a pair stops hearing each other for some seconds.
  unsigned corrupt_percent =
      0;  ///< Of answers of node 0 that are damaged; node 0 also gets nothing to check.
  unsigned mute_percent = 0;       ///< Of serve jobs of node 0 that never end.
  unsigned disk_full_percent = 0;  ///< Of commits that are refused.
  Duration faults_until{20'000};   ///< Then the world heals.
  Duration give_up_after{240'000};
};

/// What a run ended with.
struct Outcome {
  bool complete = false;  ///< Every honest node holds every block of the writer's last head.
  Duration took{0};
  std::uint64_t trace = 0;  ///< Hash of everything that happened, in order.
  std::uint64_t spy_answers = 0;
  std::uint64_t blocks_served = 0;
  sync::Counters honest;                ///< Summed over honest nodes' last lives.
  std::vector<std::string> violations;  ///< Broken promises; empty is good.
};

/// A small world in virtual time: engines, disks that forget what was not committed, a network. One seed, one history.
///
/// After every event: engines check their invariants, every block that reaches a disk must be one the writer wrote at
/// that place, and spies hold every node to what it announces.
class World {
 public:
  World(std::uint64_t seed, WorldOptions const& options);
  ~World();
  Outcome run();

 private:
  struct Node;
  struct Link;
  struct Core;

  void at(Duration after, std::function<void()> what);
  void note(std::uint64_t what);
  bool chance(unsigned percent) { return rng_.below(100) < percent; }
  Duration up_to(Duration most) {
    return Duration(
        static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(most.count()) + 1)));
  }
  bool faulty() const { return now_ < Instant{} + options_.faults_until; }

  void make_cores();
  void seed_source(Node& node, std::size_t source);
  void write_source(Node& node, Core const& core, std::uint64_t from);
  void start(Node& node);
  void crash(Node& node);
  void pump(Node& node);
  void deliver(Link& link, bool to_second, Bytes bytes);
  void perform(Node& node, sync::Effect effect);
  void commit(Node& node, sync::IngestResult const& result);
  void check_commit(core::Commit const& commit);
  void connect(Link& link);
  void cut(Link& link);
  void every_second();
  void writer_changes();
  void spy_second(Node& node);
  void spy_exchange(Node& node, Bytes to_node);
  bool complete();

  WorldOptions const options_;
  SeededRng rng_;
  Instant now_{};
  std::uint64_t event_count_ = 0;
  std::multimap<std::pair<Instant, std::uint64_t>, std::function<void()>> events_;
  std::vector<std::unique_ptr<Core>> cores_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::unique_ptr<Link>> links_;
  std::uint64_t appends_left_;
  bool fork_left_;
  Outcome outcome_;
};

}  // namespace holdfast::sim
