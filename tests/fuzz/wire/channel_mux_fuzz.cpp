/// Properties: whatever frames a stranger sends and whatever our user does in between, the invariants hold after each
/// step; events only speak of channels the user has; every Open that is reported gets at most one answer; what is kept
/// and queued stays within the limits.
/// The input is a list of steps: a frame of the stranger, or something our user does.

#include <map>
#include <vector>

#include "base/check.h"
#include "support/fuzz_input.h"
#include "wire/channel_mux.h"

namespace holdfast::wire {
namespace {

MuxLimits const kLimits{.channels_max = 6,
                        .unpaired_bytes_max = 300,
                        .unanswered_opens_max = 3,
                        .protocol_bytes_max = 20,
                        .id_bytes_max = 4,
                        .handshake_bytes_max = 40,
                        .batch_messages_max = 16};

class User {
 public:
  void run(testing::FuzzInput input) {
    while (!input.empty() && step(input)) mux_.check_invariants();
    take_events();
  }

 private:
  /// Returns: false once the connection is over.
  bool step(testing::FuzzInput& input) {
    Byte const choice = input.byte();
    switch (choice % 8) {
      case 0:
        open(input.byte());
        return true;
      case 1:
        close(input.byte());
        return true;
      case 2:
        send(input.byte());
        return true;
      case 3:
        answer(input.byte());
        return true;
      case 4:
        take_events();
        return true;
      default:
        break;
    }
    ByteView const frame = input.piece(input.byte());
    bool const fine = mux_.receive(to_bytes(frame)).ok();
    while (std::optional<Bytes> const output = mux_.next_output()) HOLDFAST_CHECK(!output->empty());
    return fine;
  }
  void open(Byte choice) {
    Bytes const name{static_cast<Byte>(choice % 4)};
    for (auto const& [id, known] : channels_) {
      if (known == name) return;
    }
    if (auto const id = mux_.open("hypercore/alpha", name, Bytes{1})) add(*id, name);
  }
  void close(Byte choice) {
    if (channels_.empty()) return;
    auto const chosen = pick(choice);
    mux_.close(chosen->first);
    channels_.erase(chosen);
  }
  void send(Byte choice) {
    if (!channels_.empty()) mux_.send(pick(choice)->first, choice, Bytes(choice % 5));
  }
  void answer(Byte choice) {
    if (waiting_.empty()) return;
    RemoteOpen const remote = waiting_.back();
    waiting_.pop_back();
    if (choice % 2 == 0) {
      mux_.reject(remote);
      HOLDFAST_CHECK(!mux_.accept(remote, {}).ok());
    } else if (auto const id = mux_.accept(remote, Bytes{2})) {
      add(*id, remote.id);
      HOLDFAST_CHECK(!mux_.accept(remote, Bytes{2}).ok());
    }
  }
  void take_events() {
    while (std::optional<MuxEvent> const event = mux_.next_event()) {
      std::visit([this](auto const& which) { on(which); }, *event);
      mux_.check_invariants();
    }
  }
  void on(RemoteOpen const& remote) {
    HOLDFAST_CHECK(remote.protocol.size() <= kLimits.protocol_bytes_max ||
                   remote.protocol == "hypercore/alpha");
    HOLDFAST_CHECK(remote.id.size() <= kLimits.id_bytes_max);
    waiting_.push_back(remote);
  }
  void on(Paired const& event) { HOLDFAST_CHECK(channels_.contains(event.channel)); }
  void on(Rejected const& event) { HOLDFAST_CHECK(channels_.erase(event.channel) == 1); }
  void on(Closed const& event) { HOLDFAST_CHECK(channels_.erase(event.channel) == 1); }
  void on(ChannelMessage const& message) {
    HOLDFAST_CHECK(channels_.contains(message.channel));
    std::uint64_t sum = 0;
    for (Byte const byte : message.body) sum += byte;  // Touches every byte, for the sanitizer.
    touched_ = sum;
  }
  void add(ChannelId id, Bytes const& name) { HOLDFAST_CHECK(channels_.emplace(id, name).second); }
  std::map<ChannelId, Bytes>::iterator pick(Byte choice) {
    auto chosen = channels_.begin();
    std::advance(chosen, static_cast<std::ptrdiff_t>(choice % channels_.size()));
    return chosen;
  }

  ChannelMux mux_{kLimits};
  std::map<ChannelId, Bytes> channels_;
  std::vector<RemoteOpen> waiting_;
  std::uint64_t volatile touched_ = 0;
};

}  // namespace
}  // namespace holdfast::wire

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  holdfast::wire::User().run(holdfast::testing::FuzzInput(data, size));
  return 0;
}
