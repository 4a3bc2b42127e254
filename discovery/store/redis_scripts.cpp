#include "discovery/store/redis_scripts.h"

#include <array>
#include <cstdio>

#include <boost/uuid/detail/sha1.hpp>

namespace holdfast::discovery {

namespace {

constexpr std::string_view kClock = R"lua(
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local function is_late(sent) return tonumber(sent) > 0 and now - tonumber(sent) > 2000 end
local function num(n) return struct.pack('>I6', n) end
)lua";

// KEYS[1] is the record of a replicator, ARGV[1] the channel.
// A generation is the time in 1/32 ms: one that leaves and comes back within the same millisecond gets another one, and
// 47 bits last until 2109.
constexpr std::string_view kRecord = R"lua(
local function new_generation() return tonumber(clock[1]) * 32000 + math.floor(tonumber(clock[2]) * 32 / 1000) end
local function tell_entry()
  local r = redis.call('HMGET', KEYS[1], 'i', 'e', 'g', 's', 'l', 'y', 'h', 'r')
  redis.call('PUBLISH', ARGV[1], 'E' .. r[1] .. num(now) .. num(tonumber(r[2])) .. num(tonumber(r[3])) .. r[4]
    .. struct.pack('>I2', #r[5]) .. r[5] .. struct.pack('>I2', #r[6]) .. r[6] .. struct.pack('>I2', #r[7]) .. r[7]
    .. r[8])
end
local function tell_renewed(id, lease_end, state, load)
  redis.call('PUBLISH', ARGV[1], 'R' .. id .. num(now) .. num(lease_end) .. state .. load)
end
local function is_live()
  local lease_end = redis.call('HGET', KEYS[1], 'e')
  return lease_end and tonumber(lease_end) > now
end
)lua";

// KEYS[…]: used nonces. At most so many: who signs more within their life is told to wait. Those whose life is over are
// removed only when some have gathered, which saves each renewal two commands. The set lives longer than any nonce.
constexpr std::string_view kNonces = R"lua(
local function spend(key, name, life)
  local ends = now + tonumber(life)
  if redis.call('ZADD', key, 'NX', ends, name) == 0 then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    if redis.call('ZADD', key, 'NX', ends, name) == 0 then return 'used' end
  end
  if redis.call('ZCARD', key) > 16 then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    if redis.call('ZCARD', key) > 4096 then
      redis.call('ZREM', key, name)
      return 'busy'
    end
  end
  redis.call('PEXPIRE', key, math.max(tonumber(life), 3600000))
  return 'ok'
end
)lua";

// KEYS: record, index, assignments, ends
// ARGV: channel, sent, id, record, seq, host, lease, forget_after, health, secret
constexpr std::string_view kPut = R"lua(
if is_late(ARGV[2]) then return {now, 'late'} end
local id, record, forget_after = ARGV[3], ARGV[4], tonumber(ARGV[8])
local kept = redis.call('HMGET', KEYS[1], 'i', 'r', 'q', 'e', 'g', 'y')
if kept[1] and tonumber(kept[4]) + forget_after <= now then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
  kept = {}
end
local status, health, generation = 'stored', ARGV[9], new_generation()
if kept[1] then
  if kept[1] ~= id then return {now, 'taken'} end
  if kept[2] == record then
    status, health = 'unchanged', kept[6]
  elseif tonumber(ARGV[5]) <= tonumber(kept[3]) then
    return {now, 'conflict', redis.call('SCARD', KEYS[2]), kept[6], kept[2]}
  end
  generation = kept[5]
else
  redis.call('HSET', KEYS[1], 'i', id, 'g', generation, 'l', '')
end
redis.call('HSET', KEYS[1], 'r', record, 'q', ARGV[5], 'h', ARGV[6], 's', '0', 'e', now + tonumber(ARGV[7]),
  'y', health, 'n', ARGV[10])
tell_entry()
return {now, status, redis.call('SCARD', KEYS[2]), health}
)lua";

