#include "net/engine_host.h"

#include <utility>

#include "net/engine_host_state.h"

namespace holdfast::net {

EngineHost::EngineHost(EngineHostOptions const& options, core::Store& store,
                       KeyPair const& static_pair)
    : state_(std::make_unique<State>(options, store, static_pair)) {
  state_->thread = std::thread([state = state_.get()] { state->io.run(); });
}

EngineHost::~EngineHost() { stop(); }

Result<Address> EngineHost::listen(Address const& address) {
  Result<TcpAcceptor> opened = open_acceptor(state_->io, address);
  if (!opened) return Unexpected(opened.error());
  auto const listener = std::make_shared<State::Listener>(std::move(*opened));
  State::Failure ignored;
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
            state->dials[id] = State::Dial{options, std::move(closed), nullptr, std::nullopt};
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

}  // namespace holdfast::net
