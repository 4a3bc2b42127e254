#pragma once

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include "base/mutex.h"
#include "net/effect_runner.h"
#include "net/engine_host.h"
#include "net/stream_pump.h"
#include "net/system_rng.h"
#include "net/tcp.h"

// Private to this folder, and to few of its files: Asio is heavy.
namespace holdfast::net {

/// What an EngineHost owns. Everything but `door`, `running` and `dials_numbered` belongs to the host's thread.
struct EngineHost::State {
  using Failure = boost::system::error_code;
  using TcpPump = StreamPump<TcpSocket>;

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

}  // namespace holdfast::net
