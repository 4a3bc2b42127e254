#include "discovery/directory/answer_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <span>

#include "registration/api.h"

namespace holdfast::discovery {

namespace {

constexpr std::uint32_t kStep = 2;  // Towards the region wished.
constexpr std::uint32_t kBusy = 1;

struct HexPairs {
  std::array<std::array<char, 2>, 256> pairs{};
  constexpr HexPairs() {
    constexpr char kDigits[] = "0123456789abcdef";
    for (std::size_t i = 0; i < 256; ++i) pairs[i] = {kDigits[i >> 4], kDigits[i & 15]};
  }
};
constexpr HexPairs kHex;

void append_hex(std::string& out, ByteView bytes) {
  std::size_t const at = out.size();
  out.resize(at + bytes.size() * 2);
  char* to = out.data() + at;
  for (Byte const byte : bytes) {
    std::memcpy(to, kHex.pairs[byte].data(), 2);
    to += 2;
  }
}

void append_number(std::string& out, std::uint64_t number) {
  std::array<char, 20> digits{};
  auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

bool is_proof_over(HostingView const& lines, std::size_t line, Judgement const& judgement) {
  return lines.proof_expires(line) <= static_cast<std::uint64_t>(judgement.now_ms) / 1'000;
}

bool matches_keyholder(HostingView const& lines, std::size_t line, AnswerWish const& wish,
                       Judgement const& judgement) {
  if (wish.keyholder == nullptr) return true;
  return lines.has_proof(line) &&
         std::memcmp(lines.keyholder(line).data(), wish.keyholder->data(), 32) == 0 &&
         !is_proof_over(lines, line, judgement);
}

bool speaks(RowText const& text, AnswerWish const& wish) {
  std::span<RowText::Address const> const all = text.all_addresses();
  return !wish.transport || std::any_of(all.begin(), all.end(), [&](auto const& address) {
    return address.kind == *wish.transport;
  });
}

RankedLine rank(Row const& row, RowText const& text, std::size_t line, AnswerWish const& wish,
                Judgement const& judgement) {
  RankedLine out{.line = line, .row = &row, .text = &text};
  out.left_ms = end_of(row, judgement) - judgement.now_ms;
  out.cost = cost_of(wish.key_seed, row.seed, text.weight);
  if (wish.region != nullptr) out.behind += kStep * wish.region->steps_to(text.region);
  if ((row.flags.load(std::memory_order_relaxed) & Row::kBusy) != 0) out.behind += kBusy;
  return out;
}

bool comes_before(RankedLine const& a, RankedLine const& b) {
  if (a.behind != b.behind) return a.behind < b.behind;
  if (a.cost != b.cost) return a.cost < b.cost;
  return a.text->id < b.text->id;
}

void append_proof(std::string& out, HostingView const& lines, std::size_t line) {
  out += ",\"proof\":{\"keyholder\":\"";
  append_hex(out, lines.keyholder(line));
  out += "\",\"expires\":";
  append_number(out, lines.proof_expires(line));
  out += ",\"signature\":\"";
  append_hex(out, lines.signature(line));
  out += "\"}";
}

std::uint64_t first_word(ByteView bytes) {
  std::uint64_t out = 0;
  std::memcpy(&out, bytes.data(), sizeof out);
  return out;
}

void append_endpoint(std::string& out, HostingView const& lines, RankedLine const& line,
                     RowText::Address const& address, bool with_proof) {
  out += '{';
  out += line.text->of(address);
  out += line.text->common();
  out += ",\"expires_in\":";
  append_number(out, static_cast<std::uint64_t>(line.left_ms / 1'000));
  if (with_proof) append_proof(out, lines, line.line);
  out += '}';
}

/// A key that was not asked for lately waits for memory: let the waits for its replicators overlap.
void prefetch(HostingView const& lines, ReplicatorTable const& table) {
  constexpr std::size_t kLinesMax = 4;
  std::size_t const count = std::min(lines.size(), kLinesMax);
  for (std::size_t i = 1; i < count; ++i) table.prefetch(lines.row(i));
  for (std::size_t i = 0; i < count; ++i) {
    table.prefetch_text(lines.row(i));
  }
}

}  // namespace

WrittenAnswer AnswerWriter::write(HostingView const& lines, ReplicatorTable const& table,
                                  AnswerWish const& wish, Judgement const& judgement,
                                  std::string& out) {
  WrittenAnswer done;
  ranked_.clear();
  prefetch(lines, table);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    Row const& row = table.at(lines.row(i));
    RowText const* const text = row.text.load(std::memory_order_acquire);
    if (text == nullptr || row.generation.load(std::memory_order_relaxed) != lines.generation(i)) {
      continue;
    }
    if (!matches_keyholder(lines, i, wish, judgement)) continue;
    done.is_known = true;
    if (standing_of(row, judgement) == Verdict::Chosen) {
      ranked_.push_back(rank(row, *text, i, wish, judgement));
    }
  }
  if (ranked_.size() > 1) std::sort(ranked_.begin(), ranked_.end(), comes_before);

  for (RankedLine const& line : ranked_) {
    bool const with_proof =
        lines.has_proof(line.line) && !is_proof_over(lines, line.line, judgement);
    std::uint64_t const left_s = static_cast<std::uint64_t>(line.left_ms / 1'000);
    for (std::size_t i = 0; i < line.text->address_count; ++i) {
      RowText::Address const& address = line.text->addresses[i];
      if (wish.transport && *wish.transport != address.kind) continue;
      if (done.endpoints == registration::kEndpointsMax) break;
      if (done.endpoints == 0) {
        out += '{';
        out += line.text->of(address).substr(0, address.where_bytes);
        out += ",\"expires_in\":";
        append_number(out, left_s);
        out += ",\"endpoints\":[";
        done.first_left_s = left_s;
        done.least_left_s = left_s;
      } else {
        out += ',';
      }
      append_endpoint(out, lines, line, address, with_proof);
      done.hash = mix(done.hash + i + 1 + line.text->hash);
      if (with_proof) {
        done.hash = mix(done.hash ^ first_word(lines.signature(line.line)) ^
                        lines.proof_expires(line.line));
      }
      done.least_left_s = std::min(done.least_left_s, left_s);
      ++done.endpoints;
    }
  }
  if (done.endpoints > 0) out += "]}";
  return done;
}

std::vector<TraceLine> trace_lines(HostingView const& lines, ReplicatorTable const& table,
                                   AnswerWish const& wish, Judgement const& judgement) {
  std::vector<RankedLine> ranked;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    Row const& row = table.at(lines.row(i));
    RowText const* const text = row.text.load(std::memory_order_acquire);
    if (text == nullptr || row.generation.load(std::memory_order_relaxed) != lines.generation(i)) {
      continue;
    }
    ranked.push_back(rank(row, *text, i, wish, judgement));
  }
  std::sort(ranked.begin(), ranked.end(), comes_before);
  std::vector<TraceLine> out;
  std::size_t endpoints = 0;
  for (RankedLine const& line : ranked) {
    TraceLine trace{.id = line.text->id, .region = line.text->region, .group = line.text->group};
    trace.weight = line.text->weight;
    trace.cost = line.cost;
    trace.load_permille = line.row->load_permille.load(std::memory_order_relaxed);
    trace.is_busy = (line.behind & kBusy) != 0;
    trace.expires_in_s = line.left_ms < 0 ? 0 : static_cast<std::uint64_t>(line.left_ms / 1'000);
    trace.verdict = standing_of(*line.row, judgement);
    if (!matches_keyholder(lines, line.line, wish, judgement)) trace.verdict = Verdict::NoProof;
    if (trace.verdict == Verdict::Chosen && !speaks(*line.text, wish)) {
      trace.verdict = Verdict::NoTransport;
    }
    if (trace.verdict == Verdict::Chosen && endpoints >= registration::kEndpointsMax) {
      trace.verdict = Verdict::Outranked;
    }
    if (trace.verdict == Verdict::Chosen) endpoints += line.text->address_count;
    out.push_back(std::move(trace));
  }
  std::stable_partition(out.begin(), out.end(),
                        [](TraceLine const& line) { return line.verdict == Verdict::Chosen; });
  return out;
}

}  // namespace holdfast::discovery
