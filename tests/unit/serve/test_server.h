#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "serve/certificate.h"
#include "serve/router.h"
#include "serve/server.h"

namespace holdfast {

/// A server on a free port with a few routes, and a folder of its own.
class TestServer : public testing::Test {
 protected:
  TestServer()
      : dir_(testing::TempDir() + "serve." + std::to_string(::getpid()) + "." +
             testing::UnitTest::GetInstance()->current_test_info()->test_suite_name() + "." +
             testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::create_directories(dir_);
    router_.add("GET", "/project/{key}/sync",
                [](HttpRequest const& request) {
                  HttpResponse response;
                  response.body = text_for(request.params.at("key"), request.peer);
                  return response;
                },
                {.cors = true, .on_loop = true});
    router_.add("GET", "/blocking", [](HttpRequest const& request) {
      HttpResponse response;
      response.body = request.query_value("q").value_or("-");
      return response;
    });
    router_.add("GET", "/big", [](HttpRequest const&) {
      HttpResponse response;
      response.body.assign(8u << 20, 'x');
      return response;
    });
    router_.add("GET", "/waits", [this](HttpRequest const& request) -> HttpOutcome {
      ++looks_;
      if (request.call == Call::First) return WaitFor{"door", Duration(20'000)};
      HttpResponse response;
      response.body = request.call == Call::Event ? "event" : "deadline";
      return response;
    });
  }
  ~TestServer() override {
    server_.reset();
    std::filesystem::remove_all(dir_);
  }

  static std::string text_for(std::string_view key, PeerAddress const& peer) {
    return std::string(key) + " " + peer.ip;
  }
  /// Before start().
  void add_fast() {
    router_.add_fast("GET", "/project/{key}/sync",
                     [](FastRequest const& request, FastResponse& response) {
                       response.body.append(text_for(request.param, request.peer));
                       return FastOutcome::Answered;
                     });
  }
  void start(ServerOptions options = {}) {
    server_ = std::make_unique<HttpServer>(router_, std::move(options));
    Result<void> const started = server_->start();
    ASSERT_TRUE(started.ok()) << started.error().detail;
  }
  CertificateFiles certificate(std::string const& name = "") {
    std::filesystem::create_directories(dir_ + "/" + name);
    Result<CertificateFiles> const made = make_or_load_certificate(dir_ + "/" + name, {});
    EXPECT_TRUE(made.ok());
    return *made;
  }
  /// Lets other threads go on until `condition` holds. Returns: false after ten seconds.
  template <typename Condition>
  static bool eventually(Condition condition) {
    auto const end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }

  std::string const dir_;
  Router router_;
  std::atomic<int> looks_{0};
  std::unique_ptr<HttpServer> server_;
};

}  // namespace holdfast