// KEYS: of each renewal: record, index, used nonces
// ARGV: channel, sent, lease; of each: id, state, load, secret, nonce or empty, its life
// One that fails leaves the others alone.
constexpr std::string_view kRenew = R"lua(
if is_late(ARGV[2]) then return {now, 'late'} end
local lease_end = now + tonumber(ARGV[3])
local function renew(record, index, nonces, at)
  local id, state, load, secret, nonce = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local kept = redis.call('HMGET', record, 'i', 'e', 'n', 'y', 'g')
  if nonce ~= '' then
    if kept[1] and kept[3] ~= secret then return {'other'} end
    local spent = spend(nonces, nonce, ARGV[at + 5])
    if spent ~= 'ok' then return {spent} end
  end
  if kept[1] ~= id or tonumber(kept[2]) <= now then return {'none'} end
  redis.call('HSET', record, 's', state, 'l', load, 'e', lease_end)
  tell_renewed(id, lease_end, state, load)
  return {'ok', redis.call('SCARD', index), kept[4], kept[5]}
end
local out = {now, 'ok'}
for i = 1, #KEYS / 3 do
  local is_done, result = pcall(renew, KEYS[3 * i - 2], KEYS[3 * i - 1], KEYS[3 * i], 6 * i - 2)
  out[i + 2] = is_done and result or {'failed'}
end
return out
)lua";

// KEYS: record. ARGV: channel, sent, id, health
constexpr std::string_view kSetHealth = R"lua(
if is_late(ARGV[2]) then return {now, 'late'} end
if redis.call('HGET', KEYS[1], 'i') ~= ARGV[3] then return {now, 'none'} end
redis.call('HSET', KEYS[1], 'y', ARGV[4])
tell_entry()
return {now, 'ok'}
)lua";

// KEYS: record. ARGV: channel, sent, when the outage began, how long it was, lease
// A lease that was over before the outage, or that was renewed since, is left alone.
constexpr std::string_view kExtend = R"lua(
if is_late(ARGV[2]) then return {now, 'late'} end
local kept = redis.call('HMGET', KEYS[1], 'i', 'e', 's', 'l')
if not kept[1] then return {now, 'none'} end
local before = tonumber(kept[2])
local lease_end = math.min(before + tonumber(ARGV[4]), now + tonumber(ARGV[5]))
if before <= tonumber(ARGV[3]) or lease_end <= before then return {now, 'same'} end
redis.call('HSET', KEYS[1], 'e', lease_end)
tell_renewed(kept[1], lease_end, kept[3], kept[4])
return {now, 'ok'}
)lua";

// KEYS: record, index, assignments, ends
// ARGV: channel, sent, id, forget_after (empty: at once)
constexpr std::string_view kForget = R"lua(
if is_late(ARGV[2]) then return {now, 'late'} end
local kept = redis.call('HMGET', KEYS[1], 'i', 'e')
if kept[1] ~= ARGV[3] then return {now, 'none'} end
if ARGV[4] ~= '' and tonumber(kept[2]) + tonumber(ARGV[4]) > now then return {now, 'kept'} end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('PUBLISH', ARGV[1], 'G' .. kept[1] .. num(now))
return {now, 'ok'}
)lua";

// KEYS: used nonces. ARGV: nonce, life
constexpr std::string_view kSpend = R"lua(
return {now, spend(KEYS[1], ARGV[1], ARGV[2])}
)lua";

