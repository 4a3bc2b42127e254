// Property: how a stream is cut into reads changes neither the replies nor whether there is an error, and no
// reply has more items than its bound.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "discovery/store/redis_reply.h"

namespace {

using namespace holdfast;
using namespace holdfast::discovery;

constexpr RedisReplyReader::Options kOptions{.bytes_max = 1 << 20, .items_max = 64};

struct Read {
  std::vector<RedisReply> replies;
  bool failed = false;
  friend bool operator==(Read const&, Read const&) = default;
};

// NOLINTNEXTLINE(misc-no-recursion): hiredis refuses arrays nested deeper than seven.
std::size_t count_items(RedisReply const& reply) {
  std::size_t out = reply.items.size();
  for (RedisReply const& item : reply.items) out += count_items(item);
  return out;
}

Read read_in_chunks(std::string_view stream, std::size_t chunk_bytes) {
  RedisReplyReader reader(kOptions);
  Read out;
  while (!stream.empty()) {
    std::size_t const bytes = std::min(chunk_bytes, stream.size());
    if (!reader.feed(stream.substr(0, bytes))) out.failed = true;
    stream.remove_prefix(bytes);
    while (!out.failed) {
      auto reply = reader.next();
      out.failed = !reply.ok();
      if (!reply || !*reply) break;
      HOLDFAST_CHECK(count_items(**reply) <= kOptions.items_max);
      out.replies.push_back(**std::move(reply));
    }
    if (out.failed) break;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size < 2) return 0;
  std::string_view const stream(reinterpret_cast<char const*>(data) + 1, size - 1);
  std::size_t const chunk_bytes = std::size_t{data[0]} + 1;
  HOLDFAST_CHECK(read_in_chunks(stream, chunk_bytes) == read_in_chunks(stream, stream.size()));
  return 0;
}
