#include <cstdio>
#include <string>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "cli/settings.h"
#include "cli/stop_signal.h"
#include "codec/key_text.h"
#include "net/core_clone.h"
#include "net/tcp.h"

namespace holdfast::cli {
namespace {

constexpr Duration kPoll{100};         ///< While waiting for what no event tells.
constexpr Duration kBarEvery{100};     ///< Redrawing a terminal.
constexpr Duration kLineEvery{2'000};  ///< Anything else.

/// Shows how far the copy is: a bar on a terminal, lines elsewhere, JSON lines on request.
class ProgressDisplay {
 public:
  explicit ProgressDisplay(bool json) : json_(json), bar_(!json && isatty(STDOUT_FILENO) == 1) {}

  void show(net::CloneProgress const& now, bool last) {
    Instant const at = net::steady_now();
    bool const due = at - shown_at_ >= (bar_ ? kBarEvery : kLineEvery);
    bool const same = now.blocks_held == shown_.blocks_held && now.length == shown_.length &&
                      now.complete() == shown_complete_;
    if (!last && (!due || same)) return;
    if (last && same && !bar_) return;
    Duration const passed = at - shown_at_;
    double const rate = passed > Duration(0) && shown_at_ != Instant{}
                            ? static_cast<double>(now.bytes_received - shown_.bytes_received) /
                                  static_cast<double>(passed.count()) / 1000.0
                            : 0.0;
    print(now, rate);
    if (last && bar_) std::printf("\n");
    std::fflush(stdout);
    shown_ = now;
    shown_complete_ = now.complete();
    shown_at_ = at;
  }

 private:
  void print(net::CloneProgress const& now, double megabytes_per_s) {
    if (json_) {
      nlohmann::json out{{"blocks", now.blocks_held},
                         {"contiguous", now.contiguous_length},
                         {"length", now.length},
                         {"bytes_received", now.bytes_received},
                         {"complete", now.complete()}};
      std::printf("%s\n", out.dump().c_str());
      return;
    }
    std::uint64_t const percent = now.length == 0 ? 0 : now.blocks_held * 100 / now.length;
    if (bar_) {
      std::size_t const filled = static_cast<std::size_t>(percent) * 30 / 100;
      std::printf("\r[%s%s] %3llu%%  ", std::string(filled, '#').c_str(),
                  std::string(30 - filled, '.').c_str(), static_cast<unsigned long long>(percent));
    }
    std::printf(
        "%llu of %llu blocks, %.1f MB/s%s", static_cast<unsigned long long>(now.blocks_held),
        static_cast<unsigned long long>(now.length), megabytes_per_s, bar_ ? "  \x1b[K" : "\n");
  }

  bool json_;
  bool bar_;
  net::CloneProgress shown_;
  bool shown_complete_ = false;
  Instant shown_at_{};
};

net::FollowListener listener(bool json) {
  if (json) return nullptr;
  return [](net::FollowStep step, std::string const& detail) {
    if (step == net::FollowStep::Failed || step == net::FollowStep::Lost) {
      std::fprintf(stderr, "holdfast: %s\n", detail.c_str());
    }
  };
}

Result<net::CoreCloneOptions> clone_options(Settings const& settings, Arguments const& arguments) {
  net::CoreCloneOptions options;
  Result<CoreKey> const key = parse_key_as<CoreKey>(arguments.key);
  if (!key) return Unexpected(key.error());
  options.directory = arguments.directory;
  options.follow.project = *key;
  options.follow.proven_only = settings.proven_only;
  Result<std::vector<net::NamedPeer>> peers = named_peers(settings);
  if (!peers) return Unexpected(peers.error());
  options.follow.peers = std::move(*peers);
  if (!settings.discovery.empty()) {
    Result<net::DiscoveryClientOptions> discovery = discovery_options(settings);
    if (!discovery) return Unexpected(discovery.error());
    options.follow.discovery = std::move(*discovery);
  }
  if (options.follow.peers.empty() && !options.follow.discovery) {
    return Unexpected(ErrorCode::Malformed, "give --discovery https://… or --peer HOST:PORT");
  }
  options.listener = listener(settings.json);
  return options;
}

}  // namespace

Exit clone(Settings const& settings, Arguments const& arguments) {
  Result<net::CoreCloneOptions> options = clone_options(settings, arguments);
  if (!options) return complain(options.error()), Exit::Usage;
  StopSignal stop;
  Result<std::unique_ptr<net::CoreClone>> const opened = net::CoreClone::open(std::move(*options));
  if (!opened) return complain(opened.error());
  net::CoreClone& copy = **opened;
  stop.on_stop([&copy] { copy.interrupt(); });
  ProgressDisplay display(settings.json);
  bool done = false;
  while (!done && !stop.came()) {
    copy.wait(kPoll);
    net::CloneProgress const now = copy.progress();
    done = now.complete() && !arguments.follow;
    display.show(now, done || stop.came());
  }
  stop.forget();
  return done || arguments.follow ? Exit::Ok : Exit::Interrupted;
}

}  // namespace holdfast::cli