// KEYS: record, index, assignments, ends
// ARGV: channel, sent, id, replace (0 or 1), keys_max, how many to remove, those, those to add
// Counts before anything is changed. The index holds the first 48 bits of each key.
constexpr std::string_view kChange = R"lua(
if is_late(ARGV[2]) then return {now, 'late'} end
if redis.call('HGET', KEYS[1], 'i') ~= ARGV[3] or not is_live() then return {now, 'none'} end
local replace, removed = ARGV[4] == '1', tonumber(ARGV[6])
local function short(key) return string.format('%.0f', (struct.unpack('>I6', key))) end
local remove, add, raw, seen = {}, {}, {}, {}
for i = 7, 6 + removed do remove[#remove + 1] = short(ARGV[i]) end
for i = 7 + removed, #ARGV do
  local key = short(ARGV[i])
  raw[#raw + 1] = ARGV[i]
  if not seen[key] then
    seen[key] = true
    add[#add + 1] = key
  end
end
local fresh, before, gone = #add, 0, {}
if not replace then
  before = redis.call('SCARD', KEYS[2])
  for _, key in ipairs(remove) do
    if not seen[key] then
      seen[key] = true
      gone[#gone + 1] = key
    end
  end
  if #gone > 0 then
    for _, is_listed in ipairs(redis.call('SMISMEMBER', KEYS[2], unpack(gone))) do before = before - is_listed end
  end
  if #add > 0 then
    for _, is_listed in ipairs(redis.call('SMISMEMBER', KEYS[2], unpack(add))) do fresh = fresh - is_listed end
  end
end
if fresh > 0 and before + fresh > tonumber(ARGV[5]) then return {now, 'full'} end
if replace then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'g', math.max(tonumber(redis.call('HGET', KEYS[1], 'g')) + 1, new_generation()))
  tell_entry()
end
if #remove > 0 then redis.call('SREM', KEYS[2], unpack(remove)) end
if #add > 0 then
  redis.call('SADD', KEYS[2], unpack(add))
  redis.call('ZREM', KEYS[3], unpack(raw))
  redis.call('ZREM', KEYS[4], unpack(raw))
end
return {now, 'ok', redis.call('SCARD', KEYS[2]), redis.call('HGET', KEYS[1], 'g')}
)lua";

// KEYS: index. ARGV: sent, keys
constexpr std::string_view kUnindex = R"lua(
if is_late(ARGV[1]) then return {now, 'late'} end
for i = 2, #ARGV do
  redis.call('SREM', KEYS[1], string.format('%.0f', (struct.unpack('>I6', ARGV[i]))))
end
return {now, 'ok', redis.call('SCARD', KEYS[1])}
)lua";

// How lines lie in a hosting set: see store_codec.h. Calls see(at, size, is_proven) for each until it returns true.
constexpr std::string_view kLines = R"lua(
local lines = redis.call('GET', KEYS[1]) or ''
local function walk(see)
  local at = 1
  while at + 21 <= #lines do
    local is_proven = string.byte(lines, at + 16) >= 128
    local size = is_proven and 124 or 22
    if see(at, size, is_proven) then return end
    at = at + size
  end
end
local function generation(text, at) return struct.unpack('>I6', text, at + 16) % 140737488355328 end
local function put(at, size, line)
  lines = string.sub(lines, 1, at - 1) .. line .. string.sub(lines, at + size)
  if lines == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], lines) end
end
)lua";

// KEYS: hosting set. ARGV: sent, line, hosts_max
constexpr std::string_view kAddLine = R"lua(
if is_late(ARGV[1]) then return 'late' end
local line, max = ARGV[2], tonumber(ARGV[3])
local prefix, mine, weak, count = string.sub(line, 1, 16), nil, nil, 0
walk(function(at, size, is_proven)
  count = count + 1
  if not is_proven and not weak then weak = at end
  if string.sub(lines, at, at + 15) ~= prefix then return false end
  mine = {at, size}
  return true
end)
if mine then
  if string.sub(lines, mine[1], mine[1] + mine[2] - 1) == line then return 'same' end
  if generation(lines, mine[1]) > generation(line, 1) then return 'late' end
  put(mine[1], mine[2], line)
elseif count < max then
  put(#lines + 1, 0, line)
elseif weak and #line > 22 then
  put(weak, 22, line)
else
  return 'full'
end
return 'ok'
)lua";

// KEYS: hosting set. ARGV: sent, prefix and generation as in a line
constexpr std::string_view kRemoveLine = R"lua(
if is_late(ARGV[1]) then return 'late' end
local prefix, found = string.sub(ARGV[2], 1, 16), nil
walk(function(at, size)
  if string.sub(lines, at, at + 15) ~= prefix then return false end
  found = {at, size}
  return true
end)
if not found or generation(lines, found[1]) > generation(ARGV[2], 1) then return 'same' end
put(found[1], found[2], '')
return 'ok'
)lua";

