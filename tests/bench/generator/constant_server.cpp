/// Serves one constant answer by HTTPS, so that the transport's cost can be told from that of what it carries.
/// `constant_server CERTIFICATE KEY BODY_BYTES fast|general` prints its port and ends with stdin.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "serve/certificate.h"
#include "serve/router.h"
#include "serve/server.h"

int main(int argc, char** argv) {
  using namespace holdfast;
  if (argc != 5) return 2;
  std::string const body(static_cast<std::size_t>(std::atoi(argv[3])), 'x');
  Router router;
  router.add("GET", "/project/{key}/sync",
             [&body](HttpRequest const&) {
               HttpResponse response;
               response.headers.add("Cache-Control", "no-store");
               response.body = body;
               return response;
             },
             {.cors = true, .on_loop = true});
  if (std::string(argv[4]) == "fast") {
    router.add_fast("GET", "/project/{key}/sync",
                    [&body](FastRequest const&, FastResponse& response) {
                      response.headers.append("Cache-Control: no-store\r\n");
                      response.body.append(body);
                      return FastOutcome::Answered;
                    });
  }
  Result<CertificateFiles> const files = load_certificate(argv[1], argv[2]);
  if (!files) return 1;
  ServerOptions options;
  options.certificate = *files;
  HttpServer server(router, options);
  if (Result<void> const started = server.start(); !started) return 1;
  std::printf("port %d\n", server.port());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  server.stop(std::chrono::milliseconds(0));
  return 0;
}
