#include "net/follower.h"

#include <chrono>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "codec/key_text.h"
#include "net/system_rng.h"

namespace holdfast::net {
namespace {

using Clock = std::chrono::steady_clock;

/// One thing to dial.
struct Target {
  Address address;
  std::optional<PublicKey> key;
};

}  // namespace

Result<NamedPeer> parse_named_peer(std::string_view text) {
  NamedPeer peer;
  std::size_t const at = text.find('@');
  if (at != std::string_view::npos) {
    Result<PublicKey> const key = parse_key_as<PublicKey>(text.substr(0, at));
    if (!key) return Unexpected(key.error());
    peer.key = *key;
    text.remove_prefix(at + 1);
  }
  Result<Address> address = parse_address(text);
  if (!address) return Unexpected(address.error());
  if (address->port == 0) return Unexpected(ErrorCode::Malformed, "port 0 cannot be dialled");
  peer.address = std::move(*address);
  return peer;
}

/// Shared with the callbacks that the host may still hold when the follower is gone.
struct Follower::State : std::enable_shared_from_this<Follower::State> {
  State(EngineHost& given_host, FollowOptions given, FollowListener given_listener)
      : host(given_host),
        options(std::move(given)),
        listener(std::move(given_listener)),
        backoff(options.backoff) {}

  void run();
  std::vector<Target> targets();
  bool try_target(Target const& target);
  bool wait_for_end(DialId id);
  bool sleep(Duration at_most);
  bool stopped() {
    MutexLock const lock(mutex);
    return stopping;
  }
  void tell(FollowStep step, std::string const& detail) {
    if (listener) listener(step, detail);
  }
  void on_event(sync::Event const& event, ConnectionInfo const* info);
  void on_closed(DialEnd const& end);

  EngineHost& host;
  FollowOptions options;
  FollowListener listener;
  std::unique_ptr<DiscoveryClient> discovery;  ///< Used by the thread; cancel() by the destructor.
  SeededRng rng = system_rng();
  Backoff backoff;
  Duration retry_after{0};

  Mutex mutex;
  CondVar changed;
  bool stopping HOLDFAST_GUARDED_BY(mutex) = false;
  std::optional<DialId> current HOLDFAST_GUARDED_BY(mutex);
  bool handshake_done HOLDFAST_GUARDED_BY(mutex) = false;
  bool live HOLDFAST_GUARDED_BY(mutex) = false;
  std::optional<DialEnd> ended HOLDFAST_GUARDED_BY(mutex);
  std::thread thread;
};

void Follower::State::on_event(sync::Event const& event, ConnectionInfo const* info) {
  if (info == nullptr || !info->dial) return;
  MutexLock const lock(mutex);
  if (current != info->dial) return;
  if (std::holds_alternative<sync::HandshakeDone>(event)) handshake_done = true;
  auto const* const channel = std::get_if<sync::ChannelLive>(&event);
  if (channel != nullptr && channel->core == options.project) live = true;
  changed.notify_all();
}

void Follower::State::on_closed(DialEnd const& end) {
  MutexLock const lock(mutex);
  ended = end;
  changed.notify_all();
}

bool Follower::State::sleep(Duration at_most) {
  Clock::time_point const until = Clock::now() + at_most;
  MutexLock const lock(mutex);
  while (!stopping && Clock::now() < until) changed.wait_for(mutex, until - Clock::now());
  return !stopping;
}

std::vector<Target> Follower::State::targets() {
  std::vector<Target> out;
  for (NamedPeer const& peer : options.peers) out.push_back({peer.address, peer.key});
  retry_after = Duration(0);
  if (!discovery) return out;
  tell(FollowStep::LookingUp, "asking discovery");
  LookupQuery query = LookupQuery::of_project(options.project);
  query.proven_only = options.proven_only;
  Result<Lookup> const found = discovery->lookup(query);
  if (!found) {
    retry_after = discovery->failure().retry_after;
    tell(FollowStep::Failed, to_string(found.error()));
    return out;
  }
  for (FoundEndpoint const& one : found->endpoints) {
    out.push_back({{one.endpoint.host, one.endpoint.port}, one.endpoint.replicator});
  }
  return out;
}

/// Waits for the end of the dial. Returns: whether the project's channel was live in it.
bool Follower::State::wait_for_end(DialId id) {
  std::optional<Clock::time_point> give_up;
  bool told = false;
  MutexLock lock(mutex);
  while (!ended) {
    if (live && !told) {
      told = true;
      lock.unlock();
      tell(FollowStep::Connected, "");
      lock.lock();
      continue;
    }
    if (handshake_done && !give_up) give_up = Clock::now() + options.live_within;
    bool const silent = give_up && !live && Clock::now() >= *give_up;
    if (stopping || silent) {
      lock.unlock();
      host.hang_up(id);
      lock.lock();
      while (!ended) changed.wait(mutex);
      break;
    }
    if (give_up && !live) {
      changed.wait_for(mutex, *give_up - Clock::now());
    } else {
      changed.wait(mutex);
    }
  }
  return live;
}

bool Follower::State::try_target(Target const& target) {
  tell(FollowStep::Dialling, to_text(target.address));
  DialId const id = host.new_dial_id();
  {
    MutexLock const lock(mutex);
    handshake_done = live = false;
    ended.reset();
    current = id;
  }
  host.dial(id, target.address, {target.key, {.open_all = true}},
            [self = shared_from_this()](DialEnd const& end) { self->on_closed(end); });
  bool const was_live = wait_for_end(id);
  std::string reason;
  {
    MutexLock const lock(mutex);
    if (was_live) backoff.connection_ended(ended->lived);
    reason = ended->handshake_done && !was_live && ended->reason.detail == "hung up"
                 ? "it does not host this key"
                 : to_string(ended->reason);
    if (stopping) return was_live;
  }
  tell(was_live ? FollowStep::Lost : FollowStep::Failed, to_text(target.address) + ": " + reason);
  return was_live;
}

void Follower::State::run() {
  while (!stopped()) {
    bool worked = false;
    for (Target const& target : targets()) {
      if (stopped()) return;
      worked = try_target(target);
      if (worked) break;
    }
    if (stopped()) return;
    Duration const pause = backoff.next(rng, retry_after);
    tell(FollowStep::Waiting, std::to_string(pause.count()) + " ms");
    if (!sleep(pause)) return;
  }
}

Follower::Follower(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Follower>> Follower::start(EngineHost& host, FollowOptions options,
                                                  FollowListener listener) {
  if (options.peers.empty() && !options.discovery) {
    return Unexpected(ErrorCode::Malformed, "neither a peer nor a discovery service is given");
  }
  auto const state = std::make_shared<State>(host, std::move(options), std::move(listener));
  if (state->options.discovery) {
    Result<std::unique_ptr<DiscoveryClient>> client =
        DiscoveryClient::open(*state->options.discovery);
    if (!client) return Unexpected(client.error());
    state->discovery = std::move(*client);
  }
  host.subscribe(
      [weak = std::weak_ptr<State>(state)](sync::Event const& event, ConnectionInfo const* info) {
        if (std::shared_ptr<State> const self = weak.lock()) self->on_event(event, info);
      });
  state->thread = std::thread([raw = state.get()] { raw->run(); });
  return std::unique_ptr<Follower>(new Follower(state));
}

Follower::~Follower() {
  {
    MutexLock const lock(state_->mutex);
    state_->stopping = true;
    state_->changed.notify_all();
  }
  if (state_->discovery) state_->discovery->cancel();
  state_->thread.join();
}

}  // namespace holdfast::net
