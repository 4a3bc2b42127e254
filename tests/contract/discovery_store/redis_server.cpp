#include "redis_server.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "discovery/store/redis_connection.h"
#include "discovery/store/redis_keys.h"

namespace holdfast::discovery {

namespace {

bool is_free(std::uint16_t port) {
  int const socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bool const bound = ::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return bound;
}

std::uint16_t free_port() {
  while (true) {
    int const socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    HOLDFAST_CHECK(::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0);
    HOLDFAST_CHECK(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    ::close(socket);
    std::uint16_t const port = ntohs(address.sin_port);
    // A cluster node also takes the port 10,000 above.
    if (port < 55'000 && is_free(static_cast<std::uint16_t>(port + 10'000))) return port;
  }
}

Deadline in_two_seconds() { return std::chrono::steady_clock::now() + std::chrono::seconds(2); }

template <typename Condition>
void await(Condition const& condition) {
  auto const end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    HOLDFAST_CHECK(std::chrono::steady_clock::now() < end);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace

RedisServer::RedisServer(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {
  std::string pattern = std::filesystem::temp_directory_path() / "holdfast-redis-XXXXXX";
  HOLDFAST_CHECK(::mkdtemp(pattern.data()) != nullptr);
  folder_ = pattern;
  port_ = free_port();
  if (!arguments_.empty() && arguments_.back() == "--sentinel") {
    std::string const file = folder_ + "/sentinel.conf";
    std::ofstream(file) << "bind 127.0.0.1\nport " << port_ << "\ndir " << folder_ << "\n"
                        << arguments_.front();
    arguments_ = {file, "--sentinel"};
  }
  start();
}

RedisServer::~RedisServer() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

RedisOptions RedisServer::options() const {
  RedisOptions out;
  out.servers = {address()};
  return out;
}

void RedisServer::start() {
  std::vector<std::string> words = {"redis-server"};
  if (arguments_.size() == 2 && arguments_.back() == "--sentinel") {
    words.insert(words.end(), arguments_.begin(), arguments_.end());
  } else {
    words.insert(words.end(), {"--bind", "127.0.0.1", "--port", std::to_string(port_), "--save", "",
                               "--appendonly", "no", "--dir", folder_, "--logfile", "redis.log",
                               "--repl-diskless-sync-delay", "0"});
    words.insert(words.end(), arguments_.begin(), arguments_.end());
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string const log = folder_ + "/out.log";
  pid_ = ::fork();
  HOLDFAST_CHECK(pid_ >= 0);
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // A crashed test leaves no server behind.
    if (std::freopen(log.c_str(), "w", stdout) == nullptr) ::_exit(126);
    ::execvp("redis-server", argv.data());
    ::_exit(127);
  }
  await([this] { return answers(); });
}

void RedisServer::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void RedisServer::send_signal(int signal) const { ::kill(pid_, signal); }

bool RedisServer::answers() const { return ask({"PING"}).text == "PONG"; }

RedisReply RedisServer::ask(std::vector<std::string> words) const {
  RedisReply failed;
  failed.kind = RedisReply::Kind::Error;
  RedisResolver resolver;
  auto connection = RedisConnection::open(address(), resolver, 1 << 24, in_two_seconds());
  if (!connection) return failed;
  auto reply = (*connection)->call_one(std::move(words), in_two_seconds());
  if (!reply) return failed;
  return *std::move(reply);
}

void RedisServer::command(std::vector<std::string> words) const {
  RedisReply const reply = ask(std::move(words));
  ASSERT_NE(reply.kind, RedisReply::Kind::Error) << reply.text;
}

SentinelFleet::SentinelFleet() {
  servers_.push_back(std::make_unique<RedisServer>());
  std::string const port = std::to_string(servers_[0]->port());
  servers_.push_back(
      std::make_unique<RedisServer>(std::vector<std::string>{"--replicaof", "127.0.0.1", port}));
  for (int i = 0; i < 3; ++i) {
    std::string const text = "sentinel monitor main 127.0.0.1 " + port +
                             " 2\nsentinel down-after-milliseconds main 500\n"
                             "sentinel failover-timeout main 3000\n";
    sentinels_.push_back(
        std::make_unique<RedisServer>(std::vector<std::string>{text, "--sentinel"}));
  }
  await([this] {
    return servers_[0]->ask({"INFO", "replication"}).text.find("state=online") != std::string::npos;
  });
  // A failover needs sentinels that know each other and the replica.
  await([this] {
    for (auto const& sentinel : sentinels_) {
      RedisReply const others = sentinel->ask({"SENTINEL", "sentinels", "main"});
      RedisReply const replicas = sentinel->ask({"SENTINEL", "replicas", "main"});
      if (others.items.size() != 2 || replicas.items.size() != 1) return false;
    }
    return true;
  });
}

RedisOptions SentinelFleet::options() const {
  RedisOptions out;
  out.kind = RedisOptions::Kind::Sentinel;
  out.servers.clear();
  for (auto const& sentinel : sentinels_) out.servers.push_back(sentinel->address());
  out.master = "main";
  return out;
}

std::uint16_t SentinelFleet::master_port() const {
  RedisReply const reply = sentinels_[0]->ask({"SENTINEL", "get-master-addr-by-name", "main"});
  return static_cast<std::uint16_t>(reply.at(1).number());
}

void SentinelFleet::await_other_master(std::uint16_t port) const {
  await([this, port] { return master_port() != port; });
}

ClusterFleet::ClusterFleet() {
  constexpr std::size_t kNodes = 3;
  for (std::size_t i = 0; i < kNodes; ++i) {
    nodes_.push_back(std::make_unique<RedisServer>(
        std::vector<std::string>{"--cluster-enabled", "yes", "--cluster-node-timeout", "2000",
                                 "--cluster-require-full-coverage", "no"}));
  }
  for (std::size_t i = 0; i < kNodes; ++i) {
    std::size_t const first = i * kSlotCount / kNodes;
    std::size_t const last = (i + 1) * kSlotCount / kNodes - 1;
    nodes_[i]->command({"CLUSTER", "ADDSLOTSRANGE", std::to_string(first), std::to_string(last)});
    nodes_[i]->command({"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)});
    if (i > 0) {
      nodes_[i]->command({"CLUSTER", "MEET", "127.0.0.1", std::to_string(nodes_[0]->port())});
    }
  }
  await([this] {
    for (auto const& node : nodes_) {
      if (node->ask({"CLUSTER", "SLOTS"}).items.size() != kNodes) return false;
      if (node->ask({"CLUSTER", "INFO"}).text.find("cluster_state:ok") == std::string::npos) {
        return false;
      }
    }
    return true;
  });
}

RedisOptions ClusterFleet::options() const {
  RedisOptions out;
  out.kind = RedisOptions::Kind::Cluster;
  out.servers = {nodes_[0]->address(), nodes_[1]->address()};
  return out;
}

std::size_t ClusterFleet::holder_of(std::uint16_t slot) const {
  for (RedisReply const& range : nodes_[0]->ask({"CLUSTER", "SLOTS"}).items) {
    if (slot < range.at(0).number() || slot > range.at(1).number()) continue;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i]->port() == range.at(2).at(1).number()) return i;
    }
  }
  HOLDFAST_CHECK(false);
  return 0;
}

void ClusterFleet::move_slot(std::uint16_t slot, std::size_t to) {
  std::size_t const from = holder_of(slot);
  if (from == to) return;
  std::string const number = std::to_string(slot);
  std::string const source = nodes_[from]->ask({"CLUSTER", "MYID"}).text;
  std::string const target = nodes_[to]->ask({"CLUSTER", "MYID"}).text;
  nodes_[to]->command({"CLUSTER", "SETSLOT", number, "IMPORTING", source});
  nodes_[from]->command({"CLUSTER", "SETSLOT", number, "MIGRATING", target});
  std::string const port = std::to_string(nodes_[to]->port());
  while (true) {
    RedisReply const keys = nodes_[from]->ask({"CLUSTER", "GETKEYSINSLOT", number, "10"});
    if (keys.items.empty()) break;
    for (RedisReply const& key : keys.items) {
      nodes_[from]->command({"MIGRATE", "127.0.0.1", port, key.text, "0", "1000"});
    }
  }
  for (std::size_t i : {to, from, std::size_t{3} - to - from}) {
    nodes_[i]->command({"CLUSTER", "SETSLOT", number, "NODE", target});
  }
}

void ClusterFleet::flush() {
  for (auto const& node : nodes_) node->command("FLUSHALL");
}

}  // namespace holdfast::discovery
