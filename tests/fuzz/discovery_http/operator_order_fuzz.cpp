// Property: whatever the body of an order is, the answer is 2xx or a problem that blames the client, and at most one thing changed.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/check.h"
#include "discovery/http/operator_routes.h"
#include "discovery/store/memory_store.h"

namespace {

using namespace holdfast;
using namespace holdfast::discovery;

constexpr std::array<char const*, 5> kOrders = {"ban", "unban", "drain", "quota", "invite"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  std::unique_ptr<RecordStore> const store = make_memory_store(StoreOptions{});
  Admission admission(*store, AdmissionOptions{});
  OperatorRoutes routes(*store, admission, [](HttpRequest&) { return HttpResponse{}; });
  Router router;
  routes.add_routes(router);
  HttpRequest request;
  request.method = "POST";
  request.path = std::string("/operator/") + kOrders[data[0] % kOrders.size()];
  request.target = request.path;
  request.body.assign(reinterpret_cast<char const*>(data) + 1, size - 1);
  HttpResponse const response = std::get<HttpResponse>(router.handle(request));
  HOLDFAST_CHECK(response.status / 100 == 2 || response.status / 100 == 4);
  HOLDFAST_CHECK(admission.bans().size() <= 1);
  return 0;
}
