#include "sim/sync/world.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"

namespace holdfast::sim {

namespace {

/// Spies ask once a second: no world is so quick that they saw nothing of it.
constexpr Duration kSpiesNeed{5'000};

}  // namespace

struct World::Core {
  explicit Core(Byte seed) : truth(seed) {}
  testing::TestCore truth;
  /// What the writer ever wrote at each place, over all forks.
  std::map<std::uint64_t, std::set<Bytes>> written;
};

struct World::Node {
  explicit Node(std::uint64_t seed) : rng(seed) {}
  std::size_t number = 0;
  bool source = false;
  bool honest = true;
  SeededRng rng;
  KeyPair pair = KeyPair::random();
  store::MemoryStore disk;  ///< Only what is durable.
  std::unique_ptr<sync::Engine> engine;
  std::uint64_t life = 0;  ///< Grows at each crash; what an earlier life began is void.
  std::map<sync::PeerId, std::pair<Link*, bool>>
      links;  ///< And whether this node is the link's second.
  std::optional<sync::PeerId> spied;
  std::unique_ptr<Spy> spy;
};

struct World::Link {
  Node* first = nullptr;  ///< Dials.
  Node* second = nullptr;
  bool open = false;
  std::uint64_t generation = 0;
  sync::PeerId first_peer;  ///< The connection as the first node's engine knows it.
  sync::PeerId second_peer;
  Instant earliest[2];  ///< Nothing arrives before what was sent before it.
  Instant partitioned_until;
};

World::World(std::uint64_t seed, WorldOptions const& options)
    : options_(options), rng_(seed), appends_left_(options.appends), fork_left_(options.fork) {
  HOLDFAST_CHECK(init_crypto().ok());
  make_cores();
  std::size_t const count = options_.sources + options_.nodes;
  for (std::size_t i = 0; i < count; ++i) {
    nodes_.push_back(std::make_unique<Node>(rng_.next()));
    Node& node = *nodes_.back();
    node.number = i;
    node.source = i < options_.sources;
    node.honest = !(i == 0 && (options_.corrupt_percent > 0 || options_.mute_percent > 0));
    if (node.source) seed_source(node, i);
    node.spy = std::make_unique<Spy>(cores_[0]->truth.key(), rng_.next());
  }
  for (std::size_t a = 0; a < count; ++a) {
    for (std::size_t b = a + 1; b < count; ++b) {
      bool const from_source = a < options_.sources && b == options_.sources;
      bool const chain = a >= options_.sources && b == a + 1;
      if (!options_.mesh && !from_source && !chain) continue;
      auto link = std::make_unique<Link>();
      link->first = nodes_[chance(50) ? a : b].get();
      link->second = nodes_[link->first == nodes_[a].get() ? b : a].get();
      links_.push_back(std::move(link));
    }
  }
}

World::~World() = default;

void World::at(Duration after, std::function<void()> what) {
  events_.emplace(std::pair(now_ + after, event_count_++), std::move(what));
}

void World::note(std::uint64_t what) {
  outcome_.trace =
      (outcome_.trace ^ what ^ static_cast<std::uint64_t>(now_.time_since_epoch().count())) *
      0x100000001b3ULL;
}

// ---- data

void World::make_cores() {
  for (std::size_t c = 0; c < options_.cores; ++c) {
    cores_.push_back(std::make_unique<Core>(static_cast<Byte>(c + 1)));
    for (std::uint64_t i = 0; i < options_.blocks; ++i) {
      Bytes value(rng_.below(options_.block_bytes_max + 1), static_cast<Byte>(rng_.next()));
      cores_.back()->written[i].insert(value);
      cores_.back()->truth.append(std::move(value));
    }
  }
}

void World::seed_source(Node& node, std::size_t source) {
  for (auto const& core : cores_) {
    write_source(node, *core, 0);
    if (!options_.sparse_sources) continue;
    core::Commit clear{.core = core->truth.key()};
    for (std::uint64_t i = 0; i < core->truth.length(); ++i) {
      if (i % options_.sources != source) clear.cleared.push_back({i, i + 1});
    }
    HOLDFAST_CHECK(node.disk.commit({&clear, 1}).ok());
  }
}

/// Puts the writer's present state on a source's disk; blocks below `from` stay as they are there.
void World::write_source(Node& node, Core const& core, std::uint64_t from) {
  testing::MemoryView const& view = core.truth.view();
  core::Commit commit{.core = core.truth.key()};
  Result<std::unique_ptr<core::CoreView>> const before = node.disk.view(core.truth.key());
  HOLDFAST_CHECK(before.ok());
  if ((*before)->head().fork != view.head().fork) commit.truncate_to = from;
  commit.manifest = core.truth.manifest();
  commit.head = view.head();
  for (auto const& [index, tree_node] : view.nodes) commit.nodes.push_back(tree_node);
  for (auto const& [index, value] : view.blocks) {
    if (index.value() >= from) commit.blocks.push_back({index, value});
  }
  HOLDFAST_CHECK(node.disk.commit({&commit, 1}).ok());
}

/// The writer comes back, once in a while, with more blocks, or with a fork.
void World::writer_changes() {
  if (!faulty() || (appends_left_ == 0 && !fork_left_) || !chance(25)) return;
  Node& source = *nodes_[rng_.below(options_.sources)];
  if (options_.sparse_sources || options_.sources > 1) return;
  Core& core = *cores_[rng_.below(cores_.size())];
  std::uint64_t from = core.truth.length();
  if (fork_left_ && (appends_left_ == 0 || chance(50))) {
    fork_left_ = false;
    from = 1 + rng_.below(core.truth.length());
    core.truth.truncate(from);
  } else {
    --appends_left_;
  }
  std::uint64_t const more = 1 + rng_.below(20);
  for (std::uint64_t i = 0; i < more; ++i) {
    Bytes value(rng_.below(options_.block_bytes_max + 1), static_cast<Byte>(rng_.next()));
    core.written[core.truth.length()].insert(value);
    core.truth.append(std::move(value));
  }
  crash(source);
  write_source(source, core, from);
}

// ---- nodes

void World::start(Node& node) {
  node.engine = std::make_unique<sync::Engine>(sync::Options{}, node.rng);
  for (auto const& core : cores_) node.engine->host(core->truth.key(), core->truth.key(), now_);
  node.spied = node.engine->connect(wire::Role::Responder, node.pair, {}, now_);
  spy_exchange(node, node.spy->receive({}, **node.disk.view(cores_[0]->truth.key()), now_));
}

void World::crash(Node& node) {
  note(1000 + node.number);
  ++node.life;
  node.spy->closed();
  node.engine.reset();
  for (auto const& link : links_) {
    if (link->first == &node || link->second == &node) cut(*link);
  }
  node.links.clear();
  std::uint64_t const life = node.life;
  at(up_to(Duration(2'000)), [this, &node, life] {
    if (node.life == life && !node.engine) start(node);
  });
}

void World::pump(Node& node) {
  if (!node.engine) return;
  sync::Engine& engine = *node.engine;
  engine.check_invariants();
  for (sync::Effect& effect : engine.take_effects()) perform(node, std::move(effect));
  for (sync::PeerId const peer : engine.take_touched()) {
    Bytes output = engine.take_output(peer);
    engine.on_drained(peer, now_);
    if (output.empty()) continue;
    note(output.size());
    if (node.spied == peer) {
      Result<std::unique_ptr<core::CoreView>> const durable =
          node.disk.view(cores_[0]->truth.key());
      Bytes const reply = node.spy->receive(output, **durable, now_);
      at(Duration(0), [this, &node, reply, life = node.life] {
        if (node.life == life) spy_exchange(node, reply);
      });
      continue;
    }
    auto const found = node.links.find(peer);
    if (found != node.links.end())
      deliver(*found->second.first, !found->second.second, std::move(output));
  }
  while (std::optional<sync::Event> const event = engine.next_event()) {
    auto const* const closed = std::get_if<sync::PeerClosed>(&*event);
    if (closed == nullptr) continue;
    if (node.spied == closed->peer) {
      outcome_.violations.push_back("a spy was thrown out: " + closed->reason.detail);
    }
    auto const found = node.links.find(closed->peer);
    if (found != node.links.end()) cut(*found->second.first);
  }
  if (!engine.take_effects().empty()) HOLDFAST_CHECK(false);
}

void World::spy_exchange(Node& node, Bytes to_node) {
  if (!node.engine || !node.spied || to_node.empty()) return;
  node.engine->receive(*node.spied, to_node, now_);
  pump(node);
}

void World::spy_second(Node& node) {
  if (!node.engine) return;
  spy_exchange(node, node.spy->ask(now_));
  std::optional<Instant> const oldest = node.spy->oldest_unanswered();
  if (node.honest && oldest && now_ - *oldest > Duration(10'000)) {
    outcome_.violations.push_back("node " + std::to_string(node.number) +
                                  " left a request unanswered");
    node.spy->closed();
  }
}

// ---- disk

void World::perform(Node& node, sync::Effect effect) {
  std::uint64_t const life = node.life;
  if (auto const* const load = std::get_if<sync::LoadCore>(&effect)) {
    at(up_to(options_.disk_delay_max), [this, &node, life, core = load->core] {
      if (node.life != life) return;
      node.engine->on_core_loaded(core, node.disk.load(core), now_);
      pump(node);
    });
  } else if (auto* const serve = std::get_if<sync::ServeJob>(&effect)) {
    if (!node.honest && faulty() && chance(options_.mute_percent)) return;
    at(up_to(options_.disk_delay_max), [this, &node, life, job = std::move(*serve)] {
      if (node.life != life) return;
      sync::ServeResult result = sync::run(job, **node.disk.view(job.core));
      for (sync::Answer& answer : result.answers) {
        bool const damage = !node.honest && faulty() && chance(options_.corrupt_percent);
        // Behind type and ids, so that it still is an answer to this request.
        if (damage && answer.body.size() > 40)
          answer.body[6 + rng_.below(answer.body.size() - 6)] ^= 0x10;
      }
      node.engine->on_served(std::move(result), now_);
      pump(node);
    });
  } else {
    sync::IngestJob& job = std::get<sync::IngestJob>(effect);
    CoreKey const core = job.core;
    sync::IngestResult result = sync::run(std::move(job), **node.disk.view(core));
    auto shared = std::make_shared<sync::IngestResult>(std::move(result));
    at(up_to(options_.disk_delay_max), [this, &node, life, shared] {
      if (node.life == life) commit(node, *shared);
    });
  }
}

void World::commit(Node& node, sync::IngestResult const& result) {
  note(2000 + result.blocks.size());
  Result<void> durable;
  if (faulty() && chance(options_.disk_full_percent)) {
    durable = Unexpected(ErrorCode::StorageFull, "disk full");
  } else if (!result.commit.empty()) {
    check_commit(result.commit);
    durable = node.disk.commit({&result.commit, 1});
  }
  node.engine->on_ingested(result, durable, now_);
  pump(node);
}

void World::check_commit(core::Commit const& commit) {
  for (auto const& core : cores_) {
    if (core->truth.key() != commit.core) continue;
    for (core::BlockWrite const& block : commit.blocks) {
      if (!core->written[block.index.value()].contains(block.value)) {
        outcome_.violations.push_back("stored block " + std::to_string(block.index.value()) +
                                      " that the writer never wrote");
      }
    }
  }
}

// ---- network

void World::connect(Link& link) {
  if (link.open || !link.first->engine || !link.second->engine || now_ < link.partitioned_until)
    return;
  link.open = true;
  ++link.generation;
  link.earliest[0] = link.earliest[1] = now_;
  link.first_peer = link.first->engine->connect(wire::Role::Initiator, link.first->pair,
                                                {.open_all = true}, now_);
  link.second_peer =
      link.second->engine->connect(wire::Role::Responder, link.second->pair, {}, now_);
  link.first->links[link.first_peer] = {&link, false};
  link.second->links[link.second_peer] = {&link, true};
  pump(*link.first);
  pump(*link.second);
}

void World::cut(Link& link) {
  if (!link.open) return;
  link.open = false;
  ++link.generation;
  note(3000);
  // Each side hears of it in its own time.
  auto const tell = [this](Node& node, sync::PeerId peer) {
    node.links.erase(peer);
    std::uint64_t const life = node.life;
    at(up_to(Duration(500)), [this, &node, peer, life] {
      if (node.life != life || !node.engine) return;
      node.engine->peer_gone(peer, now_);
      pump(node);
    });
  };
  tell(*link.first, link.first_peer);
  tell(*link.second, link.second_peer);
}

void World::deliver(Link& link, bool to_second, Bytes bytes) {
  std::size_t from = 0;
  while (from < bytes.size()) {
    std::size_t const size = 1 + rng_.below(std::min<std::size_t>(bytes.size() - from, 4'096));
    Bytes chunk(bytes.begin() + static_cast<std::ptrdiff_t>(from),
                bytes.begin() + static_cast<std::ptrdiff_t>(from + size));
    from += size;
    Instant& earliest = link.earliest[to_second ? 1 : 0];
    earliest = std::max({earliest, now_ + up_to(options_.delay_max), link.partitioned_until});
    at(earliest - now_,
       [this, &link, to_second, chunk = std::move(chunk), generation = link.generation] {
         if (!link.open || link.generation != generation) return;
         Node& node = to_second ? *link.second : *link.first;
         node.engine->receive(to_second ? link.second_peer : link.first_peer, chunk, now_);
         pump(node);
       });
  }
}

// ---- time

void World::every_second() {
  for (auto const& link : links_) {
    if (faulty() && link->open && chance(options_.cut_percent)) cut(*link);
    if (faulty() && chance(options_.partition_percent)) {
      link->partitioned_until = now_ + Duration(1'000) + up_to(Duration(8'000));
    }
    if (!link->open && chance(60)) connect(*link);
  }
  for (auto const& node : nodes_) {
    if (faulty() && node->engine && !node->source && chance(options_.crash_percent)) crash(*node);
    spy_second(*node);
  }
  writer_changes();
}

bool World::complete() {
  if (now_ < Instant{} + kSpiesNeed) return false;
  if (faulty() && (options_.cut_percent + options_.crash_percent + options_.disk_full_percent +
                           options_.appends >
                       0 ||
                   options_.fork)) {
    return false;
  }
  for (auto const& node : nodes_) {
    if (node->source) continue;
    for (auto const& core : cores_) {
      Result<std::optional<core::CoreRecord>> const record = node->disk.load(core->truth.key());
      if (!record || !*record || (*record)->head != core->truth.view().head()) return false;
      std::vector<core::BlockRange> const all{{0, core->truth.length()}};
      if ((*record)->blocks != all) return false;
    }
  }
  return true;
}

Outcome World::run() {
  for (auto const& node : nodes_) start(*node);
  Instant next_second = now_;
  while (now_ - Instant{} < options_.give_up_after && outcome_.violations.empty()) {
    if (now_ >= next_second) {
      every_second();
      next_second = now_ + Duration(1'000);
      if (complete()) {
        outcome_.complete = true;
        break;
      }
    }
    Instant next = next_second;
    if (!events_.empty()) next = std::min(next, events_.begin()->first.first);
    for (auto const& node : nodes_) {
      if (node->engine && node->engine->next_deadline())
        next = std::min(next, *node->engine->next_deadline());
    }
    now_ = std::max(now_, next);
    while (!events_.empty() && events_.begin()->first.first <= now_) {
      auto event = events_.extract(events_.begin());
      event.mapped()();
    }
    for (auto const& node : nodes_) {
      if (!node->engine || !node->engine->next_deadline() || *node->engine->next_deadline() > now_)
        continue;
      node->engine->on_tick(now_);
      pump(*node);
    }
  }
  outcome_.took = now_ - Instant{};
  for (auto const& node : nodes_) {
    for (std::string const& complaint : node->spy->complaints()) {
      outcome_.violations.push_back("node " + std::to_string(node->number) + ": " + complaint);
    }
    outcome_.spy_answers += node->spy->answers();
    if (!node->engine) continue;
    sync::Counters const& counters = node->engine->counters();
    outcome_.blocks_served += counters.blocks_served;
    if (!node->honest) continue;
    outcome_.honest.bad_proof += counters.bad_proof + counters.bad_signature;
    outcome_.honest.requests_expired += counters.requests_expired;
    outcome_.honest.forks_followed += counters.forks_followed;
  }
  return outcome_;
}

}  // namespace holdfast::sim
