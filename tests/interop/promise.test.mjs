// "Every endpoint in an answer accepts for `expires_in` more seconds unless it crashes": broken on purpose, under load.
import assert from 'node:assert/strict';
import https from 'node:https';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { discoveryKeyOf } from '../../client-sdk/js/index.js';
import { dial } from '../../client-sdk/js/lib/dial.js';
import { discoveryArgs, startDiscovery, startRedis, startReplicator } from './support/programs.mjs';
import { temporaryFolder, until, within } from './support/wait.mjs';

const kAnswers = 10_000;
const kNodes = 5;
const kKeys = 20;
const kAskersPerService = 6;
const kLease = '6s';
const kDialMs = 5_000;
const kNodeArgs = ['--connections-max', '4096', '--connections-per-address-max', '4096'];

function get(url, agent) {
  return new Promise((resolve, reject) => {
    https.get(url, { agent, rejectUnauthorized: false }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode, text: Buffer.concat(parts).toString() }));
    }).on('error', reject);
  });
}

/** Completes a Noise handshake with the endpoint and compares its static key. Throws if that fails. */
async function handshake(endpoint) {
  const stream = await dial(endpoint, {}, AbortSignal.timeout(kDialMs));
  stream.destroy();
}

/** Nodes that come and go; remembers when each was down because the test killed it. */
class Fleet {
  nodes = [];
  outages = new Map(); // port -> [{ from, to }]
  #retired = [];

  constructor(t, services, keys) {
    this.start = (changes = {}) => startReplicator(t, {
      projects: keys, args: [...services.flatMap(discoveryArgs), ...kNodeArgs], ...changes,
    });
  }

  async grow(count) {
    for (let i = 0; i < count; i++) this.nodes.push(await this.start());
  }

  /** A new node takes the place of one that drains. */
  async drain(index) {
    const old = this.nodes[index];
    this.nodes[index] = await this.start();
    old.child.kill('SIGTERM');
    this.#retired.push(within(60_000, 'the end of a draining node', old.exited).then(({ code }) => assert.equal(code, 0)));
  }

  /** kill -9, and the same node again on the same port. */
  async crash(index) {
    const old = this.nodes[index];
    const outage = { from: Date.now(), to: Infinity };
    this.outages.set(old.port, [...(this.outages.get(old.port) ?? []), outage]);
    await old.kill();
    this.nodes[index] = await this.start({ data: old.data, port: old.port });
    outage.to = Date.now();
  }

  was_down(port, from, to) {
    return (this.outages.get(port) ?? []).some((outage) => outage.from <= to && outage.to >= from);
  }

  retired() {
    return Promise.all(this.#retired);
  }
}

test('every endpoint of 10,000 answers accepts until its time is over, while nodes drain, crash and come back', { timeout: 240_000 }, async (t) => {
  const redis = await startRedis(t);
  const common = { store: `redis://127.0.0.1:${redis.port}/0`, state: await temporaryFolder(t) };
  const args = ['--lease', kLease, '--rate-limit', 'off'];
  const services = [await startDiscovery(t, { ...common, args }), await startDiscovery(t, { ...common, args })];
  const keys = Array.from({ length: kKeys }, () => randomBytes(32));
  const targets = keys.map((key) => `/project/${discoveryKeyOf(key).toString('hex')}/sync`);
  const fleet = new Fleet(t, services, keys);
  await fleet.grow(kNodes);
  const agent = new https.Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  await until(20_000, 'all keys to be known', async () => {
    const answers = await Promise.all(targets.map((target) => get(services[1].url + target, agent)));
    return answers.every(({ status }) => status === 200);
  });

  const dials = [];
  const failures = [];
  const others = new Map(); // answers without an endpoint, by status
  let answers = 0;
  const dialLater = async (endpoint, patience) => {
    await sleep(Math.random() * patience);
    const from = Date.now();
    try {
      await handshake(endpoint);
    } catch (error) {
      if (!fleet.was_down(endpoint.port, from, Date.now())) failures.push(`${endpoint.port}: ${error.message}`);
    }
  };
  const asker = async (service) => {
    while (answers < kAnswers) {
      const asked = Date.now();
      const { status, text } = await get(service.url + targets[Math.floor(Math.random() * kKeys)], agent);
      if (status !== 200) {
        others.set(status, (others.get(status) ?? 0) + 1);
        await sleep(20);
        continue;
      }
      answers++;
      const { endpoints } = JSON.parse(text);
      const endpoint = endpoints[Math.floor(Math.random() * endpoints.length)];
      const patience = endpoint.expires_in * 1_000 - (Date.now() - asked);
      if (patience > 0) dials.push(dialLater(endpoint, patience));
      await sleep(10);
    }
  };
  const chaos = async () => {
    for (let round = 0; answers < kAnswers; round++) {
      const index = round % kNodes;
      if (round % 2 === 0) await fleet.drain(index);
      else await fleet.crash(index);
      await sleep(1_000);
    }
  };
  await Promise.all([chaos(), ...services.flatMap((service) => Array.from({ length: kAskersPerService }, () => asker(service)))]);
  await Promise.all(dials);
  await fleet.retired();
  t.diagnostic(`${answers} answers, ${dials.length} dials, ${[...fleet.outages.values()].flat().length} crashes, others ${JSON.stringify([...others])}`);
  assert.deepEqual(failures, []);
  assert.ok(dials.length >= kAnswers * 0.99);
});
