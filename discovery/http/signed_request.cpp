#include "discovery/http/signed_request.h"

#include <string>
#include <string_view>
#include <utility>

#include "discovery/http/answers.h"

namespace holdfast::discovery {

namespace {

using registration::ProblemType;
using registration::SignatureHeaders;
using registration::SignatureInput;

SignedRequest refused(ProblemType type, std::string detail) {
  return {problem_document(type, std::move(detail)), {}};
}

/// Each of the three fields must be there exactly once.
std::optional<SignatureHeaders> fields_of(HttpRequest const& request) {
  for (char const* name : {"Content-Digest", "Signature-Input", "Signature"}) {
    if (request.headers.count(name) != 1) return std::nullopt;
  }
  SignatureHeaders fields;
  fields.content_digest = std::string(*request.headers.get("Content-Digest"));
  fields.signature_input = std::string(*request.headers.get("Signature-Input"));
  fields.signature = std::string(*request.headers.get("Signature"));
  return fields;
}

}  // namespace

SignedRequest check_signed_request(HttpRequest const& request, PublicKey const& id,
                                   OwnUrls const& own_urls) {
  std::optional<SignatureHeaders> const fields = fields_of(request);
  if (!fields) {
    return refused(ProblemType::BadSignature,
                   "Content-Digest, Signature-Input and Signature are needed, once each");
  }
  Result<SignatureInput> input = registration::parse_signature_input(fields->signature_input);
  if (!input) return refused(ProblemType::MalformedRequest, input.error().detail);
  if (input->params.key_id != id) {
    return refused(ProblemType::NotYours, "keyid is not the replicator of the path");
  }
  for (std::string const& base : own_urls.list()) {
    std::string const target = base + request.target;
    Result<void> const verified = registration::verify_request(
        {.method = request.method, .target_uri = target, .body = as_bytes(request.body)}, *fields,
        *input);
    if (verified) return {std::nullopt, std::move(input->params)};
    if (verified.error().code == ErrorCode::BadProof)
      return refused(ProblemType::BadDigest, verified.error().detail);
    if (verified.error().code != ErrorCode::BadSignature) {
      return refused(ProblemType::MalformedRequest, verified.error().detail);
    }
  }
  if (!own_urls.has_host(request.headers.get("Host").value_or(""))) {
    return refused(ProblemType::WrongTarget, "signed for none of this service's public URLs");
  }
  return refused(ProblemType::BadSignature, "the signature does not verify");
}

}  // namespace holdfast::discovery
