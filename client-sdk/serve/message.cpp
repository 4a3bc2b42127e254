#include "serve/message.h"

#include <algorithm>
#include <cctype>

namespace holdfast {

namespace {

bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  return std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

}  // namespace

void HeaderList::add(std::string name, std::string value) {
  fields_.emplace_back(std::move(name), std::move(value));
}

void HeaderList::set(std::string name, std::string value) {
  std::erase_if(fields_, [&name](auto const& field) { return same_name(field.first, name); });
  add(std::move(name), std::move(value));
}

std::optional<std::string_view> HeaderList::get(std::string_view name) const {
  for (auto const& [field, value] : fields_) {
    if (same_name(field, name)) return value;
  }
  return std::nullopt;
}

std::size_t HeaderList::count(std::string_view name) const {
  auto const hits = std::count_if(fields_.begin(), fields_.end(), [name](auto const& field) {
    return same_name(field.first, name);
  });
  return static_cast<std::size_t>(hits);
}

std::optional<std::string_view> FastRequest::header(std::string_view name) const {
  for (FieldView const& field : fields) {
    if (same_name(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::optional<std::string> HttpRequest::query_value(std::string const& name) const {
  auto const found = query.find(name);
  if (found == query.end()) return std::nullopt;
  return found->second;
}

HttpOutcome with_response(HttpOutcome outcome, std::function<void(HttpResponse&)> change) {
  if (HttpResponse* const response = std::get_if<HttpResponse>(&outcome)) change(*response);
  if (Later* const later = std::get_if<Later>(&outcome)) {
    later->finish = [finish = std::move(later->finish), change = std::move(change)] {
      HttpResponse response = finish();
      change(response);
      return response;
    };
  }
  return outcome;
}

}  // namespace holdfast
