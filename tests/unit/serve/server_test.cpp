#include "serve/server.h"

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve/admin.h"
#include "serve/certificate.h"
#include "serve/problem.h"
#include "serve/state_files.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

class ServerTest : public testing::Test {
 protected:
  ServerTest()
      : dir_(testing::TempDir() + "serve_test." + std::to_string(::getpid()) + "." +
             testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::create_directories(dir_);
    router_.add("GET", "/echo",
                [](HttpRequest const& request) {
                  HttpResponse response;
                  response.body = request.peer.ip + " " + request.query_value("q").value_or("-");
                  return response;
                },
                {.cors = true});
    router_.add("PUT", "/items/{id}",
                [](HttpRequest const& request) {
                  HttpResponse response;
                  response.body = request.body;
                  return response;
                },
                {.body_bytes_max = 100'000});
    router_.add("GET", "/throws",
                [](HttpRequest const&) -> HttpOutcome { throw std::runtime_error("no"); });
    router_.add("GET", "/waits", [](HttpRequest const& request) -> HttpOutcome {
      if (request.call == Call::First) return WaitFor{"door", Duration(300)};
      HttpResponse response;
      response.body = request.call == Call::Event ? "event" : "deadline";
      return response;
    });
  }
  ~ServerTest() override {
    server_.reset();
    std::filesystem::remove_all(dir_);
  }

  void start(ServerOptions options = {}) {
    server_ = std::make_unique<HttpServer>(router_, options);
    ASSERT_TRUE(server_->start().ok());
    ASSERT_NE(server_->port(), 0);
  }
  httplib::Client client() {
    httplib::Client made("127.0.0.1", server_->port());
    made.set_keep_alive(true);
    return made;
  }
  /// A socket with `bytes` sent; the caller closes it.
  int connect_and_send(std::string const& bytes) {
    int const fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server_->port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    EXPECT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    return fd;
  }
  /// Until the first request waits. Ends, too, when it was answered meanwhile.
  void await_parked() {
    while (server_->counters().waiting + server_->counters().requests == 0) {
      std::this_thread::yield();
    }
  }
  /// What comes until the server closes.
  std::string raw(std::string const& bytes) {
    int const fd = connect_and_send(bytes);
    ::shutdown(fd, SHUT_WR);
    std::string got(65'536, '\0');
    std::size_t filled = 0;
    while (filled < got.size()) {
      ssize_t const count = ::recv(fd, got.data() + filled, got.size() - filled, 0);
      if (count <= 0) break;
      filled += static_cast<std::size_t>(count);
    }
    ::close(fd);
    got.resize(filled);
    return got;
  }

  std::string const dir_;
  Router router_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(ServerTest, OneConnectionServesManyRequests) {
  start();
  httplib::Client http = client();
  for (int i = 0; i < 20; ++i) {
    auto const answer = http.Get("/echo?q=a%20b");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, "127.0.0.1 a b");
  }
  EXPECT_EQ(server_->counters().connections_accepted, 1u);
}

TEST_F(ServerTest, BodiesArriveWhole) {
  start();
  std::string const body(90'000, 'x');
  auto const answer = client().Put("/items/7", body, "text/plain");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, body);
}

TEST_F(ServerTest, NothingIsCompressed) {
  start();
  auto const answer = client().Get("/echo", {{"Accept-Encoding", "br, gzip"}});
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->has_header("Content-Encoding"));
}

TEST_F(ServerTest, AClientCannotSayWhereItComesFrom) {
  start();
  std::string const answer =
      raw("GET /echo HTTP/1.1\r\nHost: a\r\nREMOTE_ADDR: 6.6.6.6\r\nX-Forwarded-For: "
          "6.6.6.6\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("127.0.0.1 -"), std::string::npos) << answer;
}

TEST_F(ServerTest, HeadHasTheLengthAndNoBody) {
  start();
  auto const answer = client().Head("/echo");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->get_header_value("Content-Length"), "11");
  EXPECT_TRUE(answer->body.empty());
}

TEST_F(ServerTest, WhatAHandlerThrowsBecomesOneCounted500) {
  start();
  auto const answer = client().Get("/throws");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 500);
  EXPECT_EQ(answer->get_header_value("Content-Type"), "application/problem+json");
  EXPECT_EQ(server_->counters().handler_failures, 1u);
}

TEST_F(ServerTest, RefusalsReachTheClientAlthoughItStillSends) {
  start();
  std::string const big = "PUT /items/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" +
                          std::string(400'000, 'x');
  EXPECT_NE(raw(big).find("HTTP/1.1 413 "), std::string::npos);
  EXPECT_NE(
      raw("GET /" + std::string(5'000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n").find("HTTP/1.1 414 "),
      std::string::npos);
  EXPECT_NE(raw("GET / HTTP/1.1\r\nHost: a\r\nA: " + std::string(9'000, 'a') + "\r\n\r\n")
                .find("HTTP/1.1 431 "),
            std::string::npos);
  EXPECT_NE(raw("garbage\r\n\r\n").find("HTTP/1.1 400 "), std::string::npos);
  EXPECT_EQ(server_->counters().requests_refused(), 4u);
}

TEST_F(ServerTest, UnknownMethodsAreAnsweredAsProblems) {
  start();
  EXPECT_NE(
      raw("BREW /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").find("HTTP/1.1 501 "),
      std::string::npos);
  EXPECT_NE(
      raw("DELETE /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").find("HTTP/1.1 405 "),
      std::string::npos);
}

TEST_F(ServerTest, SilentClientsHoldNoWorker) {
  start({.worker_count = 1});
  std::vector<int> silent;
  for (int i = 0; i < 50; ++i) silent.push_back(connect_and_send(""));
  auto const answer = client().Get("/echo");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  for (int const fd : silent) ::close(fd);
}

TEST_F(ServerTest, ASlowRequestIsTimedOutWithAnAnswer) {
  start({.head_timeout = 200ms});
  int const fd = connect_and_send("GET /echo HT");
  std::string got(1000, '\0');
  ssize_t const count = ::recv(fd, got.data(), got.size(), 0);
  ::close(fd);
  ASSERT_GT(count, 0);
  EXPECT_NE(got.find("HTTP/1.1 408 "), std::string::npos);
}

TEST_F(ServerTest, TheNewestConnectionMakesTheOldestIdleOneGo) {
  start({.loop_count = 1, .connections_max = 2});
  int const first = connect_and_send("");
  int const second = connect_and_send("");
  auto const answer = client().Get("/echo");
  ASSERT_TRUE(answer);
  char byte = 0;
  EXPECT_EQ(::recv(first, &byte, 1, 0), 0) << "closed by the server";
  ::close(first);
  ::close(second);
}

TEST_F(ServerTest, AHandlerThatWaitsIsCalledAgainOnItsEvent) {
  start({.worker_count = 1});
  int const waiting =
      connect_and_send("GET /waits HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  await_parked();
  ASSERT_TRUE(client().Get("/echo")) << "the only worker is free while a request waits";
  server_->notify("door");
  std::string got(1000, '\0');
  ASSERT_GT(::recv(waiting, got.data(), got.size(), 0), 0);
  EXPECT_NE(got.find("event"), std::string::npos);
  ::close(waiting);
}

TEST_F(ServerTest, AHandlerThatWaitsIsCalledAgainAtItsDeadline) {
  start();
  auto const answer = client().Get("/waits");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "deadline");
}

TEST_F(ServerTest, ATakenPortIsSaid) {
  start();
  HttpServer second(router_, {.port = server_->port()});
  Result<void> const started = second.start();
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().code, ErrorCode::Unavailable);
}

TEST_F(ServerTest, StoppingLetsTheRequestInHandFinish) {
  start();
  int const waiting = connect_and_send("GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
  await_parked();
  server_->stop(2s);
  std::string got(1000, '\0');
  ASSERT_GT(::recv(waiting, got.data(), got.size(), 0), 0);
  EXPECT_NE(got.find("deadline"), std::string::npos);
  EXPECT_NE(got.find("Connection: close"), std::string::npos);
  ::close(waiting);
}

TEST_F(ServerTest, SelfSignedCertificateIsMadeOnceAndServes) {
  Result<CertificateFiles> const made =
      make_or_load_certificate(dir_, {"discovery.example.org", "192.0.2.1"});
  ASSERT_TRUE(made.ok()) << made.error().detail;
  Result<CertificateFiles> const again = make_or_load_certificate(dir_, {"other.example.org"});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(made->pin, again->pin);
  EXPECT_EQ(made->pin.size(), 64u);
  struct stat info {};
  ASSERT_EQ(::stat(made->key_path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);

  start({.certificate = *made});
  httplib::SSLClient https("127.0.0.1", server_->port());
  https.set_ca_cert_path(made->certificate_path.c_str());
  https.enable_server_certificate_verification(true);
  https.set_keep_alive(true);
  for (int i = 0; i < 3; ++i) {
    auto const answer = https.Get("/echo?q=1");
    ASSERT_TRUE(answer) << httplib::to_string(answer.error());
    EXPECT_EQ(answer->body, "127.0.0.1 1");
  }
  EXPECT_EQ(raw("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n").find("HTTP/1.1 200"), std::string::npos)
      << "no clear text on a TLS port";
  EXPECT_GE(server_->counters().handshakes_failed, 1u);
}

TEST_F(ServerTest, AKeyOfAnotherCertificateIsRefused) {
  std::filesystem::create_directories(dir_ + "/a");
  std::filesystem::create_directories(dir_ + "/b");
  Result<CertificateFiles> const a = make_or_load_certificate(dir_ + "/a", {});
  Result<CertificateFiles> const b = make_or_load_certificate(dir_ + "/b", {});
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_FALSE(load_certificate(a->certificate_path, b->key_path).ok());
  EXPECT_FALSE(load_certificate(dir_ + "/none", a->key_path).ok());
}

TEST_F(ServerTest, ALostKeyFileDoesNotReplaceAPinnedCertificate) {
  Result<CertificateFiles> const made = make_or_load_certificate(dir_, {});
  ASSERT_TRUE(made.ok());
  std::filesystem::remove(made->key_path);
  EXPECT_FALSE(make_or_load_certificate(dir_, {}).ok());
}

class AdminTest : public ServerTest {
 protected:
  void start_admin() {
    admin_ =
        std::make_unique<AdminServer>(AdminOptions{.state_dir = dir_,
                                                   .metrics = [] { return std::string("up 1\n"); },
                                                   .not_ready = [this] { return reason; }});
    admin_->router().add("POST", "/projects", [](HttpRequest const&) { return HttpResponse{}; });
    ASSERT_TRUE(admin_->start().ok());
  }
  httplib::Client http() { return httplib::Client("127.0.0.1", admin_->port()); }

  std::optional<std::string> reason;
  std::unique_ptr<AdminServer> admin_;
};

TEST_F(AdminTest, MetricsAndHealthAreRead) {
  start_admin();
  EXPECT_EQ(http().Get("/metrics")->body, "up 1\n");
  EXPECT_EQ(http().Get("/livez")->status, 200);
  EXPECT_EQ(http().Get("/readyz")->status, 200);
  reason = "the store does not answer";
  auto const answer = http().Get("/readyz");
  EXPECT_EQ(answer->status, 503);
  EXPECT_NE(answer->body.find("the store does not answer"), std::string::npos);
  EXPECT_TRUE(answer->has_header("Retry-After"));
}

TEST_F(AdminTest, WritingNeedsTheTokenOfTheFile) {
  start_admin();
  EXPECT_EQ(http().Post("/projects", "", "text/plain")->status, 401);
  EXPECT_EQ(http().Post("/projects", {{"Authorization", "Bearer wrong"}}, "", "text/plain")->status,
            401);
  std::string token = *read_state_file(dir_ + "/admin-token");
  token.pop_back();
  EXPECT_EQ(
      http().Post("/projects", {{"Authorization", "Bearer " + token}}, "", "text/plain")->status,
      200);
  struct stat info {};
  ASSERT_EQ(::stat((dir_ + "/admin-token").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(AdminTest, OtherHostNamesAreRefused) {
  start_admin();
  EXPECT_EQ(http().Get("/metrics", {{"Host", "evil.example.org"}})->status, 403);
  EXPECT_EQ(http().Get("/metrics", {{"Host", "localhost:1"}})->status, 200);
  EXPECT_EQ(http().Get("/metrics", {{"Host", "[::1]:1"}})->status, 200);
}

}  // namespace
}  // namespace holdfast
