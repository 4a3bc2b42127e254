#include "discovery/server/list_files.h"

#include <fstream>
#include <sstream>
#include <utility>

namespace holdfast::discovery {

namespace {

constexpr std::size_t kListBytesMax = 8 * 1024 * 1024;

}  // namespace

Result<std::string> read_list_file(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Unexpected(ErrorCode::NotFound, "cannot read " + path);
  std::string text(kListBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kListBytesMax)
    return Unexpected(ErrorCode::LimitExceeded, path + " is too large");
  return text;
}

Result<IdList> read_id_list(std::string const& path) {
  if (path.empty()) return IdList{};
  Result<std::string> const text = read_list_file(path);
  if (!text) return Unexpected(text.error());
  Result<IdList> list = parse_id_list(*text);
  if (!list) return Unexpected(list.error().code, path + ": " + list.error().detail);
  return list;
}

Result<std::vector<std::string>> read_tokens(std::string const& path) {
  std::vector<std::string> tokens;
  if (path.empty()) return tokens;
  Result<std::string> const text = read_list_file(path);
  if (!text) return Unexpected(text.error());
  std::istringstream words(*text);
  for (std::string token; words >> token;) tokens.push_back(token);
  if (tokens.empty()) return Unexpected(ErrorCode::Malformed, path + ": holds no token");
  return tokens;
}

Result<std::vector<IpNetwork>> parse_networks(std::vector<std::string> const& texts,
                                              std::string const& flag) {
  std::vector<IpNetwork> out;
  for (std::string const& text : texts) {
    Result<IpNetwork> const network = parse_network_or_address(text);
    if (!network) return Unexpected(ErrorCode::Malformed, flag + ": " + network.error().detail);
    out.push_back(*network);
  }
  return out;
}

}  // namespace holdfast::discovery
