#include "discovery/http/id_list.h"

#include <algorithm>
#include <string>

#include "codec/key_text.h"

namespace holdfast::discovery {

namespace {

std::string_view trimmed(std::string_view line) {
  line = line.substr(0, line.find('#'));
  std::size_t const first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

}  // namespace

bool IdList::has(PublicKey const& id, std::optional<IpAddress> const& source) const {
  if (ids.contains(id)) return true;
  return source && std::any_of(networks.begin(), networks.end(),
                               [&](IpNetwork const& network) { return network.contains(*source); });
}

Result<IpNetwork> parse_network_or_address(std::string_view text) {
  std::optional<IpAddress> const address = IpAddress::parse(text);
  if (!address) return IpNetwork::parse(text);
  return IpNetwork::parse(to_string(*address) + (address->is_v4() ? "/32" : "/128"));
}

Result<IdList> parse_id_list(std::string_view text) {
  IdList list;
  for (std::size_t number = 1; !text.empty(); ++number) {
    std::string_view const line = trimmed(text.substr(0, text.find('\n')));
    std::size_t const end = text.find('\n');
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (line.empty()) continue;
    if (list.ids.size() + list.networks.size() >= IdList::kEntriesMax)
      return Unexpected(ErrorCode::LimitExceeded, "the list is too long");
    if (Result<PublicKey> const id = parse_key_as<PublicKey>(std::string(line)); id) {
      list.ids.insert(*id);
      continue;
    }
    Result<IpNetwork> const network = parse_network_or_address(line);
    if (!network) {
      return Unexpected(ErrorCode::Malformed,
                        "line " + std::to_string(number) + " is no id, address or CIDR range");
    }
    list.networks.push_back(*network);
  }
  return list;
}

}  // namespace holdfast::discovery