// KEYS: hosting set. ARGV: lines. Removes those that are there to the byte: what was written since stays.
constexpr std::string_view kPrune = R"lua(
local pruned = 0
for i = 1, #ARGV do
  walk(function(at, size)
    if string.sub(lines, at, at + size - 1) ~= ARGV[i] then return false end
    put(at, size, '')
    pruned = pruned + 1
    return true
  end)
end
return {now, 'ok', pruned}
)lua";

// KEYS: claim. ARGV: id, instead of whom (or empty), life
constexpr std::string_view kClaim = R"lua(
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[2] then return {now, 'held', held, redis.call('PTTL', KEYS[1])} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return {now, 'mine', ARGV[1], tonumber(ARGV[3])}
)lua";

// KEYS: record, assignments, ends. ARGV: channel, sent, id, key, life, max
constexpr std::string_view kAssign = R"lua(
if is_late(ARGV[2]) then return {now, 'late'} end
if redis.call('HGET', KEYS[1], 'i') ~= ARGV[3] or not is_live() then return {now, 'none'} end
local old = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 1000)
if #old > 0 then
  redis.call('ZREM', KEYS[2], unpack(old))
  redis.call('ZREM', KEYS[3], unpack(old))
end
local is_new = not redis.call('ZSCORE', KEYS[2], ARGV[4])
if is_new and redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[6]) then return {now, 'full'} end
local cursor = math.max(tonumber(redis.call('HGET', KEYS[1], 'c') or '0') + 1, now)
redis.call('HSET', KEYS[1], 'c', cursor)
redis.call('ZADD', KEYS[2], cursor, ARGV[4])
redis.call('ZADD', KEYS[3], now + tonumber(ARGV[5]), ARGV[4])
redis.call('PUBLISH', ARGV[1], 'A' .. ARGV[3] .. num(now))
return {now, 'ok'}
)lua";

// KEYS: assignments, ends. ARGV: after, limit
constexpr std::string_view kAssignments = R"lua(
local old = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1000)
if #old > 0 then
  redis.call('ZREM', KEYS[1], unpack(old))
  redis.call('ZREM', KEYS[2], unpack(old))
end
return {now, 'ok', redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])}
)lua";

// KEYS: peers. ARGV: sent, peer, life, max
constexpr std::string_view kAddPeer = R"lua(
if is_late(ARGV[1]) then return {now, 'late'} end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[2])
local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[4])
for i = 1, over do
  local first = redis.call('ZRANGE', KEYS[1], 0, 1)
  redis.call('ZREM', KEYS[1], first[1] ~= ARGV[2] and first[1] or first[2])
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return {now, 'ok'}
)lua";

// KEYS: peers
constexpr std::string_view kPeers = R"lua(
return {now, 'ok', redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')}
)lua";

// KEYS: ids, epoch. ARGV: id, replicators_max, epoch to use if there is none
constexpr std::string_view kEnter = R"lua(
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return {now, 'full'} end
  redis.call('ZADD', KEYS[1], 0, ARGV[1])
end
redis.call('SET', KEYS[2], ARGV[3], 'NX')
return {now, 'ok', redis.call('GET', KEYS[2])}
)lua";

// KEYS: secret, epoch. ARGV: secret to use if there is none
constexpr std::string_view kNonce = R"lua(
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return {now, 'ok', redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]) or ''}
)lua";

// A shared value is kept behind the end of its life (0: none).
constexpr std::string_view kShared = R"lua(
local function is_over(kept)
  local over = struct.unpack('>I6', kept)
  return over ~= 0 and over <= now
end
)lua";

// KEYS: values of the kind. ARGV: channel, sent, kind, name, value, life (or empty), only if absent, max
constexpr std::string_view kPutShared = R"lua(
if is_late(ARGV[2]) then return {now, 'late'} end
local kept = redis.call('HGET', KEYS[1], ARGV[4])
if kept and not is_over(kept) and ARGV[7] == '1' then return {now, 'there'} end
if not kept and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[8]) then
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    if is_over(all[i + 1]) then redis.call('HDEL', KEYS[1], all[i]) end
  end
  if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[8]) then return {now, 'full'} end
