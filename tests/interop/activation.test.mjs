// Keys that nobody hosts: discovery assigns them to volunteers, and apps bring the project to the node.
import assert from 'node:assert/strict';
import https from 'node:https';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { lookup } from '../../client-sdk/js/index.js';
import { App, hashOwn, readAll, uploaded, write } from './support/apps.mjs';
import { ask, metric } from './support/ask.mjs';
import { discoveryArgs, startDiscovery, startRedis, startReplicator } from './support/programs.mjs';
import { temporaryFolder, until } from './support/wait.mjs';

const kOpen = ['--new-keys', 'open', '--rate-limit', 'off'];
const kVolunteer = ['--accept', 'assigned'];

/** The look-up of a discovery key. */
function sync(service, key, agent, query = '') {
  return ask(service, `/project/${key.toString('hex')}/sync${query}`, agent);
}

/** Waits until the service lists this many nodes that take assignments. */
function registered(service, count) {
  return until(20_000, `${count} volunteers`, async () => {
    const { body } = await ask(service, '/replicators');
    return body.replicators.filter((node) => node.listed && node.accept === 'assigned').length >= count;
  });
}

async function volunteers(t, service, count, args = []) {
  const nodes = [];
  for (let i = 0; i < count; i++) nodes.push(await startReplicator(t, { args: [...discoveryArgs(service), ...kVolunteer, ...args] }));
  await registered(service, count);
  return nodes;
}

test('two apps meet at a volunteer that had never heard of their project', async (t) => {
  const service = await startDiscovery(t, { args: kOpen });
  await volunteers(t, service, 1);
  const connect = async (context, { key, url, pin }) => {
    context.state.session = await context.connect(key, { url, pin, volunteers: true });
    await context.state.session.connected();
  };
  const { url, pin } = service;

  const writer = await App.start(t);
  const { key, length } = await writer.run(write, { count: 200, bytes: 1_000 });
  await writer.run(connect, { key, url, pin });
  await writer.run(uploaded);
  const written = await writer.run(hashOwn);
  await writer.quit();

  const reader = await App.start(t);
  await reader.run(connect, { key, url, pin });
  assert.equal(await reader.run(readAll, { key, length }), written);

  // By now the node knows the project key and has proven it to the service.
  await until(20_000, 'an endpoint with a proof', async () => {
    const found = await lookup(key, { discovery: url, pin, timeout: 2_000 }).catch(() => null);
    return found?.endpoints[0].proven;
  });
});

test('without leave for new keys an unknown key stays unknown', async (t) => {
  const service = await startDiscovery(t);
  await volunteers(t, service, 1);
  const answer = await sync(service, randomBytes(32));
  assert.equal(answer.status, 404);
  assert.match(answer.body.type, /unknown-key$/);
});

test('with --new-keys token only who knows a token brings a new key', async (t) => {
  const file = path.join(await temporaryFolder(t), 'tokens');
  await writeFile(file, 'first-token\nsecond-token\n');
  const service = await startDiscovery(t, { args: ['--new-keys', 'token', '--new-keys-token', file] });
  await volunteers(t, service, 1);
  const key = randomBytes(32);
  const options = { discovery: service.url, pin: service.pin, volunteers: true, timeout: 15_000 };
  await assert.rejects(lookup(key, options), { code: 'NOT_FOUND' });
  await assert.rejects(lookup(key, { ...options, token: 'first-toke' }), { code: 'NOT_FOUND' });
  assert.equal((await lookup(key, { ...options, token: 'second-token' })).endpoints.length, 1);
});

test('200 clients of one cold key at two instances lead to one activation and 200 right answers', async (t) => {
  const redis = await startRedis(t);
  const store = `redis://127.0.0.1:${redis.port}/0`;
  const state = await temporaryFolder(t);
  const one = await startDiscovery(t, { store, state, args: kOpen });
  const two = await startDiscovery(t, { store, state, args: kOpen });
  const nodes = await volunteers(t, one, 3);
  await registered(two, 3);
  const key = randomBytes(32);
  const agent = new https.Agent({ keepAlive: false });
  const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => sync(i % 2 ? one : two, key, agent)));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  const ids = new Set(answers.map(({ body }) => body.endpoints[0].replicator));
  assert.equal(ids.size, 1);
  assert.ok(nodes.some((node) => node.port === answers[0].body.port));
  const hosting = await ask(one, '/replicators');
  assert.equal(hosting.body.replicators.reduce((sum, node) => sum + node.projects, 0), 1);
});

test('500 cold keys at once are all answered, spread over the volunteers', async (t) => {
  const service = await startDiscovery(t, { args: kOpen });
  await volunteers(t, service, 2);
  const agent = new https.Agent({ keepAlive: true, maxSockets: 100 });
  t.after(() => agent.destroy());
  const keys = Array.from({ length: 500 }, () => randomBytes(32));
  const answers = await Promise.all(keys.map((key) => sync(service, key, agent, '?wait=30')));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  const ports = new Set(answers.map(({ body }) => body.port));
  assert.equal(ports.size, 2);
  assert.equal(await metric(service, 'holdfast_discovery_activations_confirmed_total'), 500);
});

test('a volunteer that dies between assignment and confirmation is replaced within the wait', async (t) => {
  const service = await startDiscovery(t, { args: kOpen });
  const nodes = await volunteers(t, service, 2);
  nodes[0].child.kill('SIGSTOP'); // On a live lease, and silent.
  t.after(() => nodes[0].child.kill('SIGCONT'));
  // Enough keys that the stopped node is the first choice for some of them.
  const answers = await Promise.all(Array.from({ length: 12 }, () => sync(service, randomBytes(32), undefined, '?wait=10')));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  for (const { body } of answers) assert.equal(body.port, nodes[1].port);
  assert.ok(await metric(service, 'holdfast_discovery_activations_passed_on_total') > 0);
});

test('when nobody can take a key the client is told when to come back', async (t) => {
  const service = await startDiscovery(t, { args: kOpen });
  const answer = await sync(service, randomBytes(32), undefined, '?wait=1');
  assert.equal(answer.status, 503);
  assert.ok(Number(answer.headers['retry-after']) >= 1);
});

test('a volunteer takes no more keys than its capacity', async (t) => {
  const service = await startDiscovery(t, { args: kOpen });
  await volunteers(t, service, 1, ['--capacity', '3']);
  const answers = await Promise.all(Array.from({ length: 6 }, () => sync(service, randomBytes(32), undefined, '?wait=2')));
  assert.equal(answers.filter(({ status }) => status === 200).length, 3);
  assert.equal(answers.filter(({ status }) => status === 503).length, 3);
});
