#include <algorithm>
#include <iterator>
#include <utility>

#include <openssl/err.h>

#include "serve/answer_writer.h"
#include "serve/event_loop.h"
#include "serve/problem.h"

namespace holdfast {

namespace {

constexpr int kStepsPerTurn = 32;  // Requests of one connection before others get their turn.
constexpr std::size_t kOutputBytesMax = 64 * 1024;  // Beyond, it is sent before more is read.
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr int kDiscardsMax = 64;  // Reads of a client that does not stop sending.

struct MethodAndPath {
  std::string_view method;
  std::string_view path;
};

/// Requires: a head that the collector has passed.
MethodAndPath route_of(std::string_view head) {
  std::size_t const first = head.find(' ');
  std::string_view const behind = head.substr(first + 1);
  return {head.substr(0, first), behind.substr(0, behind.find_first_of(" ?"))};
}

Refusal refusal_of(int status) {
  switch (status) {
    case 408:
      return Refusal::TooSlow;
    case 413:
      return Refusal::TooLarge;
    case 414:
      return Refusal::TargetTooLong;
    case 431:
      return Refusal::HeadTooLarge;
    default:
      return Refusal::Malformed;
  }
}

}  // namespace

/// Does what can be done now. Afterwards the session waits for something, waits for its next turn, or is gone.
void EventLoop::pump(Session& session) {
  ERR_clear_error();  // What other connections left behind must not be taken for ours.
  Next next = Next::Continue;
  for (int i = 0; i < kStepsPerTurn && next == Next::Continue; ++i) {
    next = step(session);
    if (output_.size() > kOutputBytesMax) break;
  }
  settle(session, next);
}

EventLoop::Next EventLoop::step(Session& session) {
  switch (session.phase) {
    case Phase::ProxyHeader:
      return read_proxy_header_of(session);
    case Phase::Handshake:
      return shake_hands(session);
    case Phase::Idle:
    case Phase::Head:
    case Phase::Body:
      return session.in_hand ? run_in_hand(session) : serve(session);
    case Phase::Lingering:
      return discard(session);
    case Phase::Working:
    case Phase::Parked:
    case Phase::Writing:
      break;
  }
  return Next::Wait;
}

/// Sends what was written, and puts the session where it waits for what comes next.
void EventLoop::settle(Session& session, Next next) {
  if (next == Next::Abort) {
    session.connection.flush();  // A TLS alert, perhaps.
    return remove(session);
  }
  if (next == Next::Close) {
    session.closing = true;
    session.connection.say_goodbye();
  }
  Connection::Status const flushed = session.connection.flush();
  if (flushed == Connection::Status::Failed) return remove(session);
  count_buffers(session);
  if (flushed == Connection::Status::WouldBlock) {
    bool const busy = session.phase == Phase::Working || session.phase == Phase::Parked;
    if (!busy) set_phase(session, Phase::Writing);
    return watch(session, /*for_writing=*/true);
  }
  if (session.closing && session.phase != Phase::Lingering) return finish(session);
  if (next == Next::Continue) again_.push_back(session.id);
  after_answers(session);
}

/// Requires: everything written was sent.
void EventLoop::after_answers(Session& session) {
  switch (session.phase) {
    case Phase::Idle:
    case Phase::Head:
    case Phase::Body:
      break;
    case Phase::ProxyHeader:
    case Phase::Handshake:
    case Phase::Working:
    case Phase::Parked:
    case Phase::Writing:
    case Phase::Lingering:
      return;
  }
  if (session.collector && !session.collector->has_partial()) session.collector.reset();
  if (!session.collector) return;
  Phase const phase = session.collector->in_body() ? Phase::Body : Phase::Head;
  if (session.phase != phase) set_phase(session, phase);
}

/// The end behind the last answer: at once when the client has nothing under way, else after it had time to see it.
void EventLoop::finish(Session& session) {
  session.closing = true;
  session.connection.say_goodbye();
  Connection::Status const flushed = session.connection.flush();
  bool const unread = session.connection.may_read_more() || session.collector;
  if (flushed == Connection::Status::Failed || (flushed == Connection::Status::Ok && !unread))
    return remove(session);
  if (flushed == Connection::Status::WouldBlock) {
    set_phase(session, Phase::Writing);
    return watch(session, /*for_writing=*/true);
  }
  // Closing a socket with unread input resets the connection, and the reset overtakes the answer.
  session.connection.shut_down_writing();
  session.collector.reset();
  set_phase(session, Phase::Lingering);
  again_.push_back(session.id);
}

void EventLoop::on_writable(Session& session) {
  Connection::Status const flushed = session.connection.flush();
  if (flushed == Connection::Status::Failed) return remove(session);
  count_buffers(session);
  if (flushed == Connection::Status::WouldBlock) return;
  if (session.closing) return finish(session);
  watch(session, /*for_writing=*/false);
  set_phase(session, Phase::Idle);
  pump(session);
}

EventLoop::Next EventLoop::read_proxy_header_of(Session& session) {
  std::size_t count = 0;
  std::span<char> const into(scratch_.data(), kProxyHeaderBytesMax);
  Connection::Status const status = session.connection.peek_raw(into, count);
  if (status == Connection::Status::WouldBlock) return Next::Wait;
  std::optional<ProxyHeader> header;
  if (status == Connection::Status::Ok) header = read_proxy_header({scratch_.data(), count});
  if (!header) {
    count_refusal(Refusal::ProxyHeader);
    return Next::Abort;
  }
  if (header->bytes == 0) return Next::Wait;
  session.connection.skip_raw(header->bytes);
  if (header->source) {
    session.connection.set_peer(*std::move(header->source));
    session.behind_proxy = shared_.options.proxies.trusts(session.connection.peer());
  }
  set_phase(session, tls_ ? Phase::Handshake : Phase::Idle);
  return Next::Continue;
}

EventLoop::Next EventLoop::shake_hands(Session& session) {
  switch (session.connection.handshake()) {
    case Connection::Status::Ok:
      break;
    case Connection::Status::WouldBlock:
      return Next::Wait;
    case Connection::Status::Closed:
    case Connection::Status::Failed:
      handshakes_failed_.add();
      if (!session.connection.spoke_in_clear()) return Next::Abort;
      output_.append(refuse_exchange(400, "This port speaks HTTPS").bytes);
      return Next::Close;
  }
  (session.connection.resumed() ? handshakes_resumed_ : handshakes_full_).add();
  set_phase(session, Phase::Idle);
  return Next::Continue;
}

/// Reads away what the client sends after our last answer.
EventLoop::Next EventLoop::discard(Session& session) {
  Connection::Status const status = session.connection.discard(scratch_);
  if (status == Connection::Status::WouldBlock) return Next::Wait;
  bool const more = status == Connection::Status::Ok && ++session.discarded < kDiscardsMax;
  return more ? Next::Continue : Next::Abort;
}

/// Takes the next request of the session, or reads.
EventLoop::Next EventLoop::serve(Session& session) {
  if (session.collector) {
    if (std::optional<RequestCollector::Collected> request = session.collector->take(); request) {
      session.in_hand = std::make_shared<InHand>();
      session.in_hand->request = *std::move(request);
      return run_in_hand(session);
    }
    if (session.collector->refusal()) {
      RequestCollector::Refusal const why = *session.collector->refusal();
      return refuse(session, why.status, why.detail);
    }
    if (session.collector->take_expectation() && !session.connection.write(kContinue))
      return Next::Abort;
  }
  std::size_t count = 0;
  switch (session.connection.read(scratch_, count)) {
    case Connection::Status::Ok:
      break;
    case Connection::Status::WouldBlock:
      return Next::Wait;
    case Connection::Status::Closed:
      return Next::Close;
    case Connection::Status::Failed:
      return Next::Abort;
  }
  receive(session, {scratch_.data(), count});
  if (session.closing) return Next::Close;
  return session.collector || session.connection.may_read_more() ? Next::Continue : Next::Wait;
}

void EventLoop::receive(Session& session, std::string_view bytes) {
  if (!session.collector) {
    bool answered = false;
    // What is over goes the general way: a client that asks without reading must not make us hold all its answers.
    while (!bytes.empty() && !session.closing && output_.size() <= kOutputBytesMax &&
           answer_fast(session, bytes)) {
      answered = true;
    }
    if (answered) set_phase(session, Phase::Idle);  // To the end of its list.
    if (bytes.empty() || session.closing) return;
    session.collector = std::make_unique<RequestCollector>(shared_.router, shared_.options.limits);
  }
  session.collector->receive(bytes);
}

/// Returns: whether the request at the start of `bytes` was answered; it is taken off them then.
bool EventLoop::answer_fast(Session& session, std::string_view& bytes) {
  if (!shared_.router.has_fast() || !recognise_plain_get(bytes, shared_.options.limits, plain_))
    return false;
  std::string_view param;
  Router::FastRoute const* const route = shared_.router.find_fast(plain_.path, param);
  if (route == nullptr) return false;
  fast_response_.status = 200;
  fast_response_.headers.clear();
  fast_response_.body.clear();
  fast_response_.content_type = "application/json";
  FastOutcome outcome = FastOutcome::UseGeneralPath;
  if (session.behind_proxy) {
    PeerAddress const client =
        client_behind(shared_.options.proxies, session.connection.peer(), plain_.field_list());
    run_fast(*route, {param, plain_.query, client, plain_.field_list()}, fast_response_, outcome);
  } else {
    run_fast(*route, {param, plain_.query, session.connection.peer(), plain_.field_list()},
             fast_response_, outcome);
  }
  if (outcome == FastOutcome::UseGeneralPath) return false;
  bool const close = plain_.close || shared_.closing_after_answers;
  bool const bodiless = fast_response_.status == 204 || fast_response_.status == 304;
  answer_.clear();
  append_head(answer_, {.status = fast_response_.status,
                        .fields = fast_response_.headers,
                        .cors = route->cors,
                        .content_type = fast_response_.content_type,
                        .body_bytes = bodiless ? 0 : fast_response_.body.size(),
                        .close = close});
  if (!bodiless) answer_.append(fast_response_.body);
  requests_.add();
  requests_fast_.add();
  bytes.remove_prefix(plain_.head_bytes);
  session.answered = true;
  session.closing = !session.connection.write(answer_) || close;
  return true;
}

/// What a fast handler throws is left to the general path, which counts what its own handler throws.
void EventLoop::run_fast(Router::FastRoute const& route, FastRequest const& request,
                         FastResponse& response, FastOutcome& outcome) {
  try {
    outcome = route.handler(request, response);
  } catch (...) {
    outcome = FastOutcome::UseGeneralPath;
    handler_failures_.add();
  }
}

ExchangePlace EventLoop::exchange_place() const {
  return {shared_.router, shared_.options.proxies, shared_.closing_after_answers};
}

/// Runs the session's request here, or gives it to a worker.
EventLoop::Next EventLoop::run_in_hand(Session& session) {
  std::shared_ptr<InHand> const in_hand = session.in_hand;
  auto const [method, path] = route_of(in_hand->request.head);
  in_hand->sequence_before = shared_.waiters.sequence();
  Router::Place const place = shared_.router.place_of(method, path);
  if (place == Router::Place::OnLoop) {
    return conclude(session,
                    run_exchange(exchange_place(),
                                 {in_hand->request, session.connection.peer(), in_hand->call}));
  }
  // Before it is submitted: from then on the request is the worker's.
  set_phase(session, Phase::Working);
  std::vector<Errand> errands;
  errands.push_back({session.id, session.connection.peer(), in_hand});
  if (place == Router::Place::Gathered && !draining_) {
    gathered_.push_back(std::move(errands.front()));
    return Next::Wait;
  }
  if (submit(std::move(errands))) return Next::Wait;
  count_refusal(Refusal::Overload);
  set_phase(session, Phase::Idle);
  return answer(session, overloaded_exchange(shared_.closing_after_answers));
}

/// Gives them to one worker, and takes the answers back in one message. Returns: false if there are too many.
bool EventLoop::submit(std::vector<Errand> errands) {
  std::size_t const count = errands.size();
  auto job = [this, errands = std::move(errands)] {
    std::vector<ExchangeRequest> requests;
    requests.reserve(errands.size());
    for (Errand const& each : errands)
      requests.push_back({each.in_hand->request, each.peer, each.in_hand->call});
    auto outcomes =
        std::make_shared<std::vector<ExchangeOutcome>>(run_exchanges(exchange_place(), requests));
    std::vector<std::uint64_t> ids;
    for (Errand const& each : errands) ids.push_back(each.session);
    post([ids = std::move(ids), outcomes](EventLoop& loop) {
      for (std::size_t i = 0; i < ids.size(); ++i)
        loop.on_worked(ids[i], std::move((*outcomes)[i]));
    });
  };
  return shared_.workers.submit(std::move(job), count);
}

/// Those gathered, when it is time. The first after a quiet while does not wait for others.
void EventLoop::submit_gathered() {
  if (gathered_.empty() || (!draining_ && now_ - gathered_at_ < kGatherTime)) return;
  gathered_at_ = now_;
  std::vector<Errand> all = std::exchange(gathered_, {});
  for (std::size_t from = 0; from < all.size(); from += kGatheredMax) {
    auto const begin = all.begin() + static_cast<std::ptrdiff_t>(from);
    auto const end = begin + static_cast<std::ptrdiff_t>(std::min(kGatheredMax, all.size() - from));
    std::vector<std::uint64_t> ids;
    std::for_each(begin, end, [&](Errand const& each) { ids.push_back(each.session); });
    if (submit({std::make_move_iterator(begin), std::make_move_iterator(end)})) continue;
    for (std::uint64_t const id : ids) {
      count_refusal(Refusal::Overload);
      on_worked(id, overloaded_exchange(shared_.closing_after_answers));
    }
  }
}

void EventLoop::on_worked(std::uint64_t id, ExchangeOutcome outcome) {
  Session* const session = find(id);
  if (session == nullptr) return;
  ERR_clear_error();
  set_phase(*session, Phase::Idle);
  Next const next = conclude(*session, std::move(outcome));
  if (next == Next::Continue) return pump(*session);
  settle(*session, next);
}

EventLoop::Next EventLoop::conclude(Session& session, ExchangeOutcome outcome) {
  if (WaitFor* const wait = std::get_if<WaitFor>(&outcome); wait != nullptr)
    return park(session, std::move(*wait));
  ResponseBytes const& response = std::get<ResponseBytes>(outcome);
  requests_.add();
  if (response.failed) handler_failures_.add();
  return answer(session, response);
}

EventLoop::Next EventLoop::answer(Session& session, ResponseBytes const& response) {
  session.in_hand.reset();
  session.answered = true;
  set_phase(session, Phase::Idle);
  if (!session.connection.write(response.bytes)) return Next::Abort;
  return response.close ? Next::Close : Next::Continue;
}

EventLoop::Next EventLoop::park(Session& session, WaitFor wait) {
  InHand& in_hand = *session.in_hand;
  if (draining_) {
    in_hand.call = Call::Deadline;
    return Next::Continue;
  }
  Waiters::Token const token{index_, session.id};
  switch (shared_.waiters.add(wait.event, token, in_hand.sequence_before)) {
    case Waiters::Added::Waiting:
      break;
    case Waiters::Added::NotifiedMeanwhile:
      in_hand.call = Call::Event;
      return Next::Continue;
    case Waiters::Added::Full:
      count_refusal(Refusal::Overload);
      return answer(session, overloaded_exchange(shared_.closing_after_answers));
  }
  in_hand.event = std::move(wait.event);
  auto const until = now_ + std::clamp(wait.at_most, Duration(0), shared_.options.wait_max);
  in_hand.wait_until = in_hand.has_waited ? std::min(in_hand.wait_until, until) : until;
  in_hand.has_waited = true;
  waits_.emplace(in_hand.wait_until, session.id);
  set_phase(session, Phase::Parked);
  return Next::Wait;
}

void EventLoop::unpark(Session& session) {
  InHand const& in_hand = *session.in_hand;
  shared_.waiters.remove(in_hand.event, {index_, session.id});
  waits_.erase({in_hand.wait_until, session.id});
}

void EventLoop::resume_parked(Session& session, Call call) {
  unpark(session);
  session.in_hand->call = call;
  set_phase(session, Phase::Idle);
  pump(session);
}

EventLoop::Next EventLoop::refuse(Session& session, int status, std::string const& detail) {
  count_refusal(refusal_of(status));
  return session.connection.write(refuse_exchange(status, detail).bytes) ? Next::Close
                                                                         : Next::Abort;
}

void EventLoop::count_buffers(Session& session) {
  std::size_t const held =
      session.connection.unsent_bytes() +
      (session.collector ? session.collector->buffered_bytes() : 0) +
      (session.in_hand ? session.in_hand->request.head.size() + session.in_hand->request.body.size()
                       : 0);
  if (held == session.buffered) return;
  buffered_.set(buffered_.value() + held - session.buffered);
  session.buffered = held;
}

}  // namespace holdfast
