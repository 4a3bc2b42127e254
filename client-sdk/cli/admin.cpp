#include <cstdio>
#include <optional>
#include <string>

#include <httplib.h>
#include <nlohmann/json.hpp>

#include "cli/settings.h"
#include "config/values.h"
#include "net/address.h"

namespace holdfast::cli {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kTokenBytesMax = 4'096;

Result<net::Address> admin_address(std::string text) {
  constexpr std::string_view kScheme = "http://";
  if (text.starts_with(kScheme)) text.erase(0, kScheme.size());
  if (text.ends_with('/')) text.pop_back();
  Result<net::Address> address = net::parse_address(text);
  if (!address) return Unexpected(ErrorCode::Malformed, "--admin: " + address.error().detail);
  return address;
}

Result<std::string> read_token(std::string const& path) {
  if (path.empty()) return Unexpected(ErrorCode::Malformed, "--token-file is needed for this");
  std::FILE* const file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return Unexpected(ErrorCode::NotFound, "cannot read " + path);
  std::string token(kTokenBytesMax, '\0');
  token.resize(std::fread(token.data(), 1, token.size(), file));
  std::fclose(file);
  return token.substr(0, token.find_first_of(" \t\r\n"));
}

/// One request to the admin port: what an action of the command line means.
struct Order {
  std::string path;
  std::optional<Json> body = std::nullopt;  ///< Nothing: GET.
};

Unexpected usage(char const* text) { return {ErrorCode::Malformed, text}; }

Result<Order> order_without_target(Arguments const& arguments) {
  if (arguments.action == "list") return Order{"/operator/replicators?limit=1000"};
  if (arguments.action == "bans") return Order{"/operator/bans"};
  if (arguments.action == "invite") {
    Json body = Json::object();
    if (arguments.life) body["seconds"] = arguments.life->count() / 1'000;
    return Order{"/operator/invite", body};
  }
  return usage("say what is meant: holdfast admin ACTION WHAT");
}

Result<Order> order_of(Arguments const& arguments) {
  std::string const& what = arguments.key;
  if (what.empty()) return order_without_target(arguments);
  if (arguments.action == "list") return Order{"/operator/replicators/" + what};
  if (arguments.action == "trace") return Order{"/operator/trace/" + what};
  if (arguments.action == "drain") return Order{"/operator/drain", Json{{"id", what}}};
  if (arguments.action == "undrain")
    return Order{"/operator/drain", Json{{"id", what}, {"drain", false}}};
  if (arguments.action == "unban") return Order{"/operator/unban", Json{{"what", what}}};
  if (arguments.action == "ban") {
    Json body{{"what", what}, {"reason", arguments.reason}};
    if (arguments.life) body["seconds"] = arguments.life->count() / 1'000;
    return Order{"/operator/ban", body};
  }
  if (arguments.action == "quota") {
    Json body{{"id", what}};
    if (arguments.keys) body["keys"] = *arguments.keys;
    return Order{"/operator/quota", body};
  }
  return usage("the actions are list, trace, drain, undrain, ban, unban, bans, quota and invite");
}

void print_replicators(Json const& list) {
  for (Json const& one : list) {
    std::string const reason = one.value("reason", "");
    std::printf("%s %-8s %6llu s %8llu keys %s%s\n", one.value("id", "").c_str(),
                one.value("listed", false) ? "listed" : "unlisted", one.value("expires_in", 0ULL),
                one.value("projects", 0ULL), one.value("observed_address", "").c_str(),
                reason.empty() ? "" : (" (" + reason + ")").c_str());
  }
}

void print_answer(Settings const& settings, Json const& answer) {
  int const indent = settings.json ? -1 : 2;
  if (!settings.json && answer.contains("replicators"))
    return print_replicators(answer.at("replicators"));
  if (!settings.json && answer.contains("invite")) {
    std::printf("%s\n", answer.value("invite", "").c_str());
    return;
  }
  std::printf("%s\n", answer.dump(indent, ' ', false, Json::error_handler_t::replace).c_str());
}

/// A member of a problem document; empty if it is not there or no text.
std::string member(Json const& problem, char const* name) {
  if (!problem.is_object()) return "";
  auto const found = problem.find(name);
  return found != problem.end() && found->is_string() ? found->get<std::string>() : "";
}

Exit explain(int status, std::string const& body, Arguments const& arguments) {
  if (status == 401) {
    return complain({ErrorCode::Denied,
                     "the token in " + arguments.token_file +
                         " was refused; it is the file admin-token in the state directory of the "
                         "service at " +
                         arguments.admin});
  }
  Json const problem = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  std::string detail = member(problem, "detail");
  if (status == 404 && detail.empty() && member(problem, "type").ends_with("not-found")) {
    return complain({ErrorCode::Denied, "what answers at " + arguments.admin +
                                            " is not the admin port of a discovery service"});
  }
  if (detail.empty()) detail = member(problem, "title");
  if (detail.empty()) detail = "the admin port answered " + std::to_string(status);
  if (status == 400) return complain({ErrorCode::Malformed, detail}), Exit::Usage;
  ErrorCode const code = status == 404   ? ErrorCode::NotFound
                         : status >= 500 ? ErrorCode::Unavailable
                                         : ErrorCode::Denied;
  return complain({code, detail});
}

Exit explain(httplib::Error error, Arguments const& arguments) {
  bool const is_away = error == httplib::Error::Connection;
  return complain({ErrorCode::Unavailable, is_away
                                               ? "no program answers at " + arguments.admin
                                               : "what listens at " + arguments.admin +
                                                     " does not answer; is that the admin port?"});
}

}  // namespace

Exit admin(Settings const& settings, Arguments const& arguments) {
  Result<net::Address> const at = admin_address(arguments.admin);
  if (!at) return complain(at.error()), Exit::Usage;
  Result<Order> const order = order_of(arguments);
  if (!order) return complain(order.error()), Exit::Usage;
  httplib::Client client(at->host, at->port);
  client.set_connection_timeout(settings.timeout);
  client.set_read_timeout(settings.timeout);
  httplib::Headers headers;
  if (order->body) {
    Result<std::string> const token = read_token(arguments.token_file);
    if (!token) return complain(token.error()), Exit::Usage;
    headers.emplace("Authorization", "Bearer " + *token);
  }
  httplib::Result const answer =
      order->body ? client.Post(order->path.c_str(), headers,
                                order->body->dump(-1, ' ', false, Json::error_handler_t::replace),
                                "application/json")
                  : client.Get(order->path.c_str());
  if (!answer) return explain(answer.error(), arguments);
  if (answer->status / 100 != 2) return explain(answer->status, answer->body, arguments);
  Json const body = Json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
  if (body.is_object()) print_answer(settings, body);
  return Exit::Ok;
}

}  // namespace holdfast::cli
