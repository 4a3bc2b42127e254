#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct redisReader;

namespace holdfast::discovery {

/// One reply of Redis (RESP2) as a value.
struct RedisReply {
  enum class Kind : std::uint8_t { Nil, Integer, Text, Status, Error, Array };
  Kind kind = Kind::Nil;
  std::int64_t integer = 0;
  std::string text;  ///< Of Text, Status and Error; any bytes.
  std::vector<RedisReply> items;
  // NOLINTNEXTLINE(misc-no-recursion): hiredis refuses arrays nested deeper than seven.
  friend bool operator==(RedisReply const&, RedisReply const&) = default;

  /// The item, or a Nil if there is none.
  RedisReply const& at(std::size_t index) const;
  /// A number that is not negative, as an Integer or in decimal digits; 0 otherwise.
  std::uint64_t number() const;
};

/// Cuts a byte stream into replies, with hiredis as the parser.
///
/// Rules:
///  1. A claimed array length is held against items_max before memory is taken, a reply against bytes_max
///     while it arrives. Why: a broken or foreign server must not fill our memory.
///  2. After an error nothing more is read: the connection is to be closed.
class RedisReplyReader {
 public:
  struct Options {
    std::size_t bytes_max = 16 * 1024 * 1024;  ///< Of one reply, and of what is fed beyond it.
    std::size_t items_max = 262'144;           ///< Of one reply, all levels together.
  };
  explicit RedisReplyReader(Options options);
  ~RedisReplyReader();
  RedisReplyReader(RedisReplyReader const&) = delete;
  RedisReplyReader& operator=(RedisReplyReader const&) = delete;

  /// Errors: LimitExceeded.
  Result<void> feed(std::string_view bytes);
  /// Returns: the next reply, or nothing until more is fed.
  /// Errors: Malformed (not RESP2), LimitExceeded.
  Result<std::optional<RedisReply>> next();

 private:
  Options const options_;
  std::size_t bytes_held_ = 0;
  std::size_t items_left_;
  bool over_limit_ = false;
  struct Free {
    void operator()(redisReader* reader) const;
  };
  std::unique_ptr<redisReader, Free> reader_;

  friend struct ReplyBuilder;
};

}  // namespace holdfast::discovery
