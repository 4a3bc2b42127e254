#include "discovery/store/redis_scripts.h"

#include <array>
#include <string>

namespace holdfast::discovery {

namespace {

constexpr std::string_view kPrelude = R"lua(
local P = 'holdfast:'
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local forget_after = tonumber(ARGV[1])

local function answer(status, ...)
  return {redis.call('GET', P .. 'epoch') or '', now, status, ...}
end
local function lease_left(id)
  local score = redis.call('ZSCORE', P .. 'leases', id)
  if not score then return nil end
  return tonumber(score) - now
end
local function is_live(id)
  local left = lease_left(id)
  return left ~= nil and left > 0 and redis.call('EXISTS', P .. 'rep:' .. id) == 1
end
local function drop_keys(id)
  while true do
    local keys = redis.call('SPOP', P .. 'keys:' .. id, 1000)
    if #keys == 0 then return end
    for _, key in ipairs(keys) do redis.call('HDEL', P .. 'hosts:' .. key, id) end
  end
end
local function forget(id)
  drop_keys(id)
  redis.call('ZREM', P .. 'leases', id)
  redis.call('ZREM', P .. 'ids', id)
  return redis.call('DEL', P .. 'rep:' .. id)
end
-- One at a time, so that no call pays for many.
local function forget_old()
  local old = redis.call('ZRANGEBYSCORE', P .. 'leases', '-inf', now - forget_after, 'LIMIT', 0, 1)
  for _, id in ipairs(old) do forget(id) end
end
local function entry(id)
  local rep = redis.call('HMGET', P .. 'rep:' .. id, 'record', 'host', 'state', 'load')
  if not rep[1] then return nil end
  local left = lease_left(id) or 0
  if left < 0 then left = 0 end
  return {id, rep[1], rep[2], rep[3] or 'active', rep[4] or '', redis.call('SCARD', P .. 'keys:' .. id), left}
end
)lua";

// id, record, seq, region, host, lease, replicators_max, epoch to use if there is none
constexpr std::string_view kPut = R"lua(
forget_old()
local id, record, seq = ARGV[2], ARGV[3], tonumber(ARGV[4])
local rep = P .. 'rep:' .. id
local kept = redis.call('HMGET', rep, 'record', 'seq')
local status = 'stored'
if kept[1] then
  if kept[1] == record then
    status = 'unchanged'
  elseif seq <= tonumber(kept[2]) then
    return answer('conflict', kept[1], redis.call('SCARD', P .. 'keys:' .. id))
  end
elseif redis.call('ZCARD', P .. 'leases') >= tonumber(ARGV[8]) then
  return answer('full')
end
redis.call('SET', P .. 'epoch', ARGV[9], 'NX')
redis.call('HSET', rep, 'record', record, 'seq', ARGV[4], 'region', ARGV[5], 'host', ARGV[6], 'state', 'active')
redis.call('ZADD', P .. 'leases', now + tonumber(ARGV[7]), id)
redis.call('ZADD', P .. 'ids', 0, id)
return answer(status, '', redis.call('SCARD', P .. 'keys:' .. id))
)lua";

// id, state, load, lease
constexpr std::string_view kRenew = R"lua(
forget_old()
local id = ARGV[2]
if not is_live(id) then return answer('none') end
redis.call('HSET', P .. 'rep:' .. id, 'state', ARGV[3], 'load', ARGV[4])
redis.call('ZADD', P .. 'leases', now + tonumber(ARGV[5]), id)
return answer('ok', entry(id))
)lua";

// id, replace (0 or 1), projects_max, hosts_max, how many to remove, those, then key and proof of each to add.
// Everything is counted before anything is changed.
constexpr std::string_view kChange = R"lua(
local id, replace = ARGV[2], ARGV[3] == '1'
local projects_max, hosts_max, removed = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
if not is_live(id) then return answer('none') end
local mine = P .. 'keys:' .. id
local fresh, seen = 0, {}
for i = 7 + removed, #ARGV, 2 do
  local key = ARGV[i]
  if not seen[key] and redis.call('SISMEMBER', mine, key) == 0 then
    seen[key] = true
    fresh = fresh + 1
    local hosts = P .. 'hosts:' .. key
    if redis.call('HLEN', hosts) >= hosts_max and redis.call('HEXISTS', hosts, id) == 0 then
      return answer('full')
    end
  end
