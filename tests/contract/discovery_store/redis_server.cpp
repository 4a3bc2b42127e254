#include "redis_server.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
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

namespace holdfast::discovery {

namespace {

std::uint16_t free_port() {
  int const socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  HOLDFAST_CHECK(::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0);
  HOLDFAST_CHECK(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(socket);
  return ntohs(address.sin_port);
}

Deadline in_two_seconds() { return std::chrono::steady_clock::now() + std::chrono::seconds(2); }

}  // namespace

RedisServer::RedisServer() {
  std::string pattern = std::filesystem::temp_directory_path() / "holdfast-redis-XXXXXX";
  HOLDFAST_CHECK(::mkdtemp(pattern.data()) != nullptr);
  folder_ = pattern;
  port_ = free_port();
  start();
}

RedisServer::~RedisServer() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

RedisOptions RedisServer::options() const {
  RedisOptions out;
  out.port = port_;
  return out;
}

void RedisServer::start() {
  std::string const port = std::to_string(port_);
  pid_ = ::fork();
  HOLDFAST_CHECK(pid_ >= 0);
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // A crashed test leaves no server behind.
    ::execlp("redis-server", "redis-server", "--bind", "127.0.0.1", "--port", port.c_str(),
             "--save", "", "--appendonly", "no", "--dir", folder_.c_str(), "--logfile", "redis.log",
             nullptr);
    ::_exit(127);
  }
  auto const end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!answers()) {
    HOLDFAST_CHECK(std::chrono::steady_clock::now() < end);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void RedisServer::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void RedisServer::send_signal(int signal) const { ::kill(pid_, signal); }

bool RedisServer::answers() const {
  auto connection = RedisConnection::open(options(), in_two_seconds());
  if (!connection) return false;
  auto const reply = (*connection)->call({"PING"}, in_two_seconds());
  return reply && reply->text == "PONG";
}

void RedisServer::command(std::string const& verb) const {
  auto connection = RedisConnection::open(options(), in_two_seconds());
  ASSERT_TRUE(connection.ok());
  auto const reply = (*connection)->call({verb}, in_two_seconds());
  ASSERT_TRUE(reply.ok());
  ASSERT_NE(reply->kind, RedisReply::Kind::Error) << reply->text;
}

}  // namespace holdfast::discovery
