// Discovery on a real Redis with a real node: two instances are one service, and a flush heals by itself.
import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { randomBytes } from 'node:crypto';
import { lookup } from '../../client-sdk/js/index.js';
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
