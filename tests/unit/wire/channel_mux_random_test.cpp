#include <deque>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "base/random.h"
#include "wire/channel_mux.h"

namespace holdfast::wire {
namespace {

constexpr std::size_t kNames = 4;

Bytes name_of(std::size_t number) { return Bytes{static_cast<Byte>(number)}; }

/// One end of a connection whose user does random legal things. Knows, from its own calls and events alone, which
/// channels it has, so that every event can be checked against it.
class RandomUser {
 public:
  explicit RandomUser(Rng& rng) : rng_(rng) {}

  void act() {
    switch (rng_.below(6)) {
      case 0:
        open();
        break;
      case 1:
        close();
        break;
      case 2:
        send();
        break;
      case 3:
        answer();
        break;
      default:
        take_event();
        break;
    }
    mux.check_invariants();
  }

  /// Ends all channels and answers everything, so that both sides come to rest.
  void wind_down() {
    while (take_event()) {
    }
    while (!unanswered_.empty()) answer();
    while (!channels_.empty()) close_channel(channels_.begin()->first);
    mux.check_invariants();
  }

  std::size_t channels() const { return channels_.size(); }
  std::size_t live() const {
    std::size_t count = 0;
    for (auto const& [id, channel] : channels_) count += channel.live ? 1U : 0U;
    return count;
  }

  ChannelMux mux{MuxLimits{.channels_max = 16}};
  std::deque<Bytes> to_remote;
  std::uint64_t received = 0;
  std::uint64_t paired = 0;

 private:
  struct Channel {
    Bytes name;
    bool live = false;
    std::uint64_t last_received = 0;
  };

  bool has(Bytes const& name) const {
    for (auto const& [id, channel] : channels_) {
      if (channel.name == name) return true;
    }
    return false;
  }
  void add(ChannelId id, Bytes const& name, bool live) {
    bool const is_new = channels_.emplace(id, Channel{.name = name, .live = live}).second;
    HOLDFAST_CHECK(is_new);  // An id is never given out twice at a time.
  }
  void open() {
    Bytes const name = name_of(rng_.below(kNames));
    if (has(name)) return;
    Result<ChannelId> const id = mux.open("p", name, name);
    HOLDFAST_CHECK(id.ok());
    add(*id, name, false);
  }
  void close() {
    if (channels_.empty()) return;
    auto chosen = channels_.begin();
    std::advance(chosen, static_cast<std::ptrdiff_t>(rng_.below(channels_.size())));
    close_channel(chosen->first);
  }
  void close_channel(ChannelId id) {
    mux.close(id);
    channels_.erase(id);
  }
  void send() {
    if (channels_.empty()) return;
    auto chosen = channels_.begin();
    std::advance(chosen, static_cast<std::ptrdiff_t>(rng_.below(channels_.size())));
    Bytes body =
        chosen->second.name;  // Whoever gets it can see whether it came to the right channel.
    append(body, Bytes(rng_.below(3)));
    mux.send(chosen->first, ++sent_, body);
  }
  void answer() {
    if (unanswered_.empty()) return;
    RemoteOpen const remote = unanswered_.front();
    unanswered_.pop_front();
    if (rng_.below(3) == 0 || has(remote.id)) {
      mux.reject(remote);
      return;
    }
    Result<ChannelId> const id = mux.accept(remote, remote.id);
    if (id) add(*id, remote.id, true);
  }
  bool take_event() {
    std::optional<MuxEvent> const event = mux.next_event();
    if (event) std::visit([this](auto const& which) { on(which); }, *event);
    return event.has_value();
  }
  void on(RemoteOpen const& remote) {
    HOLDFAST_CHECK(remote.handshake == remote.id);
    unanswered_.push_back(remote);
  }
  void on(Paired const& event) {
    Channel& channel = channels_.at(event.channel);
    HOLDFAST_CHECK(!channel.live && event.handshake == channel.name);
    channel.live = true;
    ++paired;
  }
  void on(Rejected const& event) {
    HOLDFAST_CHECK(!channels_.at(event.channel).live);
    channels_.erase(event.channel);
  }
  void on(Closed const& event) {
    HOLDFAST_CHECK(channels_.at(event.channel).live);
    channels_.erase(event.channel);
  }
  void on(ChannelMessage const& message) {
    Channel& channel = channels_.at(message.channel);
    HOLDFAST_CHECK(channel.live && message.body[0] == channel.name[0]);
    HOLDFAST_CHECK(message.type > channel.last_received);  // In order, none twice.
    channel.last_received = message.type;
    ++received;
  }

  Rng& rng_;
  std::map<ChannelId, Channel> channels_;
  std::deque<RemoteOpen> unanswered_;
  std::uint64_t sent_ = 0;
};

/// Two muxes joined by two queues that move frames whenever chance says so.
class RandomConnection {
 public:
  explicit RandomConnection(std::uint64_t seed) : rng_(seed) {}

  void step() {
    RandomUser& user = rng_.below(2) == 0 ? a_ : b_;
    user.act();
    if (rng_.below(3) == 0) deliver(rng_.below(2) == 0);
  }
  void come_to_rest() {
    for (int round = 0; round < 20; ++round) {
      a_.wind_down();
      b_.wind_down();
      while (deliver(true) || deliver(false)) {
      }
    }
  }
  RandomUser const& a() const { return a_; }
  RandomUser const& b() const { return b_; }

 private:
  bool deliver(bool from_a) {
    RandomUser& from = from_a ? a_ : b_;
    RandomUser& to = from_a ? b_ : a_;
    while (std::optional<Bytes> frame = from.mux.next_output())
      from.to_remote.push_back(std::move(*frame));
    if (from.to_remote.empty()) return false;
    Result<void> const received = to.mux.receive(std::move(from.to_remote.front()));
    HOLDFAST_CHECK(received.ok());  // Two of us never see a fault in each other.
    from.to_remote.pop_front();
    to.mux.check_invariants();
    return true;
  }

  SeededRng rng_;
  RandomUser a_{rng_};
  RandomUser b_{rng_};
};

TEST(RandomMuxes, NeverMisunderstandEachOther) {
  std::uint64_t received = 0;
  std::uint64_t paired = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    RandomConnection connection(seed);
    for (int step = 0; step < 500; ++step) connection.step();
    connection.come_to_rest();
    ASSERT_EQ(connection.a().channels(), 0U);
    ASSERT_EQ(connection.b().channels(), 0U);
    ASSERT_EQ(connection.a().mux.channel_count(), 0U);
    received += connection.a().received + connection.b().received;
    paired += connection.a().paired + connection.b().paired;
  }
  EXPECT_GT(received, 2'000U);  // The test means nothing if little happened.
  EXPECT_GT(paired, 1'000U);
}

}  // namespace
}  // namespace holdfast::wire
