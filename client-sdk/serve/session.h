#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "serve/connection.h"
#include "serve/message.h"
#include "serve/request_collector.h"

namespace holdfast {

/// What a connection is waiting for. Each phase has its own time limit (ServerOptions).
enum class Phase : std::uint8_t {
  ProxyHeader,  ///< The first bytes, from a proxy.
  Handshake,
  Idle,       ///< The first byte of a request.
  Head,       ///< The rest of a head.
  Body,       ///< The rest of a body.
  Working,    ///< A worker has the request: no limit here.
  Parked,     ///< Its event or its own deadline.
  Writing,    ///< The client to take what was written.
  Lingering,  ///< The client to see our last answer before the socket goes.
};
constexpr std::size_t kPhaseCount = 9;

/// A request whose handler has not answered yet.
struct InHand {
  RequestCollector::Collected request;
  Call call = Call::First;
  std::uint64_t sequence_before = 0;  ///< Of the notifications, before the handler looked.
  std::string event{};                ///< While parked.
  bool has_waited = false;
  std::chrono::steady_clock::time_point wait_until{};  ///< Since it first waited.
};

/// One connection and what it is doing, on its loop. An idle one has neither collector nor request.
struct Session {
  Session(std::uint64_t session_id, int socket, PeerAddress peer, SSL_CTX* context,
          std::string& output)
      : id(session_id), connection(socket, std::move(peer), context, output) {}

  std::uint64_t const id;
  Connection connection;
  Phase phase = Phase::Handshake;
  bool answered = false;        ///< At least one request was.
  bool closing = false;         ///< Nothing more is read; what is written goes out, then the end.
  bool behind_proxy = false;    ///< The peer may say who the client is.
  std::uint16_t discarded = 0;  ///< Reads while lingering.
  std::chrono::steady_clock::time_point since{};  ///< In this phase.
  Session* previous = nullptr;                    ///< In the list of its phase.
  Session* next = nullptr;
  std::unique_ptr<RequestCollector> collector;
  std::shared_ptr<InHand> in_hand;  ///< Shared with the worker that has it.
  std::size_t buffered = 0;         ///< As last counted.
};

/// The sessions of one phase, longest there first. Intrusive: moving costs no memory.
class PhaseList {
 public:
  Session* front() const { return first_; }
  std::size_t count() const { return count_; }
  void push_back(Session& session) {
    session.previous = last_;
    session.next = nullptr;
    (last_ != nullptr ? last_->next : first_) = &session;
    last_ = &session;
    ++count_;
  }
  void remove(Session& session) {
    (session.previous != nullptr ? session.previous->next : first_) = session.next;
    (session.next != nullptr ? session.next->previous : last_) = session.previous;
    session.previous = session.next = nullptr;
    --count_;
  }

 private:
  Session* first_ = nullptr;
  Session* last_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace holdfast
