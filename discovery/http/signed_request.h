#pragma once

#include <optional>

#include "crypto/keys.h"
#include "discovery/http/own_urls.h"
#include "registration/http_signature.h"
#include "registration/problem.h"
#include "serve/message.h"

namespace holdfast::discovery {

/// A request whose signature holds, or the problem to answer. The nonce is not spent yet.
struct SignedRequest {
  std::optional<registration::ProblemDetails> problem;
  registration::SignatureParams params;  ///< Valid without a problem; key_id is then `id`.
};

/// Checks that `id` signed this request for one of `own_urls`.
/// Problems: bad-signature (missing, or by nobody's key for any URL of ours), malformed-request (a field cannot be
/// read), not-yours (another keyid), bad-digest, wrong-target (wrong, and Host is not ours).
/// Cost: at most OwnUrls::kCountMax signature checks.
SignedRequest check_signed_request(HttpRequest const& request, PublicKey const& id,
                                   OwnUrls const& own_urls);

}  // namespace holdfast::discovery
