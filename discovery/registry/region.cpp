#include "discovery/registry/region.h"

namespace holdfast::discovery {

namespace {

char lower(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

bool is_known(std::array<char, 2> const& code) { return code[0] != '\0'; }

bool matches(std::string_view region, std::array<char, 2> const& code) {
  return region.size() == 2 && is_known(code) && lower(region[0]) == code[0] &&
         lower(region[1]) == code[1];
}

}  // namespace

std::string_view text_of(std::array<char, 2> const& code) {
  return is_known(code) ? std::string_view(code.data(), code.size()) : std::string_view{};
}

std::uint32_t RegionWish::steps_to(std::string_view region) const {
  if (!label.empty()) return region == label ? 0 : 1;
  if (matches(region, guessed.country)) return 0;
  if (matches(region, guessed.continent)) return 1;
  return is_known(guessed.country) || is_known(guessed.continent) ? 2 : 0;
}

}  // namespace holdfast::discovery
