// The discovery service while things around it break. In every test: errors are bounded and say when to come back, no answer
// promises more than a lease, and no node is named that is gone for longer than a lease.
import assert from 'node:assert/strict';
import https from 'node:https';
import { existsSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { discoveryKeyOf, lookup } from '../../client-sdk/js/index.js';
import { discoveryArgs, startCluster, startDiscovery, startFleet, startRedis, startReplicator, startSentinels } from './support/programs.mjs';
import { temporaryFolder, until } from './support/wait.mjs';

const kLeaseS = 6;
const kArgs = ['--lease', `${kLeaseS}s`, '--rate-limit', 'off'];
const kAskMs = 25;

function get(url, agent) {
  return new Promise((resolve, reject) => {
    const request = https.get(url, { agent, rejectUnauthorized: false, timeout: 5_000 }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(parts).toString() }));
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 5 s')));
    request.on('error', reject);
  });
}

/** Asks a service for one key again and again, and keeps what it said. */
class Asker {
  answers = []; // { at, status, headers, ports, expires }
  errors = [];
  #stopped = false;

  constructor(t, service, key) {
    this.url = `${service.url}/project/${discoveryKeyOf(key).toString('hex')}/sync`;
    this.agent = new https.Agent({ keepAlive: true });
    this.done = this.#run();
    t.after(() => this.stop());
  }

  async #run() {
    while (!this.#stopped) {
      const at = Date.now();
      try {
        const { status, headers, text } = await get(this.url, this.agent);
        const endpoints = status === 200 ? JSON.parse(text).endpoints : [];
        this.answers.push({ at, status, headers, ports: endpoints.map(({ port }) => port), expires: endpoints.map((endpoint) => endpoint.expires_in), tookMs: Date.now() - at });
      } catch (error) {
        this.errors.push({ at, error });
      }
      await sleep(kAskMs);
    }
  }

  async stop() {
    this.#stopped = true;
    await this.done;
    this.agent.destroy();
  }

  since(at) {
    return this.answers.filter((answer) => answer.at >= at);
  }

  /** Waits for an answer that was asked for after now and for which `good` holds. Returns how long it took, in ms. */
  async next(ms, what, good) {
    const from = Date.now();
    await until(ms, what, () => this.since(from).some(good));
    return Date.now() - from;
  }

  /** What holds in every test. */
  check() {
    assert.deepEqual(this.errors.map(({ error }) => error.message), []);
    for (const { status, headers, expires } of this.answers) {
      if (status === 200) assert.ok(expires.every((left) => left >= 1 && left <= kLeaseS));
      else assert.ok([404, 503].includes(status) && (status === 404 || Number(headers['retry-after']) >= 1), `${status} ${JSON.stringify(headers)}`);
    }
  }
}

const found = ({ status }) => status === 200;
const fresh = ({ status, headers }) => status === 200 && headers.age === undefined;

/** One service on `store` with one node that hosts one key, and somebody who asks for it. */
async function world(t, store, { state } = {}) {
  const service = await startDiscovery(t, { store, state, args: kArgs });
  const key = randomBytes(32);
  const node = await startReplicator(t, { projects: [key], args: discoveryArgs(service) });
  const asker = new Asker(t, service, key);
  await asker.next(20_000, 'the registration', found);
  asker.answers.length = 0;
  return { service, key, node, asker };
}

test('Redis stalls: answers go on from what was known, marked and counting down, then fresh ones', async (t) => {
  const redis = await startRedis(t);
  const { node, asker } = await world(t, `redis://127.0.0.1:${redis.port}/0`);
  redis.child.kill('SIGSTOP');
  const stalled = Date.now();
  await asker.next(5_000, 'a marked answer', ({ status, headers }) => status === 200 && headers.age !== undefined);
  await asker.next(kLeaseS * 1_000 + 3_000, 'the end of what was known', ({ status }) => status === 503);
  const over = Date.now();
  redis.child.kill('SIGCONT');
  const ms = await asker.next(20_000, 'a fresh answer', fresh);
  t.diagnostic(`fresh answers ${ms} ms after Redis went on`);
  await asker.stop();
  asker.check();
  assert.ok(over - stalled <= (kLeaseS + 2) * 1_000, 'last known answers end with their lease');
  const known = asker.answers.filter(({ at, status }) => at > stalled + 1_500 && at < over && status === 200);
  assert.ok(known.every(({ at, expires }) => expires[0] <= kLeaseS - Math.floor((at - stalled) / 1_000) + 1), 'they count down');
  assert.ok(asker.answers.filter(found).every(({ ports }) => ports[0] === node.port));
  const slow = asker.answers.filter(({ tookMs }) => tookMs > 1_000).length;
  assert.equal(slow, 0, 'nobody waits for a Redis that does not answer');
});

test('Redis is killed while a node dies: the node is not named for longer than its lease', async (t) => {
  const redis = await startRedis(t);
  const { node, asker } = await world(t, `redis://127.0.0.1:${redis.port}/0`);
  await node.kill();
  await redis.kill();
  const died = Date.now();
  await sleep((kLeaseS + 1) * 1_000);
  await startRedis(t, redis.port);
  await sleep(2_000);
  await asker.stop();
  asker.check();
  assert.ok(!asker.since(died + kLeaseS * 1_000).some(found));
});

