/// A load generator for HTTPS look-ups, one thread. `https_load MODE PORT SECONDS CONNECTIONS [OPTION...]`
///
///   keep-alive   each connection sends its next request when the last one is answered
///   handshake    each request on a new connection, with a full handshake
///   resume       each request on a new connection that resumes a session
///   idle         one request on each connection, then holds them; prints "holding" and ends when stdin does
///   slow         half of the connections send a byte per second, half ask again and again and never read; prints
///                "holding" when the first have stalled, ends with stdin
///
///   path=/x            what is asked for; a line each of path=@FILE, in random order
///   tls=1.2            instead of 1.3
///   ticket-port=P      resume: where the session to resume comes from
///   fetch              with the header fields of Node's fetch
///
/// Prints one line of JSON: requests, failed, resumed, seconds, p50_us, p99_us.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "load_client.h"

namespace load {
namespace {

constexpr int kSlowTick = 1;  // ms
constexpr std::size_t kSlowParts = 1'000;
constexpr std::size_t kNeverReadActs =
    4;  // Then it has asked for more than it can take, and is silent.
constexpr int kAsksPerAct = 100;
constexpr std::size_t kSlowTicksBefore = 6'000;  // Until the first of them have stalled.

struct Options {
  std::string mode;
  std::uint16_t port = 0;
  double seconds = 1;
  std::size_t connections = 1;
  std::vector<std::string> paths{"/"};
  bool tls12 = false;
  bool fetch = false;
  std::uint16_t ticket_port = 0;
};

struct Result {
  std::uint64_t requests = 0;
  std::uint64_t failed = 0;
  std::uint64_t resumed = 0;
  double seconds = 0;
  std::vector<std::uint32_t> latencies_us;
};

std::string request_for(std::string const& path, Options const& options) {
  std::string text = "GET " + path + " HTTP/1.1\r\nHost: localhost:8443\r\n";
  if (options.fetch) {
    text +=
        "connection: keep-alive\r\naccept: */*\r\naccept-language: *\r\nsec-fetch-mode: cors\r\n"
        "user-agent: node\r\naccept-encoding: gzip, deflate\r\n";
  }
  bool const once = options.mode == "handshake" || options.mode == "resume";
  if (once) text += "Connection: close\r\n";
  return text + "\r\n";
}

sockaddr_in address_of(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/// The requests to send; chosen by a cheap generator, because the choice must cost nothing.
class Requests {
 public:
  explicit Requests(Options const& options) {
    for (std::string const& path : options.paths) texts_.push_back(request_for(path, options));
  }
  std::string const& next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return texts_[(state_ >> 33) % texts_.size()];
  }

 private:
  std::vector<std::string> texts_;
  std::uint64_t state_ = static_cast<std::uint64_t>(::getpid());
};

/// Takes the session that the server's ticket stands for.
SSL_SESSION* taken_session = nullptr;
int keep_session(SSL* /*ssl*/, SSL_SESSION* session) {
  if (taken_session != nullptr) SSL_SESSION_free(taken_session);
  taken_session = session;
  return 1;
}

class Load {
 public:
  explicit Load(Options const& options)
      : options_(options), requests_(options), context_(SSL_CTX_new(TLS_client_method())) {
    int const version = options.tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
    SSL_CTX_set_min_proto_version(context_.get(), version);
    SSL_CTX_set_max_proto_version(context_.get(), version);
    SSL_CTX_set_mode(context_.get(), SSL_MODE_RELEASE_BUFFERS);
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  }
  ~Load() { ::close(epoll_); }
  Load(Load const&) = delete;
  Load& operator=(Load const&) = delete;

  Result run() {
    if (options_.mode == "resume") take_session();
    auto const started = Clock::now();
    auto const end = started + std::chrono::duration_cast<Clock::duration>(
                                   std::chrono::duration<double>(options_.seconds));
    for (std::size_t i = 0; i < options_.connections; ++i) open(requests_.next());
    while (Clock::now() < end) turn(100);
    result_.seconds = std::chrono::duration<double>(Clock::now() - started).count();
    return std::move(result_);
  }

