#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "serve/certificate.h"
#include "serve/proxies.h"
#include "serve/request_collector.h"

namespace holdfast {

struct ServerOptions {
  std::string host = "127.0.0.1";  ///< A literal or a name; "0.0.0.0" and "::" mean every address.
  std::uint16_t port = 0;          ///< 0: any.
  std::optional<CertificateFiles> certificate = std::nullopt;  ///< With one: HTTPS. Without: HTTP.
  std::size_t loop_count = 0;    ///< Event loops; 0: one for each core that may be used.
  std::size_t worker_count = 8;  ///< Threads for routes that may block.
  std::size_t queued_max =
      1024;  ///< Requests that wait for a worker; beyond: 503 with Retry-After.
  std::size_t waits_max = 10'000;  ///< Parked requests; beyond: 503 with Retry-After.
  /// Beyond, the longest idle one of the loop is closed; if none is idle, the newest. Also bounded by the number of
  /// files that the process may open.
  std::size_t connections_max = 65'536;
  RequestLimits limits{};
  std::chrono::milliseconds handshake_timeout{5'000};  ///< With the PROXY header, if there is one.
  /// From the first byte of a request on. Why not shorter: a slow client costs memory, and one that is cut comes back with a
  /// handshake, which holds a loop for as long as thirty look-ups.
  std::chrono::milliseconds head_timeout{20'000};
  std::chrono::milliseconds body_timeout{10'000};
  std::chrono::milliseconds write_timeout{60'000};  ///< For the client to take an answer.
  std::chrono::milliseconds idle_timeout{75'000};   ///< Between requests.
  Duration wait_max{60'000};                        ///< The longest a handler may wait for.
  ProxyPolicy proxies{};
  /// How often the certificate files are looked at for a change.
  std::chrono::milliseconds certificate_check{5'000};
  /// Told, on a worker thread, how reading changed certificate files went.
  std::function<void(Result<void> const&)> on_certificate{};
};

/// Why a request was answered before any handler saw it, or a connection not served.
enum class Refusal : std::uint8_t {
  Malformed,      ///< 400, 411, 501, 505
  TooSlow,        ///< 408, or no answer at all
  TooLarge,       ///< 413
  TargetTooLong,  ///< 414
  HeadTooLarge,   ///< 431
  Overload,       ///< 503: workers or waits are used up
  Connections,    ///< One was closed to make room, or could not be accepted.
  ProxyHeader,    ///< A trusted proxy did not send what was agreed.
};
constexpr std::size_t kRefusalCount = 8;

/// What the server counted up to now, over all loops.
struct ServerCounters {
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_open = 0;
  std::uint64_t handshakes_full = 0;
  std::uint64_t handshakes_resumed = 0;
  std::uint64_t handshakes_failed = 0;
  std::uint64_t requests = 0;       ///< Answered by a handler.
  std::uint64_t requests_fast = 0;  ///< Of these, by a fast one.
  std::array<std::uint64_t, kRefusalCount> refused{};
  std::uint64_t handler_failures = 0;  ///< Answered with 500.
  std::uint64_t waiting = 0;           ///< Parked requests.
  std::uint64_t buffered_bytes = 0;    ///< Held for requests and answers that are under way.
  /// Turns of the loops by how long they took: at most 1, 5, 20, 100, 500 ms, longer.
  std::array<std::uint64_t, 6> turns{};
  std::uint64_t turn_us_sum = 0;
  std::uint64_t turn_us_max = 0;
  std::uint64_t certificate_reloads = 0;
  std::uint64_t certificate_failures = 0;  ///< The old one was kept.

  std::uint64_t requests_refused() const;
  std::uint64_t refused_by(Refusal reason) const {
    return refused[static_cast<std::size_t>(reason)];
  }
};

}  // namespace holdfast
