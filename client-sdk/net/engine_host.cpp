#include "net/engine_host.h"

#include <atomic>
#include <future>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include "net/effect_runner.h"
#include "net/stream_pump.h"
#include "net/system_rng.h"
#include "net/tcp.h"

namespace holdfast::net {
namespace {

using Failure = boost::system::error_code;
using TcpPump = StreamPump<TcpSocket>;

/// After an accept that failed for want of something (descriptors): try again then, not at once.
constexpr Duration kAcceptPause{100};

struct Dial {
  DialOptions options;
  std::function<void(DialEnd const&)> closed;
  std::shared_ptr<TcpDial> attempt;  ///< Until connected.
  std::optional<sync::PeerId> peer;  ///< From then on.
};

struct Listener {
  explicit Listener(TcpAcceptor opened)
      : acceptor(std::move(opened)), pause(acceptor.get_executor()) {}
  TcpAcceptor acceptor;
  boost::asio::steady_timer pause;
};

}  // namespace

struct EngineHost::State {
  struct Connection;

  State(EngineHostOptions const& given, core::Store& store, KeyPair const& pair)
      : options(given),
        static_pair(pair),
        engine(options.sync, rng),
        runner(store, options.workers, [this] { post([this] { take_completions(); }); }) {}

  template <typename Work>
  void post(Work work) {
    boost::asio::post(io, std::move(work));
  }
  /// Runs `work` on the host's thread and waits for it. Returns: nothing if the host has stopped.
  template <typename Answer>
  std::optional<Answer> ask(std::function<Answer()> const& work);

  void accept(std::shared_ptr<Listener> const& listener);
  void on_accepted(TcpSocket socket);
  void start_dial(DialId id, Address const& target);
  void end_dial(DialId id, DialEnd const& end);
  void hang_up(DialId id);
  void adopt(TcpSocket socket, sync::PeerOptions const& peer_options, std::optional<DialId> dial);
  void remove(sync::PeerId peer, Error reason);

  void settle();
  void publish(sync::Event const& event);
  void on_handshake(sync::HandshakeDone const& done);
  bool start_effects();
  bool wake_touched();
  void wake_paused();
  void arm_timer();
  void take_completions();
  void begin_drain(std::shared_ptr<std::promise<void>> const& done);
  void check_drained();
  void close_all();

  EngineHostOptions options;
  KeyPair static_pair;
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> alive{io.get_executor()};
  SeededRng rng = system_rng();
  sync::Engine engine;
  std::map<sync::PeerId, std::unique_ptr<Connection>> connections;
  std::map<std::string, std::size_t> accepted_from;  ///< Open accepted connections per address.
  std::set<sync::PeerId> paused;                     ///< Asked not to be read for now.
  std::map<DialId, Dial> dials;
  std::vector<std::shared_ptr<Listener>> listeners;
  std::vector<Subscriber> subscribers;
  HostStats counts;
  boost::asio::steady_timer timer{io};
  std::optional<Instant> armed;
  bool draining = false;
  std::shared_ptr<std::promise<void>> drained;
  std::atomic<std::uint64_t> dials_numbered{0};

  Mutex door;  ///< Held while posting, so that nothing is posted behind the host's last task.
  bool running HOLDFAST_GUARDED_BY(door) = true;
  std::thread thread;
  EffectRunner runner;  ///< Last: its threads end before what they wake goes.
};

/// One socket and what the host knows about it.
struct EngineHost::State::Connection final : PumpOwner {
  Connection(State& owner, sync::PeerId id) : host(owner) { info.peer = id; }

  void on_input(ByteView bytes) override {
    host.counts.wire_bytes_received += bytes.size();
    host.engine.receive(info.peer, bytes, steady_now());
    host.settle();  // May have ended this connection: nothing follows.
  }
  bool wants_input() override {
    bool const wanted = !host.draining && host.engine.wants_input(info.peer);
    if (!wanted) host.paused.insert(info.peer);
    return wanted;
  }
  Bytes take_output() override {
    Bytes output = host.engine.take_output(info.peer);
    host.counts.wire_bytes_sent += output.size();
    return output;
  }
  void on_written() override {
    host.engine.on_drained(info.peer, steady_now());
    host.settle();
  }
  void on_end(Failure why) override {
    end_reason = Error{ErrorCode::Unavailable, "the connection ended: " + why.message()};
    host.engine.peer_gone(info.peer, steady_now());
    host.settle();  // Removes this connection.
  }

