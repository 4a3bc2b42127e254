#include "discovery/store/redis_reply.h"

#include <charconv>
#include <utility>

#include <hiredis/hiredis.h>

#include "base/check.h"

namespace holdfast::discovery {

/// What hiredis calls while it parses. Children live inside their parent's items, which are sized once,
/// so that their addresses stay; only the root is owned by hiredis until it is taken.
struct ReplyBuilder {
  static RedisReply* place(redisReadTask const* task, RedisReply reply) {
    if (task->parent == nullptr) return std::make_unique<RedisReply>(std::move(reply)).release();
    auto* const parent = static_cast<RedisReply*>(task->parent->obj);
    RedisReply& out = parent->items[static_cast<std::size_t>(task->idx)];
    out = std::move(reply);
    return &out;
  }

  static void* text(redisReadTask const* task, char* bytes, std::size_t size) {
    RedisReply::Kind kind = RedisReply::Kind::Text;
    if (task->type == REDIS_REPLY_STATUS) kind = RedisReply::Kind::Status;
    if (task->type == REDIS_REPLY_ERROR) kind = RedisReply::Kind::Error;
    return place(task, {.kind = kind, .integer = 0, .text = std::string(bytes, size), .items = {}});
  }

  static void* array(redisReadTask const* task, int count) {
    auto* const reader = static_cast<RedisReplyReader*>(task->privdata);
    auto const size = static_cast<std::size_t>(count);
    if (count < 0 || size > reader->items_left_) {
      reader->over_limit_ = true;
      return nullptr;
    }
    reader->items_left_ -= size;
    return place(task, {.kind = RedisReply::Kind::Array,
                        .integer = 0,
                        .text = {},
                        .items = std::vector<RedisReply>(size)});
  }

  static void* integer(redisReadTask const* task, long long value) {
    return place(task,
                 {.kind = RedisReply::Kind::Integer, .integer = value, .text = {}, .items = {}});
  }

  static void* nil(redisReadTask const* task) { return place(task, {}); }

  static void free(void* root) { delete static_cast<RedisReply*>(root); }
};

namespace {

redisReplyObjectFunctions functions = {ReplyBuilder::text, ReplyBuilder::array,
                                       ReplyBuilder::integer, ReplyBuilder::nil,
                                       ReplyBuilder::free};

RedisReply const kNil;

}  // namespace

RedisReply const& RedisReply::at(std::size_t index) const {
  return index < items.size() ? items[index] : kNil;
}

std::uint64_t RedisReply::number() const {
  if (kind == Kind::Integer) return integer < 0 ? 0 : static_cast<std::uint64_t>(integer);
  std::uint64_t out = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() ? out : 0;
}

void RedisReplyReader::Free::operator()(redisReader* reader) const { redisReaderFree(reader); }

RedisReplyReader::RedisReplyReader(Options options)
    : options_(options),
      items_left_(options.items_max),
      reader_(redisReaderCreateWithFunctions(&functions)) {
  HOLDFAST_CHECK(reader_ != nullptr);
  reader_->privdata = this;  // The macro of hiredis 0.14 is C only.
}

RedisReplyReader::~RedisReplyReader() = default;

Result<void> RedisReplyReader::feed(std::string_view bytes) {
  if (bytes.size() > options_.bytes_max - bytes_held_) {
    over_limit_ = true;
    return Unexpected(ErrorCode::LimitExceeded, "reply too long");
  }
  bytes_held_ += bytes.size();
  if (redisReaderFeed(reader_.get(), bytes.data(), bytes.size()) != REDIS_OK) {
    return Unexpected(ErrorCode::Malformed, "Redis sent what is not a reply");
  }
  return {};
}

Result<std::optional<RedisReply>> RedisReplyReader::next() {
  void* root = nullptr;
  int const result = redisReaderGetReply(reader_.get(), &root);
  std::unique_ptr<RedisReply> reply(static_cast<RedisReply*>(root));
  if (over_limit_) return Unexpected(ErrorCode::LimitExceeded, "reply too large");
  if (result != REDIS_OK) {
    return Unexpected(ErrorCode::Malformed, "Redis sent what is not a reply");
  }
  if (!reply) return std::optional<RedisReply>();
  items_left_ = options_.items_max;
  bytes_held_ = reader_->len - reader_->pos;
  return std::optional<RedisReply>(std::move(*reply));
}

}  // namespace holdfast::discovery
