#include "discovery/directory/replicator_row.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "crypto/hash.h"
#include "registration/api.h"
#include "registration/base64.h"

namespace holdfast::discovery {

namespace {

using registration::AddressKind;

constexpr std::int64_t kLeastLeftMs = 1'000;  // Less rounds down to nothing.

/// What a text says, before its size is known.
struct Rendered {
  std::string json;
  std::size_t common_bytes = 0;
  std::array<RowText::Address, registration::kAddressesMax> addresses{};
  std::uint16_t address_count = 0;
};

/// Appends one address, unless nobody could dial it.
void render(registration::Address const& address, std::string const& observed_host, Rendered& out) {
  std::string host = address.host.empty() ? observed_host : address.host;
  std::uint16_t port = address.port;
  if (address.kind == AddressKind::WebSocket) {
    Result<registration::HostPort> const target = registration::host_of_url(address.url);
    if (!target) return;
    host = target->host;
    port = target->port;
  }
  if (!registration::is_host(host) || out.address_count == out.addresses.size()) return;
  std::size_t const begin = out.json.size();
  out.json += "\"host\":";
  append_json_text(out.json, host);
  out.json += ",\"port\":" + std::to_string(port);
  std::size_t const where_bytes = out.json.size() - begin;
  out.json += ",\"transport\":";
  append_json_text(out.json, registration::transport_name(address.kind));
  if (address.kind == AddressKind::WebSocket) {
    out.json += ",\"url\":";
    append_json_text(out.json, address.url);
  }
  out.addresses[out.address_count++] = {
      .kind = address.kind,
      .begin = static_cast<std::uint16_t>(begin),
      .bytes = static_cast<std::uint16_t>(out.json.size() - begin),
      .where_bytes = static_cast<std::uint16_t>(where_bytes)};
}

Rendered render(registration::Record const& record, ReplicatorEntry const& entry) {
  Rendered out;
  out.json = ",\"replicator\":\"" + entry.id.hex() + "\",\"region\":";
  append_json_text(out.json, record.region);
  out.json += ",\"record\":\"" + registration::to_base64url(entry.signed_record) + '"';
  out.common_bytes = out.json.size();
  for (registration::Address const& address : record.addresses) {
    render(address, entry.observed_host, out);
  }
  // A record is at most 4 KiB, so that all of it is far below 64 KiB.
  HOLDFAST_CHECK(out.json.size() <= 0xffff);
  return out;
}

}  // namespace

void append_json_text(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (char const c : text) {
    auto const byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte >= 0x7f) {
      out += "\\u00";  // Latin-1; records hold nothing but printable ASCII.
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void RowTextFree::operator()(RowText const* text) const {
  std::size_t const bytes = text->block_bytes();
  text->~RowText();
  memory->deallocate(const_cast<RowText*>(text), bytes, alignof(RowText));
}

RowTextPtr RowText::make(ReplicatorEntry const& entry, std::pmr::memory_resource& memory) {
  Result<registration::SignedRecord> const opened = registration::open_record(entry.signed_record);
  if (!opened || opened->record.id != entry.id) return nullptr;
  registration::Record const& record = opened->record;
  Rendered const rendered = render(record, entry);
  void* const block = memory.allocate(sizeof(RowText) + rendered.json.size(), alignof(RowText));
  auto* const out = new (block) RowText;
  out->json_bytes = static_cast<std::uint32_t>(rendered.json.size());
  RowTextPtr owner(out, {&memory});
  std::memcpy(static_cast<Byte*>(block) + sizeof(RowText), rendered.json.data(),
              rendered.json.size());
  out->common_bytes = static_cast<std::uint16_t>(rendered.common_bytes);
  out->addresses = rendered.addresses;
  out->address_count = rendered.address_count;
  out->id = entry.id;
  std::memcpy(&out->hash, blake2b({as_bytes(rendered.json)}).data(), sizeof out->hash);
  out->weight = weight_of_capacity(record.capacity);
  out->capacity = record.capacity;
  out->region = record.region;
  out->group = record.group;
  out->accept = record.accept;
  out->record = entry.signed_record;
  out->observed_host = entry.observed_host;
  return owner;
}

std::int64_t end_of(Row const& row, Judgement const& judgement) {
  std::int64_t const lease_end = row.lease_end_ms.load(std::memory_order_relaxed);
  if (judgement.guard_ms == 0) return lease_end;
  std::int64_t const last_pass = row.last_pass_ms.load(std::memory_order_relaxed);
  return last_pass == 0 ? lease_end : std::max(lease_end, last_pass + judgement.guard_ms);
}

Verdict standing_of(Row const& row, Judgement const& judgement) {
  std::uint32_t const flags = row.flags.load(std::memory_order_relaxed);
  if (end_of(row, judgement) - judgement.now_ms < kLeastLeftMs) return Verdict::LeaseRanOut;
  if ((flags & Row::kDraining) != 0) return Verdict::Draining;
  if ((flags & Row::kTestFailed) != 0) return Verdict::TestFailed;
  if ((flags & Row::kTestPassed) == 0) return Verdict::NotTested;
  if ((flags & Row::kOut) != 0 && !judgement.is_panic) return Verdict::Unhealthy;
  return Verdict::Chosen;
}

}  // namespace holdfast::discovery
