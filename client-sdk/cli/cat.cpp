#include <charconv>
#include <cstdio>

#include "cli/settings.h"
#include "net/core_clone.h"

namespace holdfast::cli {
namespace {

Result<core::BlockRange> parse_range(std::string const& text) {
  core::BlockRange range;
  char const* const end = text.data() + text.size();
  auto [rest, problem] = std::from_chars(text.data(), end, range.start);
  bool good = problem == std::errc{};
  range.end = range.start + 1;
  if (good && rest != end) {
    good = *rest == '-';
    if (good) {
      auto const [last, failed] = std::from_chars(rest + 1, end, range.end);
      good = failed == std::errc{} && last == end && range.end >= range.start;
      ++range.end;
    }
  }
  if (!good) {
    return Unexpected(ErrorCode::Malformed, "a block is a number, or FIRST-LAST: " + text);
  }
  return range;
}

Result<void> write_blocks(core::CoreView const& view, core::BlockRange const& range) {
  for (std::uint64_t index = range.start; index < range.end; ++index) {
    Result<std::optional<Bytes>> const block = view.block(BlockIndex(index));
    if (!block) return Unexpected(block.error());
    if (!*block) {
      return Unexpected(ErrorCode::NotFound, "block " + std::to_string(index) + " is not here");
    }
    if (std::fwrite((*block)->data(), 1, (*block)->size(), stdout) != (*block)->size()) {
      return Unexpected(ErrorCode::Storage, "cannot write to stdout");
    }
  }
  return {};
}

}  // namespace

Exit cat(Settings const&, Arguments const& arguments) {
  std::vector<core::BlockRange> ranges;
  for (std::string const& text : arguments.blocks) {
    Result<core::BlockRange> const range = parse_range(text);
    if (!range) return complain(range.error()), Exit::Usage;
    ranges.push_back(*range);
  }
  Result<net::OpenedClone> const opened = net::open_clone(arguments.directory);
  if (!opened) return complain(opened.error());
  Result<std::unique_ptr<core::CoreView>> const view = opened->store->view(opened->key);
  if (!view) return complain(view.error());
  if (ranges.empty()) ranges.push_back({0, (*view)->head().length});
  for (core::BlockRange const& range : ranges) {
    Result<void> const written = write_blocks(**view, range);
    if (!written) {
      std::fflush(stdout);
      return complain(written.error());
    }
  }
  return std::fflush(stdout) == 0 ? Exit::Ok : Exit::Error;
}

}  // namespace holdfast::cli
