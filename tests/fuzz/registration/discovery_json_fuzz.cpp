// Property: a body that was read is within its bounds, and reading what is written of it gives the same again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "registration/api.h"
#include "registration/problem.h"

namespace {

using namespace holdfast;
using namespace holdfast::registration;

template <typename Body>
void check_round_trip(Result<Body> const& body, Result<Body> (*read)(std::string_view)) {
  if (!body) return;
  auto const again = read(to_json(*body));
  HOLDFAST_CHECK(again.ok() && *again == *body);
}

void check_lists(std::string_view text) {
  if (auto const list = replicator_list_from_json(text)) {
    HOLDFAST_CHECK(list->replicators.size() <= kListedReplicatorsMax);
  }
  if (auto const info = replicator_info_from_json(text)) {
    HOLDFAST_CHECK(check_record(info->record).ok());
  }
  if (auto const problem = problem_from_json(text, 500)) {
    HOLDFAST_CHECK(problem_from_json(to_json(*problem), 500).ok());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text(reinterpret_cast<char const*>(data), size);
  auto const projects = projects_request_from_json(text);
  if (projects) HOLDFAST_CHECK(projects->add.size() + projects->remove.size() <= kBatchKeysMax);
  check_round_trip(projects, projects_request_from_json);
  auto const listed = projects_answer_from_json(text);
  if (listed) HOLDFAST_CHECK(listed->refused.size() <= kBatchKeysMax);
  check_round_trip(listed, projects_answer_from_json);
  check_round_trip(lookup_answer_from_json(text), lookup_answer_from_json);
  check_round_trip(renew_request_from_json(text), renew_request_from_json);
  check_round_trip(lease_answer_from_json(text), lease_answer_from_json);
  check_round_trip(assignments_answer_from_json(text), assignments_answer_from_json);
  if (auto const request = registration_request_from_json(text)) {
    HOLDFAST_CHECK(request->record.size() <= kSignedRecordBytesMax);
  }
  check_lists(text);
  return 0;
}
