#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/error_code.hpp>

#include "base/bytes.h"
#include "base/check.h"

namespace holdfast::net {

/// What a StreamPump moves bytes for. Every call comes on the stream's executor, none from inside
/// wake().
class PumpOwner {
 public:
  /// Bytes arrived; borrowed until return. May call wake() and close() of the pump.
  virtual void on_input(ByteView bytes) = 0;
  /// False: leave further input in the socket until the next wake().
  virtual bool wants_input() = 0;
  /// Everything that is to be written now; empty if nothing is.
  virtual Bytes take_output() = 0;
  /// The last take_output() left for the network.
  virtual void on_written() = 0;
  /// The stream ended or broke, and is closed. Last call; the owner may let go of the pump.
  virtual void on_end(boost::system::error_code why) = 0;

 protected:
  ~PumpOwner() = default;
};

struct PumpOptions {
  std::size_t read_bytes_min = 4 * 1024;    ///< Buffer of a quiet connection.
  std::size_t read_bytes_max = 256 * 1024;  ///< Buffer of a busy one.
};

/// Moves bytes between one stream and its owner, and decides nothing.
///
/// Rules:
///  1. One read and one write at a time; what gathers during a write goes out with the next one.
///  2. The read buffer grows while reads fill it and shrinks when they stay small.
///     Why: a thousand idle connections must cost little, and a busy one few system calls.
///  3. After close() or on_end() the owner is not called any more.
/// Thread-safety: none, everything on the stream's executor. The owner outlives the pump or closes it.
template <typename Stream>
class StreamPump : public std::enable_shared_from_this<StreamPump<Stream>> {
 public:
  StreamPump(Stream stream, PumpOwner& owner, PumpOptions const& options)
      : stream_(std::move(stream)), owner_(&owner), options_(options) {}

  /// Starts what can be started: a write if there is output, a read if input is wanted.
  void wake() {
    start_write();
    start_read();
  }

  bool writing() const { return writing_; }
  Stream& stream() { return stream_; }

  void close() {
    if (owner_ == nullptr) return;
    owner_ = nullptr;
    shut(stream_);
  }

 private:
  template <typename S>
  static void shut(S& stream) {
    if constexpr (requires(boost::system::error_code e) { stream.shutdown(S::shutdown_both, e); }) {
      boost::system::error_code ignored;
      stream.shutdown(S::shutdown_both, ignored);
      stream.close(ignored);
    } else {
      stream.close();
    }
  }

  void end(boost::system::error_code why) {
    PumpOwner* const owner = std::exchange(owner_, nullptr);
    if (owner == nullptr) return;
    shut(stream_);
    owner->on_end(why);
  }

  void start_read() {
    if (owner_ == nullptr || reading_ || !owner_->wants_input()) return;
    reading_ = true;
    if (buffer_bytes_ == 0) resize(options_.read_bytes_min);
    stream_.async_read_some(
        boost::asio::buffer(buffer_.get(), buffer_bytes_),
        [self = this->shared_from_this()](boost::system::error_code failure, std::size_t bytes) {
          self->on_read(failure, bytes);
        });
  }

  void on_read(boost::system::error_code failure, std::size_t bytes) {
    if (owner_ != nullptr && bytes > 0) owner_->on_input({buffer_.get(), bytes});
    reading_ = false;
    if (failure) return end(failure);
    if (bytes == buffer_bytes_ && buffer_bytes_ < options_.read_bytes_max) {
      resize(std::min(buffer_bytes_ * 4, options_.read_bytes_max));
    } else if (bytes < buffer_bytes_ / 16 && buffer_bytes_ > options_.read_bytes_min) {
      resize(std::max(buffer_bytes_ / 4, options_.read_bytes_min));
    }
    start_read();
  }

  // A write that ends starts the next one from its handler: on a fresh stack, so no recursion.
  // NOLINTBEGIN(misc-no-recursion)
  void start_write() {
    if (owner_ == nullptr || writing_) return;
    output_ = owner_->take_output();
    if (output_.empty()) return;
    writing_ = true;
    boost::asio::async_write(
        stream_, boost::asio::buffer(output_),
        [self = this->shared_from_this()](boost::system::error_code failure, std::size_t) {
          self->on_write(failure);
        });
  }

  void on_write(boost::system::error_code failure) {
    writing_ = false;
    output_ = Bytes();
    if (failure) return end(failure);
    if (owner_ != nullptr) owner_->on_written();
    start_write();
  }
  // NOLINTEND(misc-no-recursion)

  void resize(std::size_t bytes) {
    HOLDFAST_CHECK(!reading_ || buffer_bytes_ == 0);
    buffer_ = std::make_unique_for_overwrite<Byte[]>(bytes);
    buffer_bytes_ = bytes;
  }

  Stream stream_;
  PumpOwner* owner_;
  PumpOptions options_;
  std::unique_ptr<Byte[]> buffer_;
  std::size_t buffer_bytes_ = 0;
  Bytes output_;
  bool reading_ = false;
  bool writing_ = false;
};

}  // namespace holdfast::net
