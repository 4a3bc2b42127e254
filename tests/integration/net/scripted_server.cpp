#include "integration/net/scripted_server.h"

#include <algorithm>
#include <chrono>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/sigpipe_guard.h"

namespace holdfast::test {
namespace {

/// Body bytes that a head announces.
std::size_t body_bytes_of(std::string const& head) {
  constexpr std::string_view kName = "Content-Length: ";
  std::size_t const at = head.find(kName);
  return at == std::string::npos ? 0 : std::stoul(head.substr(at + kName.size()));
}

}  // namespace

std::string answer_with(int status, std::string const& body, std::string const& headers) {
  return "HTTP/1.1 " + std::to_string(status) + " Said\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

ScriptedServer::ScriptedServer(std::vector<std::vector<Turn>> script)
    : script_(std::move(script)),
      certificate_(*make_or_load_certificate(directory_.path().string(), {})),
      context_(SSL_CTX_new(TLS_server_method())),
      listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
  EXPECT_EQ(SSL_CTX_use_certificate_chain_file(context_, certificate_.certificate_path.c_str()), 1);
  EXPECT_EQ(SSL_CTX_use_PrivateKey_file(context_, certificate_.key_path.c_str(), SSL_FILETYPE_PEM),
            1);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&at), size), 0);
  EXPECT_EQ(::listen(listener_, 8), 0);
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size);
  port_ = ntohs(at.sin_port);
  thread_ = std::thread([this] { run(); });
}

ScriptedServer::~ScriptedServer() {
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
  SSL_CTX_free(context_);
}

std::vector<std::string> ScriptedServer::requests() const {
  MutexLock const lock(mutex_);
  return requests_;
}

bool ScriptedServer::wait_for_closed(std::size_t count) const {
  auto const end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < end) {
    {
      MutexLock const lock(mutex_);
      if (closed_ >= count) return true;
    }
    std::this_thread::yield();
  }
  return false;
}

void ScriptedServer::run() {
  net::SigpipeGuard const guard;
  for (std::vector<Turn> const& turns : script_) {
    int const fd = ::accept(listener_, nullptr, nullptr);
    if (fd < 0) return;
    timeval const patience{10, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    serve(fd, turns);
    ::close(fd);
    MutexLock const lock(mutex_);
    ++closed_;
  }
}

void ScriptedServer::serve(int fd, std::vector<Turn> const& turns) {
  SSL* const ssl = SSL_new(context_);
  SSL_set_fd(ssl, fd);
  bool open = SSL_accept(ssl) == 1;
  for (auto turn = turns.begin(); open && turn != turns.end(); ++turn) {
    open = read_request(ssl, turn->head_is_enough);
    if (!open) break;
    if (!turn->answer.empty())
      SSL_write(ssl, turn->answer.data(), static_cast<int>(turn->answer.size()));
    if (turn->then == Then::Notify) SSL_shutdown(ssl);
    if (turn->then == Then::Wait) resets_.get_future().wait();
    if (turn->then == Then::Reset || turn->then == Then::Wait) {
      linger const at_once{1, 0};
      ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    open = turn->then == Then::Stay;
  }
  // What the client does not ask for any more it closes.
  char byte = 0;
  if (open) SSL_read(ssl, &byte, 1);
  SSL_free(ssl);
}

bool ScriptedServer::read_request(SSL* ssl, bool head_is_enough) {
  std::string text;
  std::size_t wanted = std::string::npos;
  while (text.size() < wanted) {
    char chunk[4096];
    int const bytes = SSL_read(ssl, chunk, sizeof chunk);
    if (bytes <= 0) return false;
    text.append(chunk, static_cast<std::size_t>(bytes));
    std::size_t const head_end = text.find("\r\n\r\n");
    if (head_end != std::string::npos) {
      wanted = head_end + 4;
      if (!head_is_enough) wanted += body_bytes_of(text.substr(0, head_end));
    }
  }
  MutexLock const lock(mutex_);
  requests_.push_back(std::move(text));
  return true;
}

}  // namespace holdfast::test
