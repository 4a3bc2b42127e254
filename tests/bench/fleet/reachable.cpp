#include "reachable.h"

#include <array>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "net/tcp.h"
#include "wire/transport.h"

namespace holdfast::bench {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::seconds kPatience{5};

/// One connection of a prober: shakes hands, then waits for the other side to leave.
class Handshake : public std::enable_shared_from_this<Handshake> {
 public:
  Handshake(net::TcpSocket socket, KeyPair const& pair)
      : socket_(std::move(socket)),
        timer_(socket_.get_executor()),
        transport_(wire::Role::Responder, pair, {}) {}

  void run() {
    timer_.expires_after(kPatience);
    timer_.async_wait([self = shared_from_this()](boost::system::error_code) {
      boost::system::error_code ignored;
      self->socket_.close(ignored);
    });
    read();
  }

 private:
  void read() {
    socket_.async_read_some(
        asio::buffer(input_),
        [self = shared_from_this()](boost::system::error_code error, std::size_t count) {
          ByteView const bytes(self->input_.data(), count);
          if (error || !self->transport_.receive(bytes)) return self->end();
          self->write();
        });
  }

  void write() {
    output_ = transport_.take_output();
    if (output_.empty()) return read();
    asio::async_write(socket_, asio::buffer(output_),
                      [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                        if (error) return self->end();
                        self->read();
                      });
  }

  void end() { timer_.cancel(); }

  net::TcpSocket socket_;
  asio::steady_timer timer_;
  wire::Transport transport_;
  std::array<Byte, 2048> input_{};
  Bytes output_;
};

}  // namespace

struct Reachable::State {
  struct Listener {
    net::TcpAcceptor acceptor;
    KeyPair pair;
  };

  void accept(Listener& listener) {
    listener.acceptor.async_accept(
        [this, &listener](boost::system::error_code error, net::TcpSocket socket) {
          if (error) return;
          std::make_shared<Handshake>(std::move(socket), listener.pair)->run();
          accept(listener);
        });
  }

  asio::io_context io{1};
  std::vector<std::unique_ptr<Listener>> listeners;
  std::thread thread;
};

Reachable::Reachable() : state_(std::make_unique<State>()) {}

Reachable::~Reachable() {
  state_->io.stop();
  if (state_->thread.joinable()) state_->thread.join();
}

Result<std::uint16_t> Reachable::listen(KeyPair const& pair) {
  Result<net::TcpAcceptor> acceptor = net::open_acceptor(state_->io, {"127.0.0.1", 0});
  if (!acceptor) return Unexpected(acceptor.error());
  std::uint16_t const port = acceptor->local_endpoint().port();
  state_->listeners.push_back(
      std::unique_ptr<State::Listener>(new State::Listener{std::move(*acceptor), pair}));
  return port;
}

void Reachable::start() {
  for (auto const& listener : state_->listeners) state_->accept(*listener);
  state_->thread = std::thread([state = state_.get()] { state->io.run(); });
}

void Reachable::vanish(std::size_t count) {
  asio::post(state_->io, [state = state_.get(), count] {
    for (std::size_t i = 0; i < count && i < state->listeners.size(); ++i) {
      boost::system::error_code ignored;
      state->listeners[i]->acceptor.close(ignored);
    }
  });
}

}  // namespace holdfast::bench
