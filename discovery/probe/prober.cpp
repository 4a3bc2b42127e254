#include "discovery/probe/prober.h"

#include <deque>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "discovery/probe/probe_run.h"
#include "discovery/probe/steady_clock.h"

namespace holdfast::discovery {

namespace {

namespace asio = boost::asio;

/// Names of one record while they are looked up, one after the other.
struct Naming {
  std::shared_ptr<ProbeRun> run;
  std::vector<ResolvedAddress> resolved;
};

}  // namespace

/// Everything here is touched on `thread` only, but for the two first members.
struct Prober::State {
  State(AddressPolicy rules, ProberOptions limits)
      : policy(std::move(rules)),
        options(std::move(limits)),
        own_pair(KeyPair::random()),
        guard(io.get_executor()),
        targets(options.targets),
        resolver(options.lookup),
        thread([this] { io.run(); }) {}

  void add(ProbeTarget target, Done done) {
    std::size_t& of_source = per_source[target.observed_host];
    bool const lab = is_lab(target.observed_host);
    if (waiting.size() >= options.queue_max ||
        (!lab && of_source >= options.at_once_per_source_max)) {
      if (of_source == 0) per_source.erase(target.observed_host);
      return done({ProbeStep::Skipped, "too many tests at once; it is tried later"});
    }
    ++of_source;
    auto const over = [this, source = target.observed_host,
                       done = std::move(done)](ProbeReport report) {
      if (--per_source[source] == 0) per_source.erase(source);
      --running;
      done(std::move(report));
      asio::post(io, [this] { start_some(); });
    };
    waiting.push_back(std::make_shared<ProbeRun>(io, own_pair, options, std::move(target), over));
    start_some();
  }

  void start_some() {
    while (running < options.at_once_max && !waiting.empty()) {
      auto const naming = std::make_shared<Naming>();
      naming->run = std::move(waiting.front());
      waiting.pop_front();
      ++running;
      naming->run->start();
      resolve_next(naming);
    }
  }

  // One address after the other: as deep as a record has literal ones, which are few.
  // NOLINTBEGIN(misc-no-recursion)
  void resolve_next(std::shared_ptr<Naming> const& naming) {
    ProbeRun& run = *naming->run;
    if (run.finished()) return;
    std::size_t const at = naming->resolved.size();
    if (at == run.target().addresses.size()) return dial(naming);
    registration::Address const& address = run.target().addresses[at];
    registration::HostPort place = place_of(address, run.target().observed_host);
    if (std::optional<IpAddress> const literal = IpAddress::parse(place.host); literal) {
      return resolved(naming, {address, place.port, {*literal}});
    }
    resolver.resolve(
        place.host, [this, naming, address, port = place.port](std::vector<IpAddress> found) {
          asio::post(io, [this, naming, address, port, found = std::move(found)]() mutable {
            resolved(naming, {address, port, std::move(found)});
          });
        });
  }

  void resolved(std::shared_ptr<Naming> const& naming, ResolvedAddress one) {
    if (one.found.empty()) {
      return naming->run->finish(
          ProbeStep::Resolve, describe(one.address) + ": resolve failed: the name has no address");
    }
    naming->resolved.push_back(std::move(one));
    resolve_next(naming);
  }
  // NOLINTEND(misc-no-recursion)

  void dial(std::shared_ptr<Naming> const& naming) {
    ProbePlan plan = plan_probe(naming->run->target(), naming->resolved, policy);
    naming->run->dial_all(std::move(plan), [this](IpAddress const& ip) {
      return policy.is_lab(ip) || targets.take(ip, steady_now());
    });
  }

  bool is_lab(std::string const& host) const {
    std::optional<IpAddress> const address = IpAddress::parse(host);
    return address && policy.is_lab(*address);
  }

  AddressPolicy const policy;
  ProberOptions const options;
  KeyPair const
      own_pair;  ///< Of the prober; new at each start, so that nodes cannot tell services by it.
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard;
  TargetLimiter targets;
  std::deque<std::shared_ptr<ProbeRun>> waiting;
  std::map<std::string, std::size_t> per_source;  ///< Tests waiting and running.
  std::size_t running = 0;
  Resolver resolver;
  std::thread thread;  ///< Last: everything else is there when it starts.
};

Prober::Prober(AddressPolicy policy, ProberOptions options)
    : state_(std::make_unique<State>(std::move(policy), std::move(options))) {}

Prober::~Prober() {
  state_->io.stop();
  state_->thread.join();
}

void Prober::probe(ProbeTarget target, Done done) {
  asio::post(state_->io,
             [state = state_.get(), target = std::move(target), done = std::move(done)]() mutable {
               state->add(std::move(target), std::move(done));
             });
}

}  // namespace holdfast::discovery
