#include "discovery/probe/probe_run.h"

#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

namespace holdfast::discovery {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t kInputBytesMax = 64 * 1024;

asio::ip::tcp::endpoint endpoint_of(Dial const& dial) {
  if (dial.ip.is_v4()) {
    asio::ip::address_v4::bytes_type octets{};
    for (std::size_t i = 0; i < octets.size(); ++i) octets[i] = dial.ip.bytes.at(12 + i);
    return {asio::ip::address_v4(octets), dial.port};
  }
  asio::ip::address_v6::bytes_type bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = dial.ip.bytes.at(i);
  return {asio::ip::address_v6(bytes), dial.port};
}

/// What says more about this machine than about the node.
bool is_our_lack(error_code failure) {
  return failure == asio::error::network_unreachable ||
         failure == asio::error::address_family_not_supported ||
         failure == error_code(EADDRNOTAVAIL, boost::system::system_category()) ||
         failure == asio::error::no_descriptors;
}

}  // namespace

void ProbeRun::start() {
  whole_.expires_after(options_.whole_max);
  whole_.async_wait([self = shared_from_this()](error_code cancelled) {
    if (!cancelled) self->fail(self->now_, "no answer in time");
  });
}

void ProbeRun::dial_all(ProbePlan plan, MayDial may_dial) {
  if (finished()) return;
  if (plan.refused) return finish(plan.refused->step, plan.refused->transcript);
  dials_ = std::move(plan.dials);
  may_dial_ = std::move(may_dial);
  now_ = ProbeStep::Connect;
  next();
}

std::string ProbeRun::where() const {
  if (current_ >= dials_.size()) return "";
  Dial const& dial = dials_[current_];
  std::string text = describe(target_.addresses.at(dial.address));
  registration::Address const& address = target_.addresses.at(dial.address);
  if (address.host != to_string(dial.ip)) text += " (" + to_string(dial.ip) + ")";
  return text + ": ";
}

void ProbeRun::finish(ProbeStep step, std::string transcript) {
  if (finished()) return;
  error_code ignored;
  socket_.close(ignored);
  step_.cancel(ignored);
  whole_.cancel(ignored);
  if (transcript.size() > registration::kTranscriptBytesMax)
    transcript.resize(registration::kTranscriptBytesMax);
  std::exchange(done_, nullptr)(ProbeReport{step, std::move(transcript)});
}

void ProbeRun::fail(ProbeStep step, std::string const& what) {
  finish(step, where() + std::string(name_of(step)) + " failed: " + what);
}

void ProbeRun::next() {
  if (current_ == dials_.size()) {
    if (passed_ > 0) return finish(ProbeStep::Passed, "");
    return finish(ProbeStep::Skipped, "this service has no route to any of the addresses");
  }
  Dial const& dial = dials_[current_];
  if (dial.other_family && passed_ == 0) {
    return finish(ProbeStep::Refused,
                  where() + "no address of the family that this registration comes by has passed");
  }
  if (!may_dial_(dial.ip)) {
    return finish(ProbeStep::Skipped, where() + "tested too often of late; it is tried later");
  }
  connect(dial);
}

void ProbeRun::connect(Dial const& dial) {
  now_ = ProbeStep::Connect;
  transport_.reset();
  input_bytes_ = 0;
  error_code ignored;
  socket_.close(ignored);
  step_.expires_after(options_.connect_max);
  step_.async_wait([self = shared_from_this(), at = current_](error_code cancelled) {
    if (!cancelled && at == self->current_ && self->now_ == ProbeStep::Connect)
      self->fail(ProbeStep::Connect, "nothing accepts there");
  });
  socket_.async_connect(endpoint_of(dial), [self = shared_from_this()](error_code failure) {
    if (!self->finished()) self->on_connected(failure);
  });
}

void ProbeRun::on_connected(error_code failure) {
  if (failure && is_our_lack(failure)) {
    ++current_;
    return next();
  }
  if (failure) return fail(ProbeStep::Connect, "nothing accepts there");
  if (!dials_[current_].handshake) return passed();
  now_ = ProbeStep::Handshake;
  step_.expires_after(options_.handshake_max);
  step_.async_wait([self = shared_from_this(), at = current_](error_code cancelled) {
    if (!cancelled && at == self->current_ && self->now_ == ProbeStep::Handshake)
      self->fail(ProbeStep::Handshake, "no answer in time");
  });
  transport_.emplace(wire::Role::Initiator, own_pair_, wire::TransportOptions{});
  pump();
}

void ProbeRun::pump() {
  output_ = transport_->take_output();
  if (output_.empty()) return read();
  asio::async_write(socket_, asio::buffer(output_),
                    [self = shared_from_this()](error_code failure, std::size_t) {
                      if (self->finished()) return;
                      if (failure)
                        return self->fail(ProbeStep::Handshake, "what answers speaks no Noise");
                      self->read();
                    });
}

void ProbeRun::read() {
  socket_.async_read_some(asio::buffer(input_),
                          [self = shared_from_this()](error_code failure, std::size_t bytes) {
                            if (!self->finished()) self->on_read(failure, bytes);
                          });
}

void ProbeRun::on_read(error_code failure, std::size_t bytes) {
  input_bytes_ += bytes;
  bool const good = !failure && input_bytes_ <= kInputBytesMax &&
                    transport_->receive(ByteView(input_.data(), bytes)).ok();
  if (!good) return fail(ProbeStep::Handshake, "what answers speaks no Noise");
  if (transport_->open()) return judge();
  pump();
}

void ProbeRun::judge() {
  if (transport_->remote_key() != target_.id) {
    return fail(ProbeStep::Key, "the node there has another key than the one registered");
  }
  passed();
}

void ProbeRun::passed() {
  ++passed_;
  ++current_;
  now_ = ProbeStep::Connect;
  next();
}

}  // namespace holdfast::discovery