end
local before = redis.call('SCARD', mine)
if replace then before = 0 end
if before + fresh > projects_max then return answer('full') end
if replace then drop_keys(id) end
for i = 7, 6 + removed do
  if redis.call('SREM', mine, ARGV[i]) == 1 then redis.call('HDEL', P .. 'hosts:' .. ARGV[i], id) end
end
for i = 7 + removed, #ARGV, 2 do
  redis.call('SADD', mine, ARGV[i])
  redis.call('HSET', P .. 'hosts:' .. ARGV[i], id, ARGV[i + 1])
end
return answer('ok', redis.call('SCARD', mine))
)lua";

// id
constexpr std::string_view kDeregister = R"lua(
if forget(ARGV[2]) == 0 then return answer('none') end
return answer('ok')
)lua";

// key, region, keyholder or empty, candidates_max
constexpr std::string_view kHosts = R"lua(
local key, region, keyholder, max = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local hosts = P .. 'hosts:' .. key
local all = redis.call('HGETALL', hosts)
local known, near, far = 0, {}, {}
for i = 1, #all, 2 do
  local id, proof = all[i], all[i + 1]
  local left = lease_left(id)
  if not left then
    -- Left over from lost data. It may fail (no memory), and then stays for another time.
    redis.pcall('HDEL', hosts, id)
  else
    local is_proven = #proof > 96 and tonumber(string.sub(proof, 97)) > math.floor(now / 1000)
    if not is_proven then proof = '' end
    if keyholder == '' or (is_proven and string.sub(proof, 1, 32) == keyholder) then
      known = 1
      if left > 0 then
        local rep = redis.call('HMGET', P .. 'rep:' .. id, 'state', 'region')
        if rep[1] == 'active' then
          local to = near
          if region ~= '' and rep[2] ~= region then to = far end
          to[#to + 1] = {#all / 2 > max and redis.sha1hex(key .. id) or '', id, proof}
        end
      end
    end
  end
end
local function by_rank(a, b) return a[1] < b[1] end
if #all / 2 > max then
  table.sort(near, by_rank)
  table.sort(far, by_rank)
end
local out = answer('ok', known)
for _, list in ipairs({near, far}) do
  for _, host in ipairs(list) do
    if #out >= 4 + 2 * max then return out end
    local found = entry(host[2])
    if found then
      out[#out + 1] = found
      out[#out + 1] = host[3]
    end
  end
end
return out
)lua";

// after (an id or empty), limit
constexpr std::string_view kList = R"lua(
local from, limit = '-', tonumber(ARGV[3])
if ARGV[2] ~= '' then from = '(' .. ARGV[2] end
local out = answer('ok')
while true do
  local ids = redis.call('ZRANGEBYLEX', P .. 'ids', from, '+', 'LIMIT', 0, 1000)
  if #ids == 0 then return out end
  for _, id in ipairs(ids) do
    if #out >= 3 + limit then return out end
    local found = is_live(id) and entry(id)
    if found then out[#out + 1] = found end
  end
  from = '(' .. ids[#ids]
end
)lua";

// id
constexpr std::string_view kFind = R"lua(
forget_old()
local found = entry(ARGV[2])
if not found then return answer('none') end
return answer('ok', found)
)lua";

// secret to use if there is none
constexpr std::string_view kNonce = R"lua(
local secret = redis.call('GET', P .. 'nonce-secret')
if not secret then
  secret = ARGV[2]
  redis.call('SET', P .. 'nonce-secret', secret)
end
return answer('ok', secret)
)lua";

// secret, nonce, life
constexpr std::string_view kSpend = R"lua(
if redis.call('GET', P .. 'nonce-secret') ~= ARGV[2] then return answer('other') end
if not redis.call('SET', P .. 'nonce:' .. ARGV[3], '', 'NX', 'PX', ARGV[4]) then return answer('used') end
return answer('ok')
)lua";

std::array<std::string, kScriptCount> make_texts() {
  std::array<std::string, kScriptCount> out;
  constexpr std::array<std::string_view, kScriptCount> kBodies = {
      kPut, kRenew, kChange, kDeregister, kHosts, kList, kFind, kNonce, kSpend};
  for (std::size_t i = 0; i < kScriptCount; ++i) out[i] = std::string(kPrelude).append(kBodies[i]);
  return out;
}

}  // namespace

std::string_view script_text(Script script) {
  static std::array<std::string, kScriptCount> const kTexts = make_texts();
  return kTexts[static_cast<std::size_t>(script)];
}

}  // namespace holdfast::discovery
