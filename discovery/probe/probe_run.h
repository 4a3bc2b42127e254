#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "discovery/probe/prober.h"
#include "wire/transport.h"

namespace holdfast::discovery {

/// The dials of one test. Everything on the io_context's one thread. For prober.cpp only.
class ProbeRun : public std::enable_shared_from_this<ProbeRun> {
 public:
  using Done = std::function<void(ProbeReport)>;
  using MayDial = std::function<bool(IpAddress const&)>;

  ProbeRun(boost::asio::io_context& io, KeyPair const& own_pair, ProberOptions const& options,
           ProbeTarget target, Done done)
      : own_pair_(own_pair),
        options_(options),
        target_(std::move(target)),
        done_(std::move(done)),
        whole_(io),
        step_(io),
        socket_(io) {}

  ProbeTarget const& target() const { return target_; }
  /// Starts the clock of the whole test.
  void start();
  /// `may_dial`: asked right before each dial.
  void dial_all(ProbePlan plan, MayDial may_dial);
  void finish(ProbeStep step, std::string transcript);
  bool finished() const { return !done_; }

 private:
  void next();
  void connect(Dial const& dial);
  void on_connected(boost::system::error_code failure);
  void pump();
  void read();
  void on_read(boost::system::error_code failure, std::size_t bytes);
  void judge();
  void passed();
  void fail(ProbeStep step, std::string const& what);
  std::string where() const;

  KeyPair const& own_pair_;
  ProberOptions const& options_;
  ProbeTarget target_;
  Done done_;
  boost::asio::steady_timer whole_;
  boost::asio::steady_timer step_;
  boost::asio::ip::tcp::socket socket_;
  MayDial may_dial_;
  std::vector<Dial> dials_;
  std::size_t current_ = 0;
  std::size_t passed_ = 0;
  ProbeStep now_ = ProbeStep::Resolve;
  std::optional<wire::Transport> transport_;
  Bytes output_;
  std::array<Byte, 2048> input_{};
  std::size_t input_bytes_ = 0;
};

}  // namespace holdfast::discovery
