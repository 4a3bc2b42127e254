#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "serve/exchange.h"
#include "serve/plain_get.h"
#include "serve/router.h"
#include "serve/server_options.h"
#include "serve/session.h"
#include "serve/waiters.h"
#include "serve/worker_pool.h"

namespace holdfast {

class EventLoop;

/// What the loops of one server share. All of it outlives them.
struct LoopShared {
  Router const& router;
  ServerOptions const& options;
  WorkerPool& workers;
  Waiters& waiters;
  std::size_t connections_max = 0;  ///< Of the options, within the limit on open files.
  std::atomic<std::size_t> connections_open{0};
  std::vector<EventLoop*> loops{};  ///< All of them; constant once they run.
  /// Work for a worker every `period`, submitted by the first loop. Null: none.
  std::function<void()> periodic{};
  std::chrono::milliseconds period{0};
  std::atomic<bool> closing_after_answers{false};  ///< Every answer says Connection: close.
};

/// One thread that owns a listener and the connections it accepted: sockets, TLS, collecting requests, writing answers.
///
/// Rules:
///  1. Nothing on the loop blocks. Handlers run here only on routes that say so (RouteOptions::on_loop, fast handlers);
///     all others run on a worker and come back as a message.
///  2. A connection has one request in hand at a time; what a client sends meanwhile stays in the kernel, TLS and the
///     collector's bounded buffer. So answers come in order, and a client that does not read is not read from.
///  3. Each phase of a connection has one time limit, so each list of sessions in a phase is in the order of its
///     deadlines, and looking at its front is enough. Deadlines are met up to kTick late.
///  4. Requests on routes that gather (RouteOptions::gather) are given to a worker together, at most every kGatherTime and
///     kGatheredMax at once. Why: at a few hundred a second, most of the cost of each is waking threads for it.
///  5. Memory per connection: Session, TLS state, and while a request is under way its head, body and answer.
///
/// Thread-safety: start(), join() and the destructor belong to the owner; everything else may be called from any
/// thread, and takes effect at the loop's next turn.
class EventLoop {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kTick{20};
  static constexpr std::chrono::milliseconds kGatherTime{5 * kTick};
  static constexpr std::size_t kGatheredMax = 64;

  /// `listener`: owned from here on.
  EventLoop(std::size_t index, LoopShared& shared, int listener);
  ~EventLoop();  ///< Ends and joins.
  EventLoop(EventLoop const&) = delete;
  EventLoop& operator=(EventLoop const&) = delete;

  /// Errors: Unavailable.
  Result<void> start();
  bool started() const { return thread_.joinable(); }
  /// For connections accepted from now on. Null: clear text.
  void set_tls(std::shared_ptr<SSL_CTX> context);
  /// A parked request's event has come.
  void wake(std::uint64_t session);
  /// Stops accepting, ends idle connections and waits, closes each other one behind its answer.
  void drain();
  /// Returns when no connection is left after drain(), or at `deadline`.
  void wait_drained(Clock::time_point deadline);
  /// Closes everything and ends the thread.
  void end();
  void join();

  void add_to(ServerCounters& sum) const;

 private:
  enum class Next : std::uint8_t {
    Continue,  ///< There may be more to do now.
    Wait,      ///< For the socket, a worker or an event.
    Close,     ///< Behind what is written.
    Abort,     ///< At once.
  };
  /// A request on its way to a worker and back.
  struct Errand {
    std::uint64_t session = 0;
    PeerAddress peer;
    std::shared_ptr<InHand> in_hand;
  };
  using Message = std::function<void(EventLoop&)>;
  /// Written by the loop's thread only.
  class Counter {
   public:
    void add(std::uint64_t n = 1) { set(value() + n); }
    void set(std::uint64_t n) { value_.store(n, std::memory_order_relaxed); }
    std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

   private:
    std::atomic<std::uint64_t> value_{0};
  };