test('Redis is flushed under load: everybody is back within a renewal interval, and nothing wrong is said', async (t) => {
  const redis = await startRedis(t);
  const { node, asker } = await world(t, `redis://127.0.0.1:${redis.port}/0`);
  await redis.command('FLUSHALL');
  const flushed = Date.now();
  await until(kLeaseS * 1_000, 'the node to register again', async () => Number((await redis.command('DBSIZE')).slice(1)) > 3);
  const ms = Date.now() - flushed;
  t.diagnostic(`registered again ${ms} ms after the flush`);
  assert.ok(ms <= kLeaseS * 1_000 / 3 + 1_000, 'within one renewal interval');
  const back = Date.now() + 1_000;
  await sleep(kLeaseS * 1_000);
  await asker.stop();
  asker.check();
  assert.ok(asker.since(back).length > 0 && asker.since(back).every(found));
  assert.ok(asker.answers.every(({ status }) => status !== 404), 'a store that lost its data does not say "unknown"');
  assert.ok(asker.answers.filter(found).every(({ ports }) => ports[0] === node.port));
});

test('the Redis master dies and Sentinel makes the replica the master', async (t) => {
  const { url, master } = await startSentinels(t);
  const { asker } = await world(t, url);
  await master.kill();
  const killed = Date.now();
  await asker.next(5_000, 'an answer while there is no master', ({ status }) => status === 200 || status === 503);
  await until(30_000, 'fresh answers from the new master', () => asker.since(killed + 2_000).some(fresh));
  t.diagnostic(`fresh answers ${Date.now() - killed} ms after the master died`);
  const renewed = Date.now();
  await sleep((kLeaseS + 2) * 1_000); // Longer than a lease: the node must have renewed at the new master.
  await asker.stop();
  asker.check();
  assert.ok(asker.since(renewed + kLeaseS * 1_000).every(found));
});

test('slots of a Redis Cluster move during load: every answer is right', async (t) => {
  const cluster = await startCluster(t);
  const { service, node, asker } = await world(t, cluster.url);
  const others = Array.from({ length: 12 }, () => randomBytes(32)); // In many slots.
  const second = await startReplicator(t, { projects: others, args: discoveryArgs(service) });
  const askers = others.map((key) => new Asker(t, service, key));
  await Promise.all(askers.map((each) => each.next(20_000, 'the registration', found)));
  const from = Date.now();
  await cluster.move();
  t.diagnostic(`a third of all slots moved in ${Date.now() - from} ms`);
  await sleep((kLeaseS + 2) * 1_000); // Longer than a lease: both nodes renewed where their slots are now.
  for (const each of [asker, ...askers]) {
    await each.stop();
    each.check();
    const port = each === asker ? node.port : second.port;
    assert.ok(each.since(from).every(({ status, ports }) => status === 200 && ports[0] === port), JSON.stringify(each.answers.find(({ at, status }) => at >= from && status !== 200)));
  }
});

test('an instance is killed under load: clients go on with the other', async (t) => {
  const redis = await startRedis(t);
  const state = await temporaryFolder(t);
  const { service: one, key } = await world(t, `redis://127.0.0.1:${redis.port}/0`, { state });
  const two = await startDiscovery(t, { store: `redis://127.0.0.1:${redis.port}/0`, state, args: kArgs });
  await one.kill();
  let lost = 0;
  for (let i = 0; i < 100; i++) {
    await lookup(key, { discovery: [one.url, two.url], pin: two.pin, timeout: 5_000 }).catch(() => lost++);
  }
  assert.equal(lost, 0);
});

const faketime = ['/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1', '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1'].find(existsSync);

test('the clock of one instance is off by an hour: both say the same', { skip: faketime === undefined && 'faketime is not installed' }, async (t) => {
  const redis = await startRedis(t);
  const state = await temporaryFolder(t);
  const store = `redis://127.0.0.1:${redis.port}/0`;
  const { service: one, key, node, asker } = await world(t, store, { state });
  // Only the calendar is wrong, as on a machine without a clock battery; the steady clock is right.
  const env = { LD_PRELOAD: faketime, FAKETIME: '+3600s', FAKETIME_DONT_FAKE_MONOTONIC: '1', DONT_FAKE_MONOTONIC: '1' };
  const two = await startDiscovery(t, { store, state, args: kArgs, env });
  const other = new Asker(t, two, key);
  await other.next(10_000, 'the node at the instance with the wrong clock', found);
  // A node that only knows the wrong one can register, too.
  const second = randomBytes(32);
  const there = await startReplicator(t, { projects: [second], args: discoveryArgs(two) });
  const third = new Asker(t, one, second);
  await third.next(20_000, 'what was registered at the wrong clock', found);
  await sleep((kLeaseS + 1) * 1_000);
  for (const each of [asker, other, third]) {
    await each.stop();
    each.check();
  }
  assert.ok(asker.answers.every(found) && other.since(other.answers.find(found).at).every(found));
  assert.ok(third.answers.filter(found).every(({ ports }) => ports[0] === there.port));
  assert.notEqual(there.port, node.port);
});

test('nine of ten nodes vanish from the sight of the prober: they are named as long as they renew', async (t) => {
  const service = await startDiscovery(t, { args: ['--lease', '3s', '--rate-limit', 'off'] });
  const fleet = await startFleet(t, service, { replicators: 40, keys: 40 });
  const asked = async () => {
    const answers = await Promise.all(fleet.keys.map((key) => get(`${service.url}/project/${key}/sync`)));
    return answers.filter(({ status }) => status === 200).length;
  };
  assert.equal(await asked(), 40);
  await fleet.command('vanish 36');
  for (let round = 0; round < 8; round++) {
    await fleet.command('renew 1');
    assert.ok(await asked() >= 40, `round ${round}`);
  }
});
