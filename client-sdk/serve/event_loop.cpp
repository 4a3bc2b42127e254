#include "serve/event_loop.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/listen_socket.h"

namespace holdfast {

namespace {

constexpr std::uint64_t kListenerId = ~std::uint64_t{0};
constexpr std::uint64_t kWakeId = kListenerId - 1;
constexpr std::size_t kScratchBytes = 16 * 1024;  // One TLS record.
constexpr std::size_t kAcceptedPerTurn = 64;
constexpr std::size_t kBacklogTurns = 8;  // As many as the backlog may hold.
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::milliseconds kLinger{1'000};
// How long a connection that was accepted before the drain may take to send its request.
constexpr std::chrono::milliseconds kFreshWhileDraining{1'000};
constexpr std::array<std::uint64_t, 5> kTurnBoundsUs = {1'000, 5'000, 20'000, 100'000, 500'000};

std::size_t slot_of(std::uint64_t id) { return id & 0xffffffffu; }

}  // namespace

EventLoop::EventLoop(std::size_t index, LoopShared& shared, int listener)
    : index_(index), shared_(shared), listener_(listener), scratch_(kScratchBytes) {}

EventLoop::~EventLoop() {
  end();
  join();
  for (std::unique_ptr<Session>& session : slots_) session.reset();
  for (int const fd : {listener_, epoll_, wake_}) {
    if (fd >= 0) ::close(fd);
  }
}

Result<void> EventLoop::start() {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  auto const watch_fd = [this](int fd, std::uint64_t id) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = id;
    return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
  };
  if (epoll_ < 0 || wake_ < 0 || !watch_fd(listener_, kListenerId) || !watch_fd(wake_, kWakeId))
    return Unexpected(ErrorCode::Unavailable, "cannot watch sockets");
  thread_ = std::thread([this] { run(); });
  return {};
}

void EventLoop::post(Message message) {
  bool was_empty = false;
  {
    MutexLock const lock(mutex_);
    was_empty = messages_.empty();
    messages_.push_back(std::move(message));
  }
  if (!was_empty || wake_ < 0) return;
  std::uint64_t const one = 1;
  [[maybe_unused]] ssize_t const woken = ::write(wake_, &one, sizeof one);
}

void EventLoop::set_tls(std::shared_ptr<SSL_CTX> context) {
  post([context = std::move(context)](EventLoop& loop) { loop.tls_ = context; });
}

void EventLoop::wake(std::uint64_t session) {
  post([session](EventLoop& loop) {
    Session* const found = loop.find(session);
    if (found != nullptr && found->phase == Phase::Parked) loop.resume_parked(*found, Call::Event);
  });
}

void EventLoop::drain() {
  post([](EventLoop& loop) { loop.begin_drain(); });
}

void EventLoop::wait_drained(Clock::time_point deadline) {
  MutexLock const lock(mutex_);
  while (!drained_) {
    auto const left = deadline - Clock::now();
    if (left <= left.zero() || !empty_.wait_for(mutex_, left)) return;
  }
}

void EventLoop::end() {
  post([](EventLoop& loop) { loop.ended_ = true; });
}

void EventLoop::join() {
  if (thread_.joinable()) thread_.join();
}

void EventLoop::run() {
  take_messages();
  while (!ended_) turn();
}

int EventLoop::wait_milliseconds() const {
  if (!again_.empty()) return 0;
  Clock::time_point next = Clock::time_point::max();
  for (std::size_t i = 0; i < kPhaseCount; ++i) {
    Session const* const oldest = lists_[i].front();
    auto const phase = static_cast<Phase>(i);
    if (oldest == nullptr || phase == Phase::Working || phase == Phase::Parked) continue;
    next = std::min(next, oldest->since + limit_of(phase));
  }
  if (!waits_.empty()) next = std::min(next, waits_.begin()->first);
  if (!gathered_.empty()) next = std::min(next, gathered_at_ + kGatherTime);
  if (!accepting_ && listener_ >= 0) next = std::min(next, accept_again_);
  if (is_periodic()) next = std::min(next, periodic_at_);
  if (draining_ && session_count_ > 0) next = std::min(next, now_ + kTick * 5);
  if (next == Clock::time_point::max()) return -1;
  auto const left = std::chrono::ceil<std::chrono::milliseconds>(next - now_);
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), kTick.count(), 60'000));
}

void EventLoop::turn() {
  std::array<epoll_event, 256> events;
  int const count =
      ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_milliseconds());
  now_ = Clock::now();
  for (int i = 0; i < count; ++i) {
    epoll_event const& event = events[static_cast<std::size_t>(i)];
    on_event(event.data.u64, event.events);
  }
  for (std::uint64_t const id : std::exchange(again_, {})) {
    Session* const session = find(id);
    if (session != nullptr && session->phase != Phase::Parked) pump(*session);
  }
  submit_gathered();
  if (now_ - expired_at_ >= kTick) expire();
  if (is_periodic() && now_ >= periodic_at_) do_periodic();
  if (draining_) close_idle_for_drain();
  idle_.set(lists_[static_cast<std::size_t>(Phase::Idle)].count());
  if (count > 0) count_turn();
}

void EventLoop::do_periodic() {
  if (periodic_at_ != Clock::time_point{}) shared_.workers.submit(shared_.periodic);
  periodic_at_ = now_ + shared_.period;
}

void EventLoop::count_turn() {
  auto const took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - now_);
  auto const us = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 0));
  auto const bucket = std::lower_bound(kTurnBoundsUs.begin(), kTurnBoundsUs.end(), us);
  turns_[static_cast<std::size_t>(bucket - kTurnBoundsUs.begin())].add();
  turn_us_sum_.add(us);
  if (us > turn_us_max_.value()) turn_us_max_.set(us);
}

