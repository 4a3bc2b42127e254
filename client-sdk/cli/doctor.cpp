#include <algorithm>
#include <chrono>
#include <cstdio>
#include <future>

#include <nlohmann/json.hpp>

#include "cli/settings.h"
#include "codec/key_text.h"
#include "net/engine_host.h"
#include "net/registration_client.h"
#include "store/memory_store.h"

namespace holdfast::cli {
namespace {

/// More than this between two clocks makes proofs and logs confusing.
constexpr std::int64_t kClockSkewMaxMs = 30'000;

/// Collects findings and prints each as it comes.
class Report {
 public:
  explicit Report(bool json) : json_(json) {}

  void good(std::string const& what) { add("ok", what, ""); }
  /// `exit`: what the program ends with, if this is its first problem.
  void bad(std::string const& what, std::string const& advice, Exit exit = Exit::Error) {
    add("problem", what, advice);
    if (problems_++ == 0) exit_ = exit;
  }
  Exit finish() {
    if (json_) {
      std::printf("%s\n", nlohmann::json{{"ok", problems_ == 0},
                                         {"exit", static_cast<int>(exit_)},
                                         {"findings", findings_}}
                              .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
                              .c_str());
    } else {
      std::printf(problems_ == 0 ? "Everything works.\n" : "%d problem(s) found.\n", problems_);
    }
    return exit_;
  }

 private:
  void add(char const* kind, std::string const& what, std::string const& advice) {
    if (json_) {
      findings_.push_back({{"kind", kind}, {"what", what}, {"advice", advice}});
      return;
    }
    std::printf("%s %s\n", *kind == 'o' ? "[ok]     " : "[problem]", what.c_str());
    if (!advice.empty()) std::printf("          %s\n", advice.c_str());
    std::fflush(stdout);
  }