  /// Opens everything, one request each, and holds it until stdin ends.
  Result hold() {
    for (std::size_t i = 0; i < options_.connections; ++i) {
      open(requests_.next());
      while (result_.requests + result_.failed + 64 < i) turn(10);
    }
    while (result_.requests + result_.failed < options_.connections) turn(100);
    std::puts("holding");
    std::fflush(stdout);
    wait_for_end_of_stdin(1000, [] {});
    return std::move(result_);
  }

  /// Every client acts once a second, evenly spread: what comes in bursts would take the core from the generator beside it.
  /// Whoever the server has closed comes again.
  Result crawl() {
    std::string const request = requests_.next();
    std::vector<std::size_t> at(options_.connections, 0);
    slow_.resize(options_.connections);
    std::size_t ticks = 0;
    wait_for_end_of_stdin(kSlowTick, [&] {
      for (std::size_t i = ticks % kSlowParts; i < slow_.size(); i += kSlowParts) {
        bool const reads_never = i % 2 == 0;
        if (reads_never && slow_[i] && at[i] >= kNeverReadActs) continue;
        if (!slow_[i]) {
          slow_[i] = connect(/*small_window=*/true);
          at[i] = 0;
        }
        std::string_view const bytes =
            reads_never ? std::string_view(request)
                        : std::string_view(request).substr(at[i]++ % request.size(), 1);
        if (reads_never) ++at[i];
        bool stands = true;
        for (int n = 0; stands && n < (reads_never ? kAsksPerAct : 1); ++n)
          stands = slow_[i]->dribble(bytes);
        if (stands) continue;
        ++result_.failed;
        slow_[i].reset();
      }
      if (++ticks == kSlowTicksBefore) {
        std::puts("holding");
        std::fflush(stdout);
      }
    });
    return std::move(result_);
  }

 private:
  using ClientPtr = std::unique_ptr<Client>;

  template <typename EachTick>
  void wait_for_end_of_stdin(int tick_ms, EachTick each_tick) {
    pollfd input{0, POLLIN, 0};
    std::array<char, 64> ignored{};
    while (true) {
      each_tick();
      int const ready = ::poll(&input, 1, tick_ms);
      if (ready > 0 && ::read(0, ignored.data(), ignored.size()) <= 0) return;
    }
  }

  ClientPtr connect(bool small_window = false) {
    return std::make_unique<Client>(address_of(options_.port), context_.get(), taken_session,
                                    small_window);
  }

  void open(std::string_view request) {
    ClientPtr client = connect();
    client->send(request);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.fd = client->socket();
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, client->socket(), &event);
    int const fd = client->socket();
    clients_[fd] = std::move(client);
  }

  void turn(int wait_ms) {
    std::array<epoll_event, 128> events;
    int const count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms);
    for (int i = 0; i < count; ++i) on_event(events[static_cast<std::size_t>(i)].data.fd);
  }

  void on_event(int fd) {
    auto const found = clients_.find(fd);
    if (found == clients_.end()) return;
    Client& client = *found->second;
    bool const again = options_.mode == "keep-alive";
    Client::State state = client.go_on();
    while (state == Client::State::Answered) {
      count(client);
      if (!again) break;
      client.send(requests_.next());
      state = client.go_on();
    }
    if (state == Client::State::Busy || again) {
      if (state != Client::State::Failed) return;
    }
    if (state == Client::State::Failed) ++result_.failed;
    if (options_.mode == "idle") return;
    if (state == Client::State::Answered) client.say_goodbye();
    clients_.erase(found);
    open(requests_.next());
  }

