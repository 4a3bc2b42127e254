#include "net/stream_pump.h"

#include <deque>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/beast/_experimental/test/stream.hpp>
#include <gtest/gtest.h>

namespace holdfast::net {
namespace {

using TestStream = boost::beast::test::stream;
using Pump = StreamPump<TestStream>;

/// Echoes every input in upper letters' stead with "<input>;" and notes what it is told.
class EchoOwner final : public PumpOwner {
 public:
  void on_input(ByteView bytes) override {
    ASSERT_FALSE(ended) << "called after the end";
    input += as_text(bytes);
    waiting += std::string(as_text(bytes)) + ";";
    if (pump) pump->wake();
  }
  bool wants_input() override { return wanting; }
  Bytes take_output() override {
    EXPECT_FALSE(ended) << "called after the end";
    Bytes out = to_bytes(as_bytes(waiting));
    if (!out.empty()) ++writes;
    waiting.clear();
    return out;
  }
  void on_written() override {
    EXPECT_FALSE(ended) << "called after the end";
    ++written;
  }
  void on_end(boost::system::error_code why) override {
    EXPECT_FALSE(ended) << "ended twice";
    ended = why;
  }

  std::shared_ptr<Pump> pump;
  std::string input;
  std::string waiting;
  bool wanting = true;
  int writes = 0;
  int written = 0;
  std::optional<boost::system::error_code> ended;
};

struct Pair {
  explicit Pair(boost::beast::test::fail_count* failing = nullptr)
      : near(failing ? TestStream(io, *failing) : TestStream(io)), far(io) {
    near.connect(far);
    owner.pump = std::make_shared<Pump>(std::move(near), owner, PumpOptions{4, 64});
  }
  ~Pair() {
    owner.pump->close();
    owner.pump.reset();
    io.poll();
  }
  void run() {
    io.restart();
    io.poll();
  }
  void send(std::string const& text) { boost::asio::write(far, boost::asio::buffer(text)); }

  boost::asio::io_context io;
  TestStream near;
  TestStream far;
  EchoOwner owner;
};

TEST(StreamPump, CarriesBytesBothWays) {
  Pair pair;
  pair.owner.pump->wake();
  pair.send("hello");
  pair.run();
  EXPECT_EQ(pair.owner.input, "hello");
  EXPECT_EQ(pair.far.str().substr(0, 4), "hell");
  EXPECT_EQ(pair.owner.writes, pair.owner.written);
}

TEST(StreamPump, LeavesInputInTheStreamWhileItIsNotWanted) {
  Pair pair;
  pair.owner.wanting = false;
  pair.owner.pump->wake();
  pair.send("hello");
  pair.run();
  EXPECT_EQ(pair.owner.input, "");
  pair.owner.wanting = true;
  pair.owner.pump->wake();
  pair.run();
  EXPECT_EQ(pair.owner.input, "hello");
}

TEST(StreamPump, GathersWhatComesDuringAWriteIntoOne) {
  Pair pair;
  pair.owner.waiting = "a";
  pair.owner.pump->wake();
  pair.owner.waiting += "b";
  pair.owner.pump->wake();
  pair.owner.waiting += "c";
  pair.owner.pump->wake();
  pair.run();
  EXPECT_EQ(pair.far.str(), "abc");
  EXPECT_EQ(pair.owner.writes, 2);
}

TEST(StreamPump, TellsTheEndOnceAndNothingAfter) {
  Pair pair;
  pair.owner.pump->wake();
  pair.run();
  pair.far.close();
  pair.run();
  ASSERT_TRUE(pair.owner.ended);
  EXPECT_EQ(*pair.owner.ended, boost::asio::error::eof);
  pair.owner.pump->wake();
  pair.run();
}

TEST(StreamPump, IsSilentAfterClose) {
  Pair pair;
  pair.owner.pump->wake();
  pair.owner.pump->close();
  pair.run();
  EXPECT_FALSE(pair.owner.ended);
}

TEST(StreamPump, EndsCleanlyWhicheverOperationFails) {
  int finished = 0;
  for (std::size_t n = 0; n < 40 && finished < 3; ++n) {
    SCOPED_TRACE(n);
    boost::beast::test::fail_count failing(n, boost::asio::error::connection_reset);
    Pair pair(&failing);
    pair.owner.waiting = "hello from here";
    pair.owner.pump->wake();
    for (int i = 0; i < 6; ++i) {
      pair.send("ping");
      pair.run();
    }
    if (pair.owner.ended) {
      EXPECT_EQ(*pair.owner.ended, boost::asio::error::connection_reset);
    } else {
      EXPECT_EQ(pair.owner.input, "pingpingpingpingpingping");
      ++finished;
    }
  }
  EXPECT_EQ(finished, 3) << "with enough luck nothing fails";
}

}  // namespace
}  // namespace holdfast::net
