#include <chrono>
#include <csignal>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "integration/discovery/process.h"
#include "integration/discovery/wire_client.h"

namespace holdfast::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kKeyNameBytes = 16;

/// How one visit went.
struct Visit {
  bool ok = false;
  bool resumed = false;
  TlsSession ticket;
};

Visit visit(Discovery const& at, int version, SSL_SESSION* session = nullptr) {
  WireClient client(at.port, {.version = version, .session = session});
  Visit visit;
  visit.ok = client.ok() && client.send(get_request("/")) && status_of(client.answer()) == 200;
  visit.resumed = visit.ok && client.resumed();
  visit.ticket = client.take_session();
  return visit;
}

/// The name of the key that a ticket was made under: what it begins with.
std::string key_name_of(SSL_SESSION* session) {
  unsigned char const* ticket = nullptr;
  std::size_t size = 0;
  SSL_SESSION_get0_ticket(session, &ticket, &size);
  return {reinterpret_cast<char const*>(ticket), size < kKeyNameBytes ? 0 : kKeyNameBytes};
}

double metric_of(Discovery const& at, std::string const& name) {
  std::string const text = at.admin().Get("/metrics")->body;
  std::size_t const found = text.find("\nholdfast_discovery_" + name + " ");
  if (found == std::string::npos) return -1;
  return std::stod(text.substr(text.find(' ', found + 1)));
}
double resumed_at(Discovery const& at) {
  return metric_of(at, "handshakes_total{outcome=\"resumed\"}");
}

class Tickets : public testing::Test, public testing::WithParamInterface<int> {
 protected:
  std::string secret_file(std::string const& content) {
    std::string const path = folder_.path() + "/secret" + std::to_string(++files_);
    std::ofstream(path) << content;
    return path;
  }
  std::vector<std::string> with_secret(std::string const& content) {
    return {"--store", redis.url(), "--cluster-secret", secret_file(content)};
  }

  TemporaryFolder folder_;
  int files_ = 0;
  Redis redis;
  std::string const secret = "a secret of all instances";
};

TEST_P(Tickets, ResumeAtEveryInstanceOfOneSecretAlsoAfterARestart) {
  Discovery const second(with_secret(secret));
  Visit full;
  {
    Discovery const first(with_secret(secret));
    full = visit(first, GetParam());
    ASSERT_TRUE(full.ok);
    EXPECT_FALSE(full.resumed);
    ASSERT_NE(full.ticket, nullptr);
    EXPECT_EQ(resumed_at(first), 0);
  }
  Visit const elsewhere = visit(second, GetParam(), full.ticket.get());
  EXPECT_TRUE(elsewhere.ok);
  EXPECT_TRUE(elsewhere.resumed);
  EXPECT_EQ(resumed_at(second), 1);
  EXPECT_EQ(metric_of(second, "handshakes_total{outcome=\"full\"}"), 0);
  Discovery const restarted(with_secret(secret));
  EXPECT_TRUE(visit(restarted, GetParam(), full.ticket.get()).resumed);
  redis.kill();
  EXPECT_TRUE(visit(restarted, GetParam(), full.ticket.get()).resumed) << "keys stay in memory";
}

TEST_P(Tickets, WithoutTheSecretTheHandshakeIsAFullOne) {
  Discovery const first(with_secret(secret));
  Discovery const other(with_secret("the secret of another service"));
  Discovery const none({"--store", redis.url()});
  Visit const full = visit(first, GetParam());
  ASSERT_NE(full.ticket, nullptr);
  for (Discovery const* const each : {&other, &none}) {
    Visit const elsewhere = visit(*each, GetParam(), full.ticket.get());
    EXPECT_TRUE(elsewhere.ok);
    EXPECT_FALSE(elsewhere.resumed);
    ASSERT_NE(elsewhere.ticket, nullptr);
    EXPECT_TRUE(visit(*each, GetParam(), elsewhere.ticket.get()).resumed)
        << "its own ones it opens";
    EXPECT_FALSE(visit(first, GetParam(), elsewhere.ticket.get()).resumed);
  }
  EXPECT_NE(other.process.errors().find("sealed under another cluster secret"), std::string::npos);
}

TEST_P(Tickets, AnAlteredTicketIsNoTicket) {
  Discovery const discovery(with_secret(secret));
  Visit const full = visit(discovery, GetParam());
  ASSERT_NE(full.ticket, nullptr);
  int size = i2d_SSL_SESSION(full.ticket.get(), nullptr);
  std::string bytes(static_cast<std::size_t>(size), '\0');
  auto* to = reinterpret_cast<unsigned char*>(bytes.data());
  i2d_SSL_SESSION(full.ticket.get(), &to);
  std::size_t const at = bytes.find(key_name_of(full.ticket.get()));
  ASSERT_NE(at, std::string::npos);
  for (std::size_t const place : {at, at + 20, at + 60}) {
    std::string altered = bytes;
    altered[place] = static_cast<char>(altered[place] ^ 1);
    auto const* from = reinterpret_cast<unsigned char const*>(altered.data());
    TlsSession const session(d2i_SSL_SESSION(nullptr, &from, static_cast<long>(altered.size())));
    ASSERT_NE(session, nullptr);
    Visit const again = visit(discovery, GetParam(), session.get());
    EXPECT_TRUE(again.ok);
    EXPECT_FALSE(again.resumed) << place - at;
  }
}

TEST_P(Tickets, WhatLiesInRedisIsSealedAndIgnoredWhenAltered) {
  Discovery const first(with_secret(secret));
  Visit const full = visit(first, GetParam());
  ASSERT_NE(full.ticket, nullptr);
  std::string const held = redis.dump();
  ASSERT_FALSE(held.empty());
  EXPECT_EQ(held.find(key_name_of(full.ticket.get())), std::string::npos);
  EXPECT_EQ(held.find(secret), std::string::npos);

  redis.damage_shared_values();
  Discovery const late(with_secret(secret));
  Visit const there = visit(late, GetParam(), full.ticket.get());
  EXPECT_TRUE(there.ok);
  EXPECT_FALSE(there.resumed);
  ASSERT_NE(there.ticket, nullptr);
  EXPECT_TRUE(visit(late, GetParam(), there.ticket.get()).resumed) << "under a key of its own";
  EXPECT_TRUE(visit(first, GetParam(), full.ticket.get()).resumed);
}

TEST_P(Tickets, KeysRotateAndOldOnesOpenUntilTheyEnd) {
  Visit full;
  {
    Discovery const discovery(with_secret(secret));
    full = visit(discovery, GetParam());
    ASSERT_NE(full.ticket, nullptr);
  }
  // Redis's time is the service's time.
  redis.move_clock(13h);
  Visit later;
  {
    Discovery const discovery(with_secret(secret));
    later = visit(discovery, GetParam(), full.ticket.get());
    EXPECT_TRUE(later.ok);
    EXPECT_TRUE(later.resumed);
    ASSERT_NE(later.ticket, nullptr) << "a ticket under an old key is replaced";
    EXPECT_NE(key_name_of(later.ticket.get()), key_name_of(full.ticket.get()));
  }
  redis.move_clock(37h);
  Discovery const discovery(with_secret(secret));
  Visit const late = visit(discovery, GetParam(), full.ticket.get());
  EXPECT_TRUE(late.ok);
  EXPECT_FALSE(late.resumed) << "a day after its key has made its last ticket";
  EXPECT_TRUE(visit(discovery, GetParam(), later.ticket.get()).resumed);
}

INSTANTIATE_TEST_SUITE_P(Versions, Tickets, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](auto const& version) {
                           return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

}  // namespace
}  // namespace holdfast::test
