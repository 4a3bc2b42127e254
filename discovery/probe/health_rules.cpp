#include "discovery/probe/health_rules.h"

#include <algorithm>

namespace holdfast::discovery {

namespace {

constexpr std::uint32_t kSteadyAfter = 3;
constexpr std::uint32_t kCountMax = 1'000;  // Beyond, nothing more is learnt from counting.
constexpr std::uint32_t kBackOffDoublingsMax = 6;

void pass(Health& health, std::uint64_t now_unix_ms) {
  health.fails_in_row = 0;
  health.passes_in_row = std::min(health.passes_in_row + 1, kCountMax);
  health.last_pass_unix_ms = now_unix_ms;
  health.self_test = SelfTest::Passed;
  if (!health.is_out || health.passes_in_row >= kPassesUntilBack) {
    health.is_out = false;
    health.transcript.clear();
  }
}

void fail(Health& health, ProbeReport const& report) {
  health.passes_in_row = 0;
  health.fails_in_row = std::min(health.fails_in_row + 1, kCountMax);
  health.transcript = report.transcript;
  if (health.self_test != SelfTest::Passed) {
    health.self_test = SelfTest::Failed;
  } else if (report.step == ProbeStep::Refused || health.fails_in_row >= kFailsUntilOut) {
    health.is_out = true;
  }
}

}  // namespace

Health after_test(Health health, ProbeReport const& report, std::uint64_t now_unix_ms) {
  if (report.passed()) {
    pass(health, now_unix_ms);
  } else if (report.says_something()) {
    fail(health, report);
  }
  return health;
}

Duration recheck_delay(Health const& health, Duration lease, Duration round, Rng& rng) {
  Duration base = lease;
  std::uint32_t const forgiven = health.self_test == SelfTest::Failed ? 1 : kFailsUntilOut;
  bool const dead = health.self_test == SelfTest::Failed || health.is_out;
  if (dead && health.fails_in_row >= forgiven) {
    std::uint32_t const doublings = std::min(health.fails_in_row - forgiven, kBackOffDoublingsMax);
    base = lease * (1u << doublings);
  } else if (health.fails_in_row > 0 || health.is_out) {
    base = lease / 2;
  } else if (health.passes_in_row > 0) {
    base = std::max(health.passes_in_row >= kSteadyAfter ? lease * 4 : lease, round);
  }
  auto const quarter = static_cast<std::uint64_t>(std::max<Duration::rep>(base.count() / 4, 1));
  auto const jitter = static_cast<Duration::rep>(rng.below(2 * quarter));
  return base - Duration(static_cast<Duration::rep>(quarter)) + Duration(jitter);
}

}  // namespace holdfast::discovery