void EventLoop::take_messages() {
  std::vector<Message> messages;
  {
    MutexLock const lock(mutex_);
    messages.swap(messages_);
  }
  for (Message const& message : messages) message(*this);
}

void EventLoop::on_event(std::uint64_t id, std::uint32_t events) {
  if (id == kListenerId) return accept_some();
  if (id == kWakeId) {
    std::uint64_t ignored = 0;
    [[maybe_unused]] ssize_t const emptied = ::read(wake_, &ignored, sizeof ignored);
    return take_messages();
  }
  Session* const session = find(id);
  if (session == nullptr) return;
  bool const hung_up = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  session->connection.on_readiness(hung_up);
  switch (session->phase) {
    case Phase::Working:
    case Phase::Parked:
      // Earlier answers may still be going out. A worker's answer will find out that the client is gone.
      if ((events & EPOLLOUT) != 0) session->connection.flush();
      if (hung_up && session->phase == Phase::Parked) remove(*session);
      return;
    case Phase::Writing:
      if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) on_writable(*session);
      return;
    case Phase::ProxyHeader:
    case Phase::Handshake:
    case Phase::Idle:
    case Phase::Head:
    case Phase::Body:
    case Phase::Lingering:
      return pump(*session);
  }
}

Session* EventLoop::find(std::uint64_t id) const {
  std::size_t const slot = slot_of(id);
  if (slot >= slots_.size() || !slots_[slot] || slots_[slot]->id != id) return nullptr;
  return slots_[slot].get();
}

void EventLoop::accept_some() {
  for (std::size_t i = 0; i < kAcceptedPerTurn && listener_ >= 0; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    int const socket = ::accept4(listener_, reinterpret_cast<sockaddr*>(&address), &size,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket >= 0) {
      admit(socket, peer_of(address));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno != EAGAIN) pause_accepting();
    return;
  }
}

/// No file descriptor or no memory is left: makes room, and does not ask again at once.
void EventLoop::pause_accepting() {
  count_refusal(Refusal::Connections);
  close_oldest_idle();
  epoll_event none{};
  none.data.u64 = kListenerId;
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, listener_, &none);
  accepting_ = false;
  accept_again_ = now_ + kAcceptPause;
}

void EventLoop::admit(int socket, PeerAddress peer) {
  accepted_.add();
  if (shared_.connections_open >= shared_.connections_max) {
    count_refusal(Refusal::Connections);
    if (!make_room()) {
      ::close(socket);
      return;
    }
  }
  std::size_t slot = slots_.size();
  if (free_slots_.empty()) {
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  std::uint64_t const id = static_cast<std::uint64_t>(generation_++) << 32 | slot;
  slots_[slot] = std::make_unique<Session>(id, socket, std::move(peer), tls_.get(), output_);
  Session& session = *slots_[slot];
  session.behind_proxy = shared_.options.proxies.trusts(session.connection.peer());
  bool const proxy_header = session.behind_proxy && shared_.options.proxies.proxy_protocol;
  session.phase = proxy_header ? Phase::ProxyHeader : (tls_ ? Phase::Handshake : Phase::Idle);
  session.since = now_;
  lists_[static_cast<std::size_t>(session.phase)].push_back(session);
  ++session_count_;
  shared_.connections_open.fetch_add(1, std::memory_order_relaxed);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
  event.data.u64 = id;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) != 0) remove(session);
}

void EventLoop::watch(Session& session, bool for_writing) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET | (for_writing ? EPOLLOUT : 0u);
  event.data.u64 = session.id;
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, session.connection.socket(), &event);
}

void EventLoop::set_phase(Session& session, Phase phase) {
  lists_[static_cast<std::size_t>(session.phase)].remove(session);
  session.phase = phase;
  session.since = now_;
  lists_[static_cast<std::size_t>(phase)].push_back(session);
}

void EventLoop::remove(Session& session) {
  if (session.phase == Phase::Parked) unpark(session);
  lists_[static_cast<std::size_t>(session.phase)].remove(session);
  buffered_.set(buffered_.value() - session.buffered);
  --session_count_;
  shared_.connections_open.fetch_sub(1, std::memory_order_relaxed);
  std::size_t const slot = slot_of(session.id);
  slots_[slot].reset();
  free_slots_.push_back(static_cast<std::uint32_t>(slot));
}

