// Discovery on a real Redis with a real node: two instances are one service, and a flush heals by itself.
import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { randomBytes } from 'node:crypto';
import { discoveryKeyOf, lookup } from '../../client-sdk/js/index.js';
import { metric } from './support/ask.mjs';
import { discoveryArgs, startDiscovery, startRedis, startReplicator } from './support/programs.mjs';
import { temporaryFolder, until } from './support/wait.mjs';

const kRenewalMs = 10_000; // The lease of these services: a node renews within it.

/** Null while the service has no endpoint for the key. */
async function find(key, service) {
  try {
    return await lookup(key, { discovery: service.url, pin: service.pin, backoff: { base: 20, cap: 100 }, timeout: 300 });
  } catch (error) {
    if (['BAD_KEY', 'BAD_OPTION', 'UNTRUSTED'].includes(error.code)) throw error;
    return null;
  }
}

async function flush(redis) {
  const socket = net.connect(redis.port, '127.0.0.1');
  socket.write('FLUSHALL\r\n');
  const [answer] = await once(socket, 'data');
  socket.destroy();
  assert.equal(answer.toString(), '+OK\r\n');
}

test('two instances on one Redis know the same node, and a flush is healed within one renewal interval', async (t) => {
  const redis = await startRedis(t);
  const store = `redis://127.0.0.1:${redis.port}/0`;
  const state = await temporaryFolder(t);
  const one = await startDiscovery(t, { store, state });
  const two = await startDiscovery(t, { store, state });
  const key = randomBytes(32);
  const node = await startReplicator(t, { projects: [key], args: discoveryArgs(one) });
  await until(20_000, 'the registration, seen at the other instance', () => find(key, two));
  await flush(redis);
  const flushed = Date.now();
  const found = await until(kRenewalMs + 2_000, 'the node to come back after the flush', () => find(key, two));
  t.diagnostic(`back after ${Date.now() - flushed} ms`);
  assert.equal((found.endpoints ?? found)[0].port, node.port);
});

test('Redis is killed and comes back: the same service goes on', async (t) => {
  const redis = await startRedis(t);
  const service = await startDiscovery(t, { store: `redis://127.0.0.1:${redis.port}/0` });
  const key = randomBytes(32);
  await startReplicator(t, { projects: [key], args: discoveryArgs(service) });
  await until(20_000, 'the registration', () => find(key, service));
  await redis.kill();
  const ready = async () => (await fetch(`http://127.0.0.1:${service.ports.admin}/readyz`)).status;
  await until(10_000, 'the service to say that it is not ready', async () => (await ready()) === 503);
  const again = await startRedis(t, redis.port);
  assert.equal(again.port, redis.port);
  await until(kRenewalMs + 20_000, 'the node to be found again', () => find(key, service));
  assert.equal(await ready(), 200);
});

/** Fills the key's hosting set with 1,024 proven lines of replicators that count (docs/formats/redis.md). */
async function crowd(redis, key) {
  const script = 'local lines = {} for i = 1, 1024 do redis.call("HSET", string.format("holdfast:r:{%016x%016x}", i, 7), "g", "1")'
    + ' lines[i] = struct.pack(">I8I8", i, 7) .. string.char(128, 0, 0, 0, 0, 1) .. string.rep(string.char(0), 102) end'
    + ' redis.call("SET", KEYS[1], table.concat(lines)) return #lines';
  const name = discoveryKeyOf(key).toString('hex').replace(/../g, (byte) => `\\x${byte}`);
  assert.equal(await redis.command(`EVAL '${script}' 1 "holdfast:k:${name}"`), ':1024\r\n');
}

test('a key with too many hosts is left out, and does not make the node send its keys at each renewal', async (t) => {
  const redis = await startRedis(t);
  const service = await startDiscovery(t, { store: `redis://127.0.0.1:${redis.port}/0`, args: ['--lease', '3s'] });
  const full = randomBytes(32);
  const key = randomBytes(32);
  await crowd(redis, full);
  const node = await startReplicator(t, { projects: [full, key], args: discoveryArgs(service) });
  await until(20_000, 'the registration', () => find(key, service));
  await until(5_000, 'the metric', async () => await metric(node, 'holdfast_replicator_unlisted_keys') === 1);
  const renewals = await metric(node, 'holdfast_replicator_renewals_total');
  const batches = () => metric(service, 'holdfast_discovery_writes_total{outcome="ok",route="projects"}');
  const before = await batches();
  assert.ok(before > 0);
  await until(20_000, 'three renewals', async () => await metric(node, 'holdfast_replicator_renewals_total') >= renewals + 3);
  assert.equal(await batches(), before);
});