  // event_loop.cpp: the turn of the loop.
  void run();
  void turn();
  int wait_milliseconds() const;
  void post(Message message);
  void take_messages();
  void on_event(std::uint64_t id, std::uint32_t events);
  void accept_some();
  void admit(int socket, PeerAddress peer);
  void pause_accepting();
  void expire();
  void on_timeout(Session& session);
  void close_idle_for_drain();
  void begin_drain();
  bool close_oldest_idle();
  bool make_room();
  void count_turn();
  void do_periodic();
  bool is_periodic() const { return index_ == 0 && shared_.periodic != nullptr; }
  Session* find(std::uint64_t id) const;
  void set_phase(Session& session, Phase phase);
  void remove(Session& session);
  std::chrono::milliseconds limit_of(Phase phase) const;

  // event_loop_session.cpp: what one connection does.
  void pump(Session& session);
  Next step(Session& session);
  void settle(Session& session, Next next);
  void after_answers(Session& session);
  void finish(Session& session);
  void on_writable(Session& session);
  Next read_proxy_header_of(Session& session);
  Next shake_hands(Session& session);
  Next discard(Session& session);
  Next serve(Session& session);
  void receive(Session& session, std::string_view bytes);
  bool answer_fast(Session& session, std::string_view& bytes);
  void run_fast(Router::FastRoute const& route, FastRequest const& request, FastResponse& response,
                FastOutcome& outcome);
  Next run_in_hand(Session& session);
  bool submit(std::vector<Errand> errands);
  void submit_gathered();
  ExchangePlace exchange_place() const;
  Next conclude(Session& session, ExchangeOutcome outcome);
  Next answer(Session& session, ResponseBytes const& response);
  Next park(Session& session, WaitFor wait);
  Next refuse(Session& session, int status, std::string const& detail);
  void on_worked(std::uint64_t id, ExchangeOutcome outcome);
  void resume_parked(Session& session, Call call);
  void unpark(Session& session);
  void watch(Session& session, bool for_writing);
  void count_buffers(Session& session);
  void count_refusal(Refusal reason) { refused_[static_cast<std::size_t>(reason)].add(); }

  std::size_t const index_;
  LoopShared& shared_;
  int listener_;
  int epoll_ = -1;
  int wake_ = -1;
  std::thread thread_;

  // The loop's thread only.
  bool ended_ = false;
  bool draining_ = false;
  bool accepting_ = true;
  Clock::time_point now_ = Clock::now();
  Clock::time_point expired_at_{};
  Clock::time_point accept_again_{};
  Clock::time_point periodic_at_{};
  std::shared_ptr<SSL_CTX> tls_;
  std::vector<std::unique_ptr<Session>> slots_;  ///< By the low half of a session's id.
  std::vector<std::uint32_t> free_slots_;
  std::uint32_t generation_ = 1;  ///< The high half of the next session's id: no id comes twice.
  std::size_t session_count_ = 0;
  std::array<PhaseList, kPhaseCount> lists_;
  std::set<std::pair<Clock::time_point, std::uint64_t>> waits_;  ///< Deadlines of parked ones.
  std::vector<std::uint64_t> again_;  ///< Sessions that have used up their turn.
  std::vector<Errand> gathered_;      ///< Submitted together, gathered_at_ + kGatherTime.
  Clock::time_point gathered_at_{};   ///< When some were submitted last.
  std::string output_;                ///< Of the session at work, until flushed.
  std::string answer_;                ///< Of the fast path.
  PlainGet plain_;
  FastResponse fast_response_;
  std::vector<char> scratch_;

  Mutex mutex_;
  CondVar empty_;
  std::vector<Message> messages_ HOLDFAST_GUARDED_BY(mutex_);
  bool drained_ HOLDFAST_GUARDED_BY(mutex_) = false;

  Counter accepted_, handshakes_full_, handshakes_resumed_, handshakes_failed_, requests_,
      requests_fast_, handler_failures_, buffered_, turn_us_sum_, turn_us_max_, idle_;
  std::array<Counter, kRefusalCount> refused_;
  std::array<Counter, 6> turns_;
};

}  // namespace holdfast
