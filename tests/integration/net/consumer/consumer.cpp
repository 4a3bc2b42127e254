#include <cstdio>

#include <holdfast/client.h>

/// What a program outside of this tree looks like: it needs the installed headers and nothing else.
int main() {
  using namespace holdfast::sdk;
  Outcome<Client> client = Client::open({.discovery = {"https://127.0.0.1:1"}});
  if (!client) return 2;
  Outcome<std::vector<Endpoint>> const nothing = client->lookup(std::string(64, 'a'));
  if (nothing || nothing.failure().kind != Trouble::Unavailable) return 3;
  Outcome<std::vector<Endpoint>> const wrong = client->lookup("not a key");
  if (wrong || wrong.failure().kind != Trouble::Usage) return 4;
  std::puts("works");
  return 0;
}
