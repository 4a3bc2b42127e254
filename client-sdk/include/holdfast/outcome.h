#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace holdfast::sdk {

/// What kind of thing went wrong; programs react to it, people read Failure::text.
enum class Trouble {
  Usage,        ///< An argument cannot be understood.
  NotFound,     ///< Nobody is registered for the key, or the block is not here.
  Unavailable,  ///< Not now: a service or node cannot be reached or cannot serve.
  Refused,      ///< A certificate, signature or policy said no.
  Storage,      ///< The disk or what is on it.
};

struct Failure {
  Trouble kind = Trouble::Unavailable;
  std::string text;  ///< One sentence.
};

/// A value, or why there is none. Reading the side that is not there throws std::bad_variant_access.
template <typename T>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : state_(std::in_place_index<0>, std::move(value)) {}            // NOLINT
  Outcome(Failure failure) : state_(std::in_place_index<1>, std::move(failure)) {}  // NOLINT

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() { return std::get<0>(state_); }
  T const& operator*() const { return std::get<0>(state_); }
  T* operator->() { return &std::get<0>(state_); }
  Failure const& failure() const { return std::get<1>(state_); }

 private:
  std::variant<T, Failure> state_;
};

}  // namespace holdfast::sdk