  void count(Client const& client) {
    auto const took =
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - client.sent_at());
    result_.latencies_us.push_back(static_cast<std::uint32_t>(took.count()));
    ++result_.requests;
    if (client.status() != 200) ++result_.failed;
    if (client.resumed()) ++result_.resumed;
  }

  /// A session of the server at ticket_port.
  void take_session() {
    SSL_CTX_set_session_cache_mode(context_.get(),
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context_.get(), &keep_session);
    std::string const request = requests_.next();
    std::uint16_t const port = options_.ticket_port != 0 ? options_.ticket_port : options_.port;
    Client client(address_of(port), context_.get(), nullptr, /*small_window=*/false);
    client.send(request);
    while (client.go_on() == Client::State::Busy) {
      pollfd entry{client.socket(), POLLIN, 0};
      ::poll(&entry, 1, 1000);
    }
    client.say_goodbye();  // OpenSSL does not resume a session that ended without it.
    // With a cache, OpenSSL uses a TLS 1.3 ticket once; here all connections share this one.
    SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);
    if (taken_session == nullptr) {
      std::fprintf(stderr, "no session ticket came\n");
      std::exit(1);
    }
  }

  Options const& options_;
  Requests requests_;
  std::unique_ptr<SSL_CTX, SslFree> context_;
  int epoll_ = -1;
  std::map<int, ClientPtr> clients_;
  std::vector<ClientPtr> slow_;
  Result result_;
};

bool read_option(std::string const& text, Options& options) {
  if (text.starts_with("path=@")) {
    std::ifstream file(text.substr(6));
    options.paths.clear();
    for (std::string line; std::getline(file, line);) options.paths.push_back(line);
    return !options.paths.empty();
  }
  if (text.starts_with("path=")) {
    options.paths = {text.substr(5)};
  } else if (text == "tls=1.2") {
    options.tls12 = true;
  } else if (text == "fetch") {
    options.fetch = true;
  } else if (text.starts_with("ticket-port=")) {
    options.ticket_port = static_cast<std::uint16_t>(std::atoi(text.c_str() + 12));
  } else {
    return text == "tls=1.3";
  }
  return true;
}

void print(Result& result) {
  std::sort(result.latencies_us.begin(), result.latencies_us.end());
  auto const percentile = [&result](std::size_t hundredth) {
    std::size_t const count = result.latencies_us.size();
    return count == 0 ? 0u : result.latencies_us[std::min(count - 1, count * hundredth / 100)];
  };
  std::printf(
      "{\"requests\": %llu, \"failed\": %llu, \"resumed\": %llu, \"seconds\": %.3f, \"p50_us\": "
      "%u, "
      "\"p99_us\": %u}\n",
      static_cast<unsigned long long>(result.requests),
      static_cast<unsigned long long>(result.failed),
      static_cast<unsigned long long>(result.resumed), result.seconds, percentile(50),
      percentile(99));
}

int run(std::vector<std::string> const& arguments) {
  if (arguments.size() < 4) {
    std::fprintf(stderr, "usage: https_load MODE PORT SECONDS CONNECTIONS [OPTION...]\n");
    return 2;
  }
  Options options;
  options.mode = arguments[0];
  options.port = static_cast<std::uint16_t>(std::atoi(arguments[1].c_str()));
  options.seconds = std::atof(arguments[2].c_str());
  options.connections = static_cast<std::size_t>(std::atoi(arguments[3].c_str()));
  for (std::size_t i = 4; i < arguments.size(); ++i) {
    if (!read_option(arguments[i], options)) {
      std::fprintf(stderr, "unknown option %s\n", arguments[i].c_str());
      return 2;
    }
  }
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  Load load(options);
  Result result =
      options.mode == "idle" ? load.hold() : (options.mode == "slow" ? load.crawl() : load.run());
  print(result);
  return 0;
}

}  // namespace
}  // namespace load

int main(int argc, char** argv) {
  return load::run(std::vector<std::string>(argv + 1, argv + argc));
}