  bool json_;
  int problems_ = 0;
  Exit exit_ = Exit::Ok;
  nlohmann::json findings_ = nlohmann::json::array();
};

std::string advice_for(Error const& error, net::ApiFailure const& failure,
                       Settings const& settings) {
  if (failure.problem) return "The service answers, but has trouble of its own. Try again later.";
  if (error.code == ErrorCode::BadHandshake) {
    if (!settings.discovery_pin.empty()) {
      return "Compare --discovery-pin with what the service prints when it starts.";
    }
    return "If the service made its own certificate, give --discovery-pin with the SHA-256 that it "
           "prints when it starts.";
  }
  return "Is the URL right, is the service running, and does a firewall let you through?";
}

/// What the service thinks of one's own node, in sentences.
void check_node(net::RegistrationClient& client, PublicKey const& id, Report& report) {
  Result<registration::ReplicatorInfo> const info = client.info_of(id);
  if (!info && info.error().code == ErrorCode::NotFound) {
    return report.bad("the service does not know your node",
                      "Is it running with this service's URL in --discovery? Its log says what "
                      "the service answered; a service may also want a token or an invite "
                      "(--registration-token).",
                      Exit::NotFound);
  }
  if (!info) {
    return report.bad("asking for your node: " + info.error().detail, "", exit_of(info.error()));
  }
  if (info->listed) {
    return report.good(
        "your node is listed: the service reached it and found its key; it was seen "
        "at " +
        info->observed_address + ", its lease has " + std::to_string(info->expires_in_s) +
        " s left, and it lists " + std::to_string(info->projects) + " key(s)");
  }
  std::string advice = "It is tested again by itself; the service's answer names address and step.";
  if (info->reason.find("connect failed") != std::string::npos) {
    advice =
        "Nothing answered from outside. Forward the port in your router, open it in the "
        "firewall, and see that --advertise names the public address.";
  } else if (info->reason.find("handshake failed") != std::string::npos) {
    advice =
        "Something answers there that is no Holdfast node: is the port forwarded to the right "
        "computer, and no proxy in between?";
  } else if (info->reason.find("key failed") != std::string::npos) {
    advice = "Another node answers there: is the port forwarded to the right computer?";
  } else if (info->reason.find("resolve failed") != std::string::npos) {
    advice = "The name in --advertise has no address in public DNS.";
  } else if (info->reason.find("leads to") != std::string::npos) {
    advice =
        "Only the address that your registration comes from may be named; leave --advertise "
        "out, or let its name lead there.";
  } else if (info->reason == "draining" || info->reason == "lease ran out") {
    advice = "It is stopping, or does not run any more.";
  }
  report.bad("your node is not listed: " + info->reason, advice, Exit::NotListed);
}

/// Whether the service answers, with which certificate, who it sees, and what time it has.
bool check_service(net::ServiceUrl const& url, net::HttpsOptions const& https,
                   std::optional<PublicKey> const& node, Settings const& settings, Report& report) {
  Result<std::unique_ptr<net::RegistrationClient>> const client =
      net::RegistrationClient::open(url, https, KeyPair::random());
  if (!client) {
    report.bad(client.error().detail, "");
    return false;
  }
  Result<registration::WhoamiAnswer> const who = (*client)->whoami();
  if (!who) {
    report.bad(who.error().detail, advice_for(who.error(), (*client)->failure(), settings),
               exit_of(who.error()));
    return false;
  }
  report.good(url.text + " answers, its certificate is trusted, and it sees you as " +
              who->observed_address);
  if (!who->may_register) {
    report.bad("a node could not register from here: " + who->reason,
               "Run it where the service sees a public address, or ask the service's operator.");
  }
  if (node) check_node(**client, *node, report);
  auto const now = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  std::int64_t const skew = now.count() - static_cast<std::int64_t>(who->now_unix_ms);
  if (std::abs(skew) > kClockSkewMaxMs) {
    report.bad("your clock and the service's differ by " + std::to_string(skew / 1000) + " s",
               "Set the clock: proofs and certificates are judged by time.");
  } else {
    report.good("clocks agree within " + std::to_string(std::abs(skew)) + " ms");
  }
  return true;
}

/// Dials an endpoint and waits for its handshake. Returns: nothing if all is well.
std::optional<Error> probe(net::EngineHost& host, net::Address const& address,
                           std::optional<PublicKey> const& key, Duration at_most) {
  // Shared with the callbacks, which may come after this function gave up.
  auto const outcome = std::make_shared<std::promise<std::optional<Error>>>();
  std::future<std::optional<Error>> answer = outcome->get_future();
  auto const told = std::make_shared<std::atomic<bool>>(false);
  net::DialId const id = host.new_dial_id();
  host.subscribe([=](sync::Event const& event, net::ConnectionInfo const* info) {
    bool const ours = info != nullptr && info->dial == id;
    auto const* const done = std::get_if<sync::HandshakeDone>(&event);
    if (!ours || done == nullptr || (key && done->remote_key != *key)) return;
    if (!told->exchange(true)) outcome->set_value(std::nullopt);
  });
  host.dial(id, address, {key, {}}, [=](net::DialEnd const& end) {
    if (!told->exchange(true)) outcome->set_value(end.reason);
  });
  bool const in_time = answer.wait_for(at_most) == std::future_status::ready;
  host.hang_up(id);
  if (in_time) return answer.get();
  return Error{ErrorCode::Unavailable, "no handshake within the time-out"};
}

void check_endpoint(net::EngineHost& host, net::Address const& address,
                    std::optional<PublicKey> const& key, Settings const& settings, Report& report) {
  std::string const name = to_text(address);
  std::optional<Error> const failed = probe(host, address, key, settings.timeout);
  if (!failed) {
    return report.good(
        "node " + name +
        (key ? " answers with its registered key" : " answers; its key was not checked"));
  }
  bool const wrong_key = failed->code == ErrorCode::BadHandshake;
  report.bad("node " + name + ": " + failed->detail,
             wrong_key ? "Something else listens there, or the node lost its identity file."
                       : "Is the node running, and is its port open from here?",
             exit_of(*failed));
}

void check_key(net::DiscoveryClientOptions const& options, Settings const& settings,
               Arguments const& arguments, net::EngineHost& host, Report& report) {
  Result<net::LookupQuery> const query = lookup_query(settings, arguments);
  if (!query) return report.bad(query.error().detail, "");
  Result<std::unique_ptr<net::DiscoveryClient>> const client = net::DiscoveryClient::open(options);
  if (!client) return report.bad(client.error().detail, "");
  Result<net::Lookup> const found = (*client)->lookup(*query);
  if (!found) {
    bool const unknown = found.error().code == ErrorCode::NotFound;
    return report.bad("look-up: " + found.error().detail,
                      unknown ? "No node registered this key. Is it a discovery key? (For a "
                                "project key, add --project.)"
                              : "",
                      exit_of(found.error()));
  }
  report.good(std::to_string(found->endpoints.size()) + " endpoint(s), named by " + found->service);
  for (net::FoundEndpoint const& one : found->endpoints) {
    check_endpoint(host, {one.endpoint.host, one.endpoint.port}, one.endpoint.replicator, settings,
                   report);
    if (arguments.project && !one.proven) {
      report.bad("this node has not proven that it knows the project key",
                 "It may be a stranger; --proven-only leaves such nodes out.");
    }
  }
}

}  // namespace

Exit doctor(Settings const& settings, Arguments const& arguments) {
  Result<std::vector<net::NamedPeer>> const peers = named_peers(settings);
  if (!peers) return complain(peers.error()), Exit::Usage;
  std::optional<PublicKey> node;
  if (!arguments.node.empty()) {
    Result<PublicKey> const id = parse_key_as<PublicKey>(arguments.node);
    if (!id) return complain({ErrorCode::Malformed, "--node is an id"}), Exit::Usage;
    node = *id;
  }
  Report report(settings.json);
  store::MemoryStore store;
  net::EngineHost host({}, store, KeyPair::random());
  if (!settings.discovery.empty() || peers->empty()) {
    Result<net::DiscoveryClientOptions> const options = discovery_options(settings);
    if (!options) return complain(options.error()), Exit::Usage;
    bool any = false;
    for (net::ServiceUrl const& url : options->services) {
      any = check_service(url, options->https, node, settings, report) || any;
    }
    if (any && !arguments.key.empty()) check_key(*options, settings, arguments, host, report);
  }
  for (net::NamedPeer const& peer : *peers) {
    check_endpoint(host, peer.address, peer.key, settings, report);
  }
  return report.finish();
}

}  // namespace holdfast::cli
