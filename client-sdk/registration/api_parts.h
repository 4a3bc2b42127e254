#pragma once

#include "base/result.h"
#include "registration/api.h"
#include "registration/json.h"

// Parts of API bodies that several bodies share. For the .cpp files of this folder only.
namespace holdfast::registration {

Json proof_to_json(KeyholderProof const& proof);
/// Errors: Malformed, LimitExceeded. The signature is not checked.
Result<KeyholderProof> proof_from_json(Json const& value);

}  // namespace holdfast::registration