  State& host;
  ConnectionInfo info;
  std::shared_ptr<TcpPump> pump;
  std::optional<PublicKey> expected_key;
  std::optional<Instant> handshake_at;
  std::optional<Error> end_reason;  ///< If the socket or our side ended it, not the engine.
};

template <typename Answer>
std::optional<Answer> EngineHost::State::ask(std::function<Answer()> const& work) {
  if (io.get_executor().running_in_this_thread()) return work();
  std::promise<Answer> promise;
  std::future<Answer> answer = promise.get_future();
  {
    MutexLock const lock(door);
    if (!running) return std::nullopt;
    post([&] { promise.set_value(work()); });
  }
  return answer.get();
}

// --- connections ---

void EngineHost::State::accept(std::shared_ptr<Listener> const& listener) {
  listener->acceptor.async_accept([this, listener](Failure failure, TcpSocket socket) {
    if (failure == boost::asio::error::operation_aborted || draining) return;
    if (!failure) {
      on_accepted(std::move(socket));
      return accept(listener);
    }
    listener->pause.expires_after(kAcceptPause);
    listener->pause.async_wait([this, listener](Failure stopped) {
      if (!stopped) accept(listener);
    });
  });
}

void EngineHost::State::on_accepted(TcpSocket socket) {
  Address const remote = remote_address(socket);
  std::size_t const from_there =
      accepted_from.contains(remote.host) ? accepted_from[remote.host] : 0;
  if (connections.size() >= options.connections_max ||
      from_there >= options.connections_per_address_max) {
    ++counts.refused;
    return;
  }
  ++counts.accepted;
  ++accepted_from[remote.host];
  Failure ignored;
  socket.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  adopt(std::move(socket), {}, std::nullopt);
}

void EngineHost::State::adopt(TcpSocket socket, sync::PeerOptions const& peer_options,
                              std::optional<DialId> dial) {
  wire::Role const role = dial ? wire::Role::Initiator : wire::Role::Responder;
  sync::PeerId const peer = engine.connect(role, static_pair, peer_options, steady_now());
  auto connection = std::make_unique<Connection>(*this, peer);
  connection->info.remote = remote_address(socket);
  connection->info.dial = dial;
  if (dial) {
    Dial& entry = dials.at(*dial);
    entry.attempt.reset();
    entry.peer = peer;
    connection->expected_key = entry.options.expected_key;
  }
  connection->pump = std::make_shared<TcpPump>(std::move(socket), *connection, PumpOptions{});
  Connection const& made = *(connections[peer] = std::move(connection));
  made.pump->wake();
  settle();
}

void EngineHost::State::remove(sync::PeerId peer, Error reason) {
  auto const found = connections.find(peer);
  if (found == connections.end()) return;
  std::unique_ptr<Connection> const gone = std::move(found->second);
  connections.erase(found);
  paused.erase(peer);
  gone->pump->close();
  if (gone->end_reason) reason = *gone->end_reason;
  if (!gone->info.dial) {
    auto const count = accepted_from.find(gone->info.remote.host);
    if (count != accepted_from.end() && --count->second == 0) accepted_from.erase(count);
  }
  if (!gone->info.dial) return;
  DialEnd end{std::move(reason), gone->handshake_at.has_value(), Duration(0)};
  if (gone->handshake_at) end.lived = steady_now() - *gone->handshake_at;
  end_dial(*gone->info.dial, end);
}

void EngineHost::State::start_dial(DialId id, Address const& target) {
  ++counts.dialled;
  auto attempt =
      TcpDial::start(io, target, options.dial_timeout, [this, id](Result<TcpSocket> made) {
        auto const found = dials.find(id);
        if (found == dials.end()) return;
        if (!made) {
          ++counts.dials_failed;
          return end_dial(id, {made.error(), false, Duration(0)});
        }
        adopt(std::move(*made), found->second.options.peer, id);
      });
  dials[id].attempt = std::move(attempt);
}

void EngineHost::State::end_dial(DialId id, DialEnd const& end) {
  auto const found = dials.find(id);
  if (found == dials.end()) return;
  Dial const dial = std::move(found->second);
  dials.erase(found);
  if (dial.attempt) dial.attempt->cancel();
  if (dial.closed) dial.closed(end);
}

void EngineHost::State::hang_up(DialId id) {
  auto const found = dials.find(id);
  if (found == dials.end()) return;
  Error const reason{ErrorCode::Unavailable, "hung up"};
  if (!found->second.peer) return end_dial(id, {reason, false, Duration(0)});
  sync::PeerId const peer = *found->second.peer;
  connections.at(peer)->end_reason = reason;
  engine.peer_gone(peer, steady_now());
  settle();
}

// --- the engine ---

/// Carries out everything the engine has to say until it has nothing more to say. Events come
/// first: a connection that an event ends must not write.
void EngineHost::State::settle() {
  bool more = true;
  while (more) {
    more = false;
    while (std::optional<sync::Event> const event = engine.next_event()) {
      publish(*event);
      more = true;
    }
    more = start_effects() || more;
    more = wake_touched() || more;
  }
  wake_paused();
  arm_timer();
  if (draining) check_drained();
}

void EngineHost::State::publish(sync::Event const& event) {
  if (auto const* const done = std::get_if<sync::HandshakeDone>(&event)) on_handshake(*done);
  std::optional<sync::PeerId> const peer = std::visit(
      [](auto const& any) -> std::optional<sync::PeerId> {
        if constexpr (requires { any.peer; }) return any.peer;
        return std::nullopt;
      },
      event);
  auto const found = peer ? connections.find(*peer) : connections.end();
  ConnectionInfo const* const info = found == connections.end() ? nullptr : &found->second->info;
  for (Subscriber const& subscriber : subscribers) subscriber(event, info);
  if (auto const* const closed = std::get_if<sync::PeerClosed>(&event)) {
    remove(closed->peer, closed->reason);
  }
}

void EngineHost::State::on_handshake(sync::HandshakeDone const& done) {
  auto const found = connections.find(done.peer);
  if (found == connections.end()) return;
  Connection& connection = *found->second;
  connection.info.remote_key = done.remote_key;
  if (connection.expected_key && *connection.expected_key != done.remote_key) {
    return engine.disconnect(
        done.peer,
        {ErrorCode::BadHandshake, "another replicator answered, with key " + done.remote_key.hex()},
        steady_now());
  }
  connection.handshake_at = steady_now();
}

bool EngineHost::State::start_effects() {
  std::vector<sync::Effect> effects = engine.take_effects();
  for (sync::Effect& effect : effects) runner.start(std::move(effect));
  return !effects.empty();
}

bool EngineHost::State::wake_touched() {
  std::vector<sync::PeerId> const touched = engine.take_touched();
  for (sync::PeerId const peer : touched) {
    auto const found = connections.find(peer);
    if (found != connections.end()) found->second->pump->wake();
  }
  return !touched.empty();
}

void EngineHost::State::wake_paused() {
  if (draining || paused.empty()) return;
  std::set<sync::PeerId> const waiting = std::exchange(paused, {});
  for (sync::PeerId const peer : waiting) {
    auto const found = connections.find(peer);
    if (found != connections.end()) found->second->pump->wake();  // Pauses again if it must.
  }
}

void EngineHost::State::arm_timer() {
  std::optional<Instant> const deadline = engine.next_deadline();
  // An armed timer that is early does no harm; moving it at every packet would cost.
  if (!deadline || (armed && *armed <= *deadline)) return;
  armed = deadline;
  timer.expires_at(std::chrono::steady_clock::time_point(deadline->time_since_epoch()));
  timer.async_wait([this](Failure stopped) {
    if (stopped) return;
    armed.reset();
    engine.on_tick(steady_now());
    settle();
  });
}

void EngineHost::State::take_completions() {
  Instant const now = steady_now();
  for (Completion& done : runner.take()) {
    if (auto* const loaded = std::get_if<Loaded>(&done)) {
      engine.on_core_loaded(loaded->core, std::move(loaded->record), now);
    } else if (auto* const served = std::get_if<Served>(&done)) {
      engine.on_served(std::move(served->result), now);
    } else {
      auto const& ingested = std::get<Ingested>(done);
      engine.on_ingested(ingested.result, ingested.durable, now);
    }
  }
  settle();
}

// --- the end ---

void EngineHost::State::begin_drain(std::shared_ptr<std::promise<void>> const& done) {
  draining = true;
  drained = done;
  for (auto const& listener : listeners) {
    Failure ignored;
    listener->acceptor.close(ignored);
    listener->pause.cancel();
  }
  std::vector<DialId> pending;
  for (auto const& [id, dial] : dials) {
    if (!dial.peer) pending.push_back(id);
  }
  for (DialId const id : pending) hang_up(id);
  settle();
}

void EngineHost::State::check_drained() {
  if (!drained || runner.in_flight() > 0) return;
  for (auto const& [peer, connection] : connections) {
    if (connection->pump->writing()) return;
  }
  std::exchange(drained, nullptr)->set_value();
}

void EngineHost::State::close_all() {
  draining = true;
  for (auto const& listener : listeners) {
    Failure ignored;
    listener->acceptor.close(ignored);
    listener->pause.cancel();
  }
  timer.cancel();
  Error const reason{ErrorCode::Unavailable, "the host stopped"};
  while (!connections.empty()) remove(connections.begin()->first, reason);
  while (!dials.empty()) end_dial(dials.begin()->first, {reason, false, Duration(0)});
  drained.reset();
  subscribers.clear();
}

// --- the public face ---

EngineHost::EngineHost(EngineHostOptions const& options, core::Store& store,
                       KeyPair const& static_pair)
    : state_(std::make_unique<State>(options, store, static_pair)) {
  state_->thread = std::thread([state = state_.get()] { state->io.run(); });
}

EngineHost::~EngineHost() { stop(); }

Result<Address> EngineHost::listen(Address const& address) {
  Result<TcpAcceptor> opened = open_acceptor(state_->io, address);
  if (!opened) return Unexpected(opened.error());
  auto const listener = std::make_shared<Listener>(std::move(*opened));
  Failure ignored;
  Address const real{address.host, listener->acceptor.local_endpoint(ignored).port()};
  state_->post([state = state_.get(), listener] {
    if (state->draining) return;
    state->listeners.push_back(listener);
    state->accept(listener);
  });
  return real;
}

DialId EngineHost::new_dial_id() { return DialId(++state_->dials_numbered); }

void EngineHost::dial(DialId id, Address const& target, DialOptions const& options,
                      std::function<void(DialEnd const&)> closed) {
  {
    MutexLock const lock(state_->door);
    if (state_->running) {
      return state_->post(
          [state = state_.get(), id, target, options, closed = std::move(closed)]() mutable {
            state->dials[id] = Dial{options, std::move(closed), nullptr, std::nullopt};
            if (state->draining) return state->hang_up(id);
            state->start_dial(id, target);
          });
    }
  }
  closed({{ErrorCode::Unavailable, "the host stopped"}, false, Duration(0)});
}

void EngineHost::hang_up(DialId id) {
  state_->post([state = state_.get(), id] { state->hang_up(id); });
}

void EngineHost::host(CoreKey const& core, CoreKey const& project) {
  with_engine([=](sync::Engine& engine, Instant now) { engine.host(core, project, now); });
}

void EngineHost::unhost_project(CoreKey const& project) {
  with_engine([=](sync::Engine& engine, Instant now) { engine.unhost_project(project, now); });
}

void EngineHost::subscribe(Subscriber subscriber) {
  state_->post([state = state_.get(), subscriber = std::move(subscriber)]() mutable {
    state->subscribers.push_back(std::move(subscriber));
  });
}

std::optional<sync::CoreStatus> EngineHost::status(CoreKey const& core) {
  using Answer = std::optional<sync::CoreStatus>;
  return state_->ask<Answer>([this, &core] { return state_->engine.status(core); })
      .value_or(Answer{});
}

HostStats EngineHost::stats() {
  return state_
      ->ask<HostStats>([this] {
        HostStats stats = state_->counts;
        stats.sync = state_->engine.counters();
        stats.connections = state_->connections.size();
        stats.jobs_in_flight = state_->runner.in_flight();
        return stats;
      })
      .value_or(HostStats{});
}

void EngineHost::with_engine(std::function<void(sync::Engine&, Instant)> work) {
  state_->post([state = state_.get(), work = std::move(work)] {
    work(state->engine, steady_now());
    state->settle();
  });
}

void EngineHost::drain(Duration at_most) {
  auto const done = std::make_shared<std::promise<void>>();
  std::future<void> const waiting = done->get_future();
  state_->post([state = state_.get(), done] { state->begin_drain(done); });
  static_cast<void>(waiting.wait_for(at_most));
  stop();
}

void EngineHost::stop() {
  {
    MutexLock const lock(state_->door);
    if (!state_->running) return;
    state_->running = false;
    // Closed sockets still have handlers to run; one more turn lets them.
    state_->post([state = state_.get()] {
      state->close_all();
      state->post([state] { state->io.stop(); });
    });
  }
  state_->thread.join();
}

}  // namespace holdfast::net