bool EventLoop::close_oldest_idle() {
  Session* const oldest = lists_[static_cast<std::size_t>(Phase::Idle)].front();
  if (oldest == nullptr) return false;
  finish(*oldest);
  return true;
}

/// Closes an idle connection here, or asks another loop to do so. Returns: false if none is idle anywhere.
bool EventLoop::make_room() {
  if (close_oldest_idle()) return true;
  for (EventLoop* const other : shared_.loops) {
    if (other == this || other->idle_.value() == 0) continue;
    other->post([](EventLoop& loop) { loop.close_oldest_idle(); });
    return true;
  }
  return false;
}

std::chrono::milliseconds EventLoop::limit_of(Phase phase) const {
  switch (phase) {
    case Phase::ProxyHeader:
    case Phase::Handshake:
      return shared_.options.handshake_timeout;
    case Phase::Idle:
      return shared_.options.idle_timeout;
    case Phase::Head:
      return shared_.options.head_timeout;
    case Phase::Body:
      return shared_.options.body_timeout;
    case Phase::Writing:
      return shared_.options.write_timeout;
    case Phase::Lingering:
      return kLinger;
    case Phase::Working:
    case Phase::Parked:
      break;
  }
  return std::chrono::hours(24 * 365);
}

void EventLoop::expire() {
  expired_at_ = now_;
  for (std::size_t i = 0; i < kPhaseCount; ++i) {
    auto const limit = limit_of(static_cast<Phase>(i));
    // A timed-out session leaves the front of its list, or comes back to its end with `since` set to now.
    while (lists_[i].front() != nullptr && now_ - lists_[i].front()->since >= limit)
      on_timeout(*lists_[i].front());
  }
  while (!waits_.empty() && waits_.begin()->first <= now_) {
    Session* const session = find(waits_.begin()->second);
    if (session == nullptr) {
      waits_.erase(waits_.begin());
    } else {
      resume_parked(*session, Call::Deadline);
    }
  }
  if (!accepting_ && listener_ >= 0 && now_ >= accept_again_) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = kListenerId;
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, listener_, &event);
    accepting_ = true;
  }
}

void EventLoop::on_timeout(Session& session) {
  switch (session.phase) {
    case Phase::Head:
    case Phase::Body:
      settle(session, refuse(session, 408, "The request took too long to arrive"));
      return;
    case Phase::Idle:
      return finish(session);
    case Phase::Handshake:
      handshakes_failed_.add();
      return remove(session);
    case Phase::ProxyHeader:
    case Phase::Writing:
      count_refusal(Refusal::TooSlow);
      return remove(session);
    case Phase::Lingering:
    case Phase::Working:
    case Phase::Parked:
      return remove(session);
  }
}

void EventLoop::begin_drain() {
  if (std::exchange(draining_, true)) return;
  // What the kernel has accepted already was promised an answer.
  for (std::size_t i = 0; i < kBacklogTurns; ++i) accept_some();
  if (listener_ >= 0) ::close(std::exchange(listener_, -1));
  while (!waits_.empty()) {
    Session* const session = find(waits_.begin()->second);
    if (session == nullptr) {
      waits_.erase(waits_.begin());
    } else {
      resume_parked(*session, Call::Deadline);
    }
  }
  close_idle_for_drain();
}

void EventLoop::close_idle_for_drain() {
  for (Phase const phase : {Phase::Idle, Phase::Handshake, Phase::ProxyHeader}) {
    Session* session = lists_[static_cast<std::size_t>(phase)].front();
    while (session != nullptr) {
      Session* const next = session->next;
      if (session->answered || now_ - session->since >= kFreshWhileDraining) finish(*session);
      session = next;
    }
  }
  if (session_count_ > 0) return;
  MutexLock const lock(mutex_);
  drained_ = true;
  empty_.notify_all();
}

void EventLoop::add_to(ServerCounters& sum) const {
  sum.connections_accepted += accepted_.value();
  sum.handshakes_full += handshakes_full_.value();
  sum.handshakes_resumed += handshakes_resumed_.value();
  sum.handshakes_failed += handshakes_failed_.value();
  sum.requests += requests_.value();
  sum.requests_fast += requests_fast_.value();
  sum.handler_failures += handler_failures_.value();
  sum.buffered_bytes += buffered_.value();
  sum.turn_us_sum += turn_us_sum_.value();
  sum.turn_us_max = std::max(sum.turn_us_max, turn_us_max_.value());
  for (std::size_t i = 0; i < kRefusalCount; ++i) sum.refused[i] += refused_[i].value();
  for (std::size_t i = 0; i < turns_.size(); ++i) sum.turns[i] += turns_[i].value();
}

}  // namespace holdfast
