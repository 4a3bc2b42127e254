// For LD_PRELOAD: the wall clock is HOLDFAST_CLOCK_OFFSET_S seconds ahead; the monotonic one stays. (libfaketime does
// not get on with Redis's jemalloc.)
#include <cstdlib>
#include <ctime>

#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

namespace {

std::time_t offset() {
  static std::time_t const kOffset = [] {
    char const* const text =
        std::getenv("HOLDFAST_CLOCK_OFFSET_S");  // NOLINT(concurrency-mt-unsafe): nobody sets it.
    return text == nullptr ? 0 : std::atol(text);
  }();
  return kOffset;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* to) noexcept {
  auto const result = static_cast<int>(::syscall(SYS_clock_gettime, clock, to));
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    to->tv_sec += offset();
  return result;
}

int gettimeofday(timeval* to, void* /*zone*/) noexcept {
  timespec now{};
  int const result = clock_gettime(CLOCK_REALTIME, &now);
  *to = {now.tv_sec, now.tv_nsec / 1000};
  return result;
}

std::time_t time(std::time_t* to) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (to != nullptr) *to = now.tv_sec;
  return now.tv_sec;
}
}
