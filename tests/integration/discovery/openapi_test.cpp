#include <fstream>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "integration/discovery/process.h"
#include "registration/api.h"

namespace holdfast::test {
namespace {

using Operation = std::pair<std::string, std::string>;  ///< "get", "/replicators/{id}".
using Documented =
    std::map<Operation, std::set<int>>;  ///< With the status codes that are documented.

std::size_t indent_of(std::string const& line) { return line.find_first_not_of(' '); }

/// Reads paths, methods and status codes of docs/api/openapi.yaml, which keeps to one way of writing them: paths are
/// indented by two, methods by four, status codes by eight; one list may be an alias of an earlier one.
Documented documented() {
  std::ifstream file(HOLDFAST_OPENAPI);
  Documented out;
  std::map<std::string, std::set<int>> named;
  std::string path;
  std::string method;
  std::string name;
  for (std::string line; std::getline(file, line) && line != "components:";) {
    if (line.empty()) continue;
    std::string const text = line.substr(indent_of(line));
    if (indent_of(line) == 2 && text[0] == '/') path = text.substr(0, text.find(':'));
    if (indent_of(line) == 4 && text.back() == ':') method = text.substr(0, text.size() - 1);
    if (method == "parameters") continue;
    if (indent_of(line) == 6 && text.starts_with("responses:")) {
      std::size_t const mark = text.find_first_of("&*");
      name = mark == std::string::npos ? "" : text.substr(mark + 1);
      if (mark != std::string::npos && text[mark] == '*') out[{method, path}] = named[name];
    }
    if (indent_of(line) == 8 && text[0] == '"') {
      int const status = std::stoi(text.substr(1, 3));
      out[{method, path}].insert(status);
      if (!name.empty()) named[name].insert(status);
    }
  }
  return out;
}

class OpenApi : public testing::Test {
 protected:
  /// Holds one exchange against the document.
  void check(std::string const& method, std::string const& path, httplib::Result const& answer,
             int expected) {
    ASSERT_TRUE(answer) << method << path;
    EXPECT_EQ(answer->status, expected) << method << path << answer->body;
    auto const found = pages.find({method, path});
    ASSERT_NE(found, pages.end()) << method << " " << path << " is not documented";
    EXPECT_TRUE(found->second.contains(answer->status))
        << method << " " << path << ": " << answer->status << " is not documented";
    met.insert({method, path});
    if (answer->body.empty()) return;
    std::string const type = answer->get_header_value("Content-Type");
    EXPECT_EQ(type, answer->status < 400 ? "application/json" : "application/problem+json")
        << method << path;
    EXPECT_TRUE(nlohmann::json::accept(answer->body)) << method << path;
    if (answer->status == 429 || answer->status == 503) {
      EXPECT_TRUE(answer->has_header("Retry-After")) << method << path;
    }
  }
  httplib::Result get(std::string const& path) { return discovery.https().Get(path.c_str()); }

  Documented const pages = documented();
  std::set<Operation> met;
  Discovery const discovery;
  Node const node{1};
};

TEST_F(OpenApi, EveryOperationDoesWhatIsDocumented) {
  ASSERT_GE(pages.size(), 14u);
  std::string const sync = sync_path(project_key(7));
  std::string const unknown(64, 'a');
  std::string const id = "/replicators/{id}";

  check("get", "/", get("/"), 200);
  check("get", "/v1/info", get("/v1/info"), 200);
  check("get", "/nonce", get("/nonce"), 200);
  check("get", "/whoami", get("/whoami"), 200);
  check("get", "/replicators", get("/replicators"), 200);
  check("get", "/replicators", get("/replicators?limit=0"), 400);
  check("get", id, get("/replicators/" + unknown), 404);
  check("get", id, get("/replicators/x"), 400);

  check("put", id, node.send(discovery, "PUT", "", "{"), 400);
  check("put", id, node.send(discovery, "PUT", "", "{}", "none"), 401);
  check("put", id, node.register_at(discovery, 2), 200);
  check("put", id, node.register_at(discovery, 1), 409);
  check("get", id, get(node.path()), 200);

  check("post", id + "/renew", node.send(discovery, "POST", "/renew", "{}"), 200);
  check("post", id + "/renew", Node(2).send(discovery, "POST", "/renew", "{}"), 404);
  check("post", id + "/projects", node.list_project(discovery, project_key(7)), 200);
  check("post", id + "/projects", Node(2).list_project(discovery, project_key(7)), 404);
  check("get", id + "/assignments", node.send(discovery, "GET", "/assignments", ""), 200);
  check("get", id + "/assignments", get(node.path() + "/assignments"), 401);

  std::string const key = "/project/{key}/sync";
  check("get", key, get(sync), 200);
  check("post", key, discovery.https().Post(sync.c_str(), "", "application/json"), 200);
  check("get", key, get("/project/" + unknown + "/sync"), 404);
  check("get", key, get("/project/x/sync"), 400);
  check("get", key, get("/project/" + project_key(7).hex() + "/sync"), 400);
  std::string const peers = "/project/" + discovery_key_of(project_key(7)).hex() + "/peers";
  auto const announce = [&](char const* body) {
    return discovery.https().Post(peers.c_str(), body, "application/json");
  };
  check("post", "/project/{key}/peers", announce(R"({"port":4838})"), 200);
  check("post", "/project/{key}/peers", announce("{}"), 400);

  check("delete", id, node.send(discovery, "DELETE", "", ""), 204);
  check("delete", id, node.send(discovery, "DELETE", "", ""), 404);

  for (auto const& [operation, statuses] : pages)
    EXPECT_TRUE(met.contains(operation)) << operation.first << " " << operation.second;
}

TEST_F(OpenApi, EveryRouteThatTheServiceNamesIsDocumented) {
  nlohmann::json const told = nlohmann::json::parse(get("/")->body);
  for (std::string const route : told["routes"]) {
    std::string const path = route.substr(route.find(' ') + 1);
    std::string methods = route.substr(0, route.find(' ')) + "|";
    for (std::size_t bar = 0; (bar = methods.find('|')) != std::string::npos;) {
      std::string method = methods.substr(0, bar);
      methods.erase(0, bar + 1);
      for (char& letter : method) letter = static_cast<char>(std::tolower(letter));
      EXPECT_TRUE(pages.contains({method, path})) << route;
    }
  }
}

TEST_F(OpenApi, ARefusedSelfTestIsDocumented) {
  Discovery const strict({"--self-test", "on"});
  auto const answer = node.register_at(strict);
  check("put", "/replicators/{id}", answer, 422);
  EXPECT_EQ(problem_of(answer), "refused-address");
}

}  // namespace
}  // namespace holdfast::test