end
local life_end = 0
if ARGV[6] ~= '' then life_end = now + tonumber(ARGV[6]) end
redis.call('HSET', KEYS[1], ARGV[4], num(life_end) .. ARGV[5])
redis.call('PUBLISH', ARGV[1], 'S' .. ARGV[3])
return {now, 'ok'}
)lua";

// KEYS: values of the kind. ARGV: channel, kind, name
constexpr std::string_view kTakeShared = R"lua(
local kept = redis.call('HGET', KEYS[1], ARGV[3])
if not kept then return {now, 'none'} end
redis.call('HDEL', KEYS[1], ARGV[3])
if is_over(kept) then return {now, 'none'} end
redis.call('PUBLISH', ARGV[1], 'S' .. ARGV[2])
return {now, 'ok', string.sub(kept, 7)}
)lua";

// KEYS: beat, epoch
// ARGV: sent, when this instance last had an answer (0: it missed none), the least that is an outage, patience
// Every instance beats; the first beat after an outage finds the gap, and only that one. A beat that was given up, and
// that a stalled Redis finds in its sockets afterwards, must not be that one: hence patience is
// shorter than what the caller waits.
constexpr std::string_view kBeat = R"lua(
if tonumber(ARGV[1]) > 0 and now - tonumber(ARGV[1]) > tonumber(ARGV[4]) then return {now, 'late'} end
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
redis.call('SET', KEYS[1], math.max(now, last))
local epoch = redis.call('GET', KEYS[2]) or ''
local from = math.max(last, tonumber(ARGV[2]))
if ARGV[2] == '0' or last == 0 or now - from < tonumber(ARGV[3]) then return {now, 'ok', epoch} end
return {now, 'gap', epoch, from}
)lua";

struct Source {
  bool record = false;
  bool nonces = false;
  bool lines = false;
  bool shared = false;
  std::string_view body;
};

constexpr std::array<Source, kScriptCount> kSources = {{
    {.record = true, .body = kPut},
    {.record = true, .nonces = true, .body = kRenew},
    {.record = true, .body = kSetHealth},
    {.record = true, .body = kExtend},
    {.body = kForget},
    {.nonces = true, .body = kSpend},
    {.record = true, .body = kChange},
    {.body = kUnindex},
    {.lines = true, .body = kAddLine},
    {.lines = true, .body = kRemoveLine},
    {.lines = true, .body = kPrune},
    {.body = kClaim},
    {.record = true, .body = kAssign},
    {.body = kAssignments},
    {.body = kAddPeer},
    {.body = kPeers},
    {.body = kEnter},
    {.body = kNonce},
    {.shared = true, .body = kPutShared},
    {.shared = true, .body = kTakeShared},
    {.body = kBeat},
}};

std::array<std::string, kScriptCount> make_texts() {
  std::array<std::string, kScriptCount> out;
  for (std::size_t i = 0; i < kScriptCount; ++i) {
    Source const& source = kSources[i];
    out[i] = kClock;
    if (source.record) out[i].append(kRecord);
    if (source.nonces) out[i].append(kNonces);
    if (source.lines) out[i].append(kLines);
    if (source.shared) out[i].append(kShared);
    out[i].append(source.body);
  }
  return out;
}

std::array<std::string, kScriptCount> make_names() {
  std::array<std::string, kScriptCount> out;
  for (std::size_t i = 0; i < kScriptCount; ++i) {
    std::string_view const text = script_text(static_cast<Script>(i));
    boost::uuids::detail::sha1 hash;
    hash.process_bytes(text.data(), text.size());
    boost::uuids::detail::sha1::digest_type digest;
    hash.get_digest(digest);
    for (unsigned const word : digest) {
      std::array<char, 9> hex{};
      std::snprintf(hex.data(), hex.size(), "%08x", word);
      out[i].append(hex.data());
    }
  }
  return out;
}

}  // namespace

std::string_view script_text(Script script) {
  static std::array<std::string, kScriptCount> const kTexts = make_texts();
  return kTexts[static_cast<std::size_t>(script)];
}

std::string const& script_name(Script script) {
  static std::array<std::string, kScriptCount> const kNames = make_names();
  return kNames[static_cast<std::size_t>(script)];
}

}  // namespace holdfast::discovery
