#include "net/engine_host.h"

#include <chrono>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include "base/mutex.h"
#include "integration/net/node.h"
#include "net/follower.h"

namespace holdfast::net {
namespace {

using namespace std::chrono_literals;
using testing::commit_of;
using testing::kPatience;
using testing::Node;
using testing::TestCore;

/// Waits for the end of a dial.
class Ended {
 public:
  std::function<void(DialEnd const&)> callback() {
    return [this](DialEnd const& end) {
      MutexLock const lock(mutex_);
      EXPECT_FALSE(end_) << "told twice";
      end_ = end;
      changed_.notify_all();
    };
  }
  std::optional<DialEnd> wait() {
    MutexLock const lock(mutex_);
    auto const until = std::chrono::steady_clock::now() + kPatience;
    while (!end_ && std::chrono::steady_clock::now() < until) changed_.wait_for(mutex_, 100ms);
    return end_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::optional<DialEnd> end_ HOLDFAST_GUARDED_BY(mutex_);
};

class EngineHostTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(init_crypto()); }
};

TEST_F(EngineHostTest, ACoreComesOverFromTheDiallingSide) {
  TestCore core(7);
  for (int i = 0; i < 300; ++i) core.append(Bytes(1'000, static_cast<Byte>(i)));
  Node writer({}, 1);
  Node reader({}, 2);
  core::Commit const all = commit_of(core);
  ASSERT_TRUE(writer.store.commit({&all, 1}));
  writer.host_core(core.key());
  reader.host_core(core.key());
  Address const at = reader.listen();
  writer.host->dial(writer.host->new_dial_id(), at, {reader.pair.public_key, {.open_all = true}},
                    [](DialEnd const&) {});
  ASSERT_TRUE(reader.wait_for(core.key(), 300));
  std::unique_ptr<core::CoreView> const view = *reader.store.view(core.key());
  for (std::uint64_t i = 0; i < 300; ++i) {
    EXPECT_EQ(**view->block(BlockIndex(i)), Bytes(1'000, static_cast<Byte>(i)));
  }
}

TEST_F(EngineHostTest, AFollowerFetchesFromWhomItDials) {
  TestCore core(7);
  for (int i = 0; i < 50; ++i) core.append(Bytes(100, static_cast<Byte>(i)));
  Node writer({}, 1);
  core::Commit const all = commit_of(core);
  ASSERT_TRUE(writer.store.commit({&all, 1}));
  writer.host_core(core.key());
  Address const at = writer.listen();

  Node reader({}, 2);
  reader.host_core(core.key());
  // The first peer is not there, the second is another key than promised.
  std::unique_ptr<Follower> const follower =
      *Follower::start(*reader.host,
                       {.project = core.key(),
                        .peers = {{{"127.0.0.1", 1}, std::nullopt},
                                  {at, PublicKey{}},
                                  {at, writer.pair.public_key}}},
                       nullptr);
  EXPECT_TRUE(reader.wait_for(core.key(), 50));
}

TEST_F(EngineHostTest, HangsUpOnAnotherKeyThanExpected) {
  Node there({}, 1);
  Node here({}, 2);
  Ended ended;
  here.host->dial(here.host->new_dial_id(), there.listen(), {PublicKey{}, {}}, ended.callback());
  std::optional<DialEnd> const end = ended.wait();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->reason.code, ErrorCode::BadHandshake) << to_string(end->reason);
  EXPECT_FALSE(end->handshake_done);
}

TEST_F(EngineHostTest, SaysWhyADialFailed) {
  Node here;
  Ended refused;
  here.host->dial(here.host->new_dial_id(), {"127.0.0.1", 1}, {}, refused.callback());
  ASSERT_TRUE(refused.wait());
  EXPECT_EQ(refused.wait()->reason.code, ErrorCode::Unavailable);
  EXPECT_EQ(here.host->stats().dials_failed, 1U);
}

TEST_F(EngineHostTest, ADialThatIsHungUpEndsOnce) {
  Node there({}, 1);
  Node here({}, 2);
  Ended ended;
  DialId const id = here.host->new_dial_id();
  here.host->dial(id, there.listen(), {}, ended.callback());
  here.host->hang_up(id);
  here.host->hang_up(id);
  EXPECT_TRUE(ended.wait());
}

TEST_F(EngineHostTest, StoppingEndsDialsAndConnections) {
  Node there({}, 1);
  Node here({}, 2);
  Ended ended;
  here.host->dial(here.host->new_dial_id(), there.listen(), {}, ended.callback());
  here.host->stop();
  EXPECT_TRUE(ended.wait());
  Ended late;
  here.host->dial(here.host->new_dial_id(), {"127.0.0.1", 1}, {}, late.callback());
  EXPECT_TRUE(late.wait());
  EXPECT_FALSE(here.host->status(CoreKey{}));
}

TEST_F(EngineHostTest, AConnectionThatSaysNothingIsClosedInTime) {
  EngineHostOptions options;
  options.sync.handshake_timeout = Duration(100);
  Node node(options);
  Address const at = node.listen();
  boost::asio::io_context io;
  boost::asio::ip::tcp::socket socket(io);
  socket.connect({boost::asio::ip::make_address("127.0.0.1"), at.port});
  Byte byte = 0;
  boost::system::error_code failure;
  boost::asio::read(socket, boost::asio::buffer(&byte, 1), failure);
  EXPECT_TRUE(failure);
}

TEST_F(EngineHostTest, GarbageEndsOnlyItsOwnConnection) {
  Node node;
  Address const at = node.listen();
  boost::asio::io_context io;
  boost::asio::ip::tcp::socket quiet(io);
  quiet.connect({boost::asio::ip::make_address("127.0.0.1"), at.port});
  for (int i = 0; i < 20; ++i) {
    boost::asio::ip::tcp::socket socket(io);
    socket.connect({boost::asio::ip::make_address("127.0.0.1"), at.port});
    boost::system::error_code failure;
    boost::asio::write(socket, boost::asio::buffer(Bytes(1'000, static_cast<Byte>(i * 13))),
                       failure);
    Byte byte = 0;
    boost::asio::read(socket, boost::asio::buffer(&byte, 1), failure);
    EXPECT_TRUE(failure);
  }
  EXPECT_EQ(node.host->stats().connections, 1U);
}

TEST_F(EngineHostTest, AcceptsNoMoreThanItsLimitFromOneAddress) {
  EngineHostOptions options;
  options.connections_per_address_max = 3;
  Node node(options);
  Address const at = node.listen();
  boost::asio::io_context io;
  std::vector<boost::asio::ip::tcp::socket> sockets;
  for (int i = 0; i < 5; ++i) {
    sockets.emplace_back(io).connect({boost::asio::ip::make_address("127.0.0.1"), at.port});
  }
  auto const until = std::chrono::steady_clock::now() + kPatience;
  while (node.host->stats().refused < 2 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(node.host->stats().refused, 2U);
  EXPECT_EQ(node.host->stats().connections, 3U);
  sockets.clear();
  while (node.host->stats().connections > 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(1ms);
  }
  sockets.emplace_back(io).connect({boost::asio::ip::make_address("127.0.0.1"), at.port});
  while (node.host->stats().connections == 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(node.host->stats().connections, 1U) << "places come back";
}

TEST_F(EngineHostTest, APortThatIsTakenIsAnError) {
  Node node;
  Address const at = node.listen();
  Result<Address> const again = node.host->listen({"127.0.0.1", at.port});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::Unavailable);
}

TEST_F(EngineHostTest, DrainingFinishesAndThenStops) {
  TestCore core(9);
  for (int i = 0; i < 20; ++i) core.append(Bytes(10, 1));
  Node writer({}, 1);
  Node reader({}, 2);
  core::Commit const all = commit_of(core);
  ASSERT_TRUE(writer.store.commit({&all, 1}));
  writer.host_core(core.key());
  reader.host_core(core.key());
  Ended ended;
  reader.host->dial(reader.host->new_dial_id(), writer.listen(), {std::nullopt, {.open_all = true}},
                    ended.callback());
  ASSERT_TRUE(reader.wait_for(core.key(), 20));
  auto const before = std::chrono::steady_clock::now();
  writer.host->drain(Duration(10'000));
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
  EXPECT_TRUE(ended.wait());
}

}  // namespace
}  // namespace holdfast::net
