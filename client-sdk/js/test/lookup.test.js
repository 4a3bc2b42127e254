import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { discoveryKeyOf, keyholderOf, lookup } from '../index.js';
import { delayOf } from '../lib/backoff.js';
import { parseRetryAfter } from '../lib/lookup.js';
import { ca, endpointOf, fakeDiscovery, makeProof, pin, randomPair, signedRecord, within } from './support/fakes.js';

const project = Buffer.alloc(32, 7);
const discoveryKey = discoveryKeyOf(project);
const node = randomPair();
const good = () => ({ body: { endpoints: [endpointOf(node, project, discoveryKey)] } });
const fast = { base: 1, cap: 5 };

test('asks for the discovery key and never sends the project key', async (t) => {
  const service = await fakeDiscovery(t, good);
  const found = await lookup(project, { discovery: service.url, ca });
  const url = new URL(service.seen[0].url, service.url);
  assert.equal(url.pathname, `/project/${discoveryKey.toString('hex')}/sync`);
  assert.equal(url.searchParams.get('keyholder'), keyholderOf(project).toString('hex'));
  assert.equal(Buffer.concat(service.bytes).includes(project.toString('hex')), false);
  assert.equal(found.endpoints.length, 1);
  assert.equal(found.endpoints[0].replicator, node.publicKey.toString('hex'));
  assert.equal(found.endpoints[0].proven, true);
});

test('passes wait and region on', async (t) => {
  const service = await fakeDiscovery(t, good);
  await lookup(project, { discovery: `${service.url}/base/`, ca, wait: 3, region: 'eu west' });
  const url = new URL(service.seen[0].url, service.url);
  assert.equal(url.pathname, `/base/project/${discoveryKey.toString('hex')}/sync`);
  assert.equal(url.searchParams.get('wait'), '3');
  assert.equal(url.searchParams.get('region'), 'eu west');
});

test('sends its token, and refuses what can be none', async (t) => {
  const service = await fakeDiscovery(t, good);
  await lookup(project, { discovery: service.url, ca, token: 's3cret' });
  assert.equal(service.seen[0].headers.authorization, 'Bearer s3cret');
  await assert.rejects(lookup(project, { discovery: service.url, ca, token: 'a\r\nb' }), { code: 'BAD_OPTION' });
});

test('trusts the pinned certificate, without any authority', async (t) => {
  const service = await fakeDiscovery(t, good);
  assert.equal((await lookup(project, { discovery: service.url, pin })).endpoints.length, 1);
  const colons = pin.toUpperCase().match(/../g).join(':');
  assert.equal((await lookup(project, { discovery: service.url, pin: colons })).endpoints.length, 1);
});

test('sends nothing to a service with another certificate than the pinned one', async (t) => {
  const service = await fakeDiscovery(t, good);
  await assert.rejects(lookup(project, { discovery: service.url, pin: '00'.repeat(32) }), { code: 'UNTRUSTED' });
  assert.equal(Buffer.concat(service.bytes).length, 0);
});

test('sends nothing to a service that no authority vouches for', async (t) => {
  const service = await fakeDiscovery(t, good);
  await assert.rejects(lookup(project, { discovery: service.url }), { code: 'UNTRUSTED' });
  assert.equal(Buffer.concat(service.bytes).length, 0);
});

test('leaves out endpoints whose record or proof is wrong, and says why', async (t) => {
  const other = randomPair();
  const wrong = [
    endpointOf(node, project, discoveryKey, { record: signedRecord(other) }),
    endpointOf(node, project, discoveryKey, { record: 'AAAA' }),
    endpointOf(node, project, discoveryKey, { record: undefined }),
    endpointOf(node, project, discoveryKey, { proof: undefined }),
    endpointOf(node, project, discoveryKey, { proof: makeProof(other, project, discoveryKey) }),
    endpointOf(node, project, discoveryKey, { proof: makeProof(node, Buffer.alloc(32, 8), discoveryKey) }),
    endpointOf(node, project, discoveryKey, { proof: makeProof(node, project, discoveryKey, 1_000) }),
    endpointOf(node, project, discoveryKey, { port: 0, record: signedRecord(node) }),
    null,
  ];
  const service = await fakeDiscovery(t, () => ({ body: { endpoints: [...wrong, endpointOf(node, project, discoveryKey)] } }));
  const found = await lookup(project, { discovery: service.url, ca });
  assert.equal(found.endpoints.length, 1);
  assert.deepEqual(found.rejected.map((error) => error.code), [
    'BAD_RECORD', 'BAD_RECORD', 'BAD_RECORD', 'UNPROVEN', 'UNPROVEN', 'UNPROVEN', 'UNPROVEN', 'BAD_ANSWER', 'BAD_RECORD',
  ]);
});

test('takes volunteers only when told to, and proven nodes first', async (t) => {
  const volunteer = endpointOf(randomPair(), project, discoveryKey, { proof: undefined });
  const service = await fakeDiscovery(t, () => ({ body: { endpoints: [volunteer, endpointOf(node, project, discoveryKey)] } }));
  const found = await lookup(project, { discovery: service.url, ca, volunteers: true });
  assert.deepEqual(found.endpoints.map((endpoint) => endpoint.proven), [true, false]);
  assert.equal(new URL(service.seen[0].url, service.url).searchParams.has('keyholder'), false);
});

test('asks the next service when one is down, ignorant or lying', async (t) => {
  const ignorant = await fakeDiscovery(t, () => ({ status: 404, body: { type: 'about:blank', title: 'unknown' } }));
  const lying = await fakeDiscovery(t, () => ({ body: { endpoints: [endpointOf(node, project, discoveryKey, { record: 'AA' })] } }));
  const broken = await fakeDiscovery(t, () => ({ body: 'hello' }));
  const service = await fakeDiscovery(t, good);
  const discovery = ['https://127.0.0.1:1', ignorant.url, lying.url, broken.url, service.url];
  const found = await lookup(project, { discovery, ca });
  assert.equal(found.service, `${service.url}/`);
});

test('unknown everywhere is an answer, not something to repeat', async (t) => {
  const service = await fakeDiscovery(t, () => ({ status: 404 }));
  await assert.rejects(lookup(project, { discovery: [service.url, service.url], ca }), { code: 'NOT_FOUND', status: 404 });
  assert.equal(service.seen.length, 2);
});

test('a project key that was sent is named as such', async (t) => {
  const type = 'https://holdfast.dev/problems/project-key-sent';
  const service = await fakeDiscovery(t, () => ({ status: 400, body: { type, title: 'This is a project key' } }));
  await assert.rejects(lookup(project, { discovery: service.url, ca }), { code: 'PROJECT_KEY_SENT' });
});

test('tries again after failures, connection failures included', async (t) => {
  const gate = net.createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(gate, 'listening');
  t.after(() => gate.close());
  let tries = 0;
  gate.on('connection', () => tries++);
  const service = await fakeDiscovery(t, (_, count) => (count < 4 ? { status: 503 } : good()));
  const discovery = [`https://127.0.0.1:${gate.address().port}`, service.url];
  assert.equal((await lookup(project, { discovery, ca, backoff: fast })).endpoints.length, 1);
  assert.equal(tries, 4);
  assert.equal(service.seen.length, 4);
});

test('comes back no earlier than Retry-After says', async (t) => {
  const at = [];
  const service = await fakeDiscovery(t, (_, count) => {
    at.push(Date.now());
    return count === 1 ? { status: 429, headers: { 'Retry-After': '1' } } : good();
  });
  await lookup(project, { discovery: ['https://127.0.0.1:1', service.url], ca, backoff: fast });
  assert.ok(at[1] - at[0] >= 990, `${at[1] - at[0]} ms`);
});

test('gives up when Retry-After lies beyond the deadline', async (t) => {
  const service = await fakeDiscovery(t, () => ({ status: 503, headers: { 'Retry-After': '60' } }));
  const started = Date.now();
  await assert.rejects(lookup(project, { discovery: service.url, ca, timeout: 2_000 }), { code: 'UNAVAILABLE', retryAfter: 60_000 });
  assert.ok(Date.now() - started < 1_500);
});

test('a silent service costs the time-out and no more', async (t) => {
  const service = await fakeDiscovery(t, () => new Promise(() => {}));
  const call = lookup(project, { discovery: service.url, ca, timeout: 200 });
  await within(2_000, 'the time-out', assert.rejects(call, { code: 'UNREACHABLE' }));
});

test('the caller can abort at any time', async (t) => {
  const stop = new AbortController();
  const service = await fakeDiscovery(t, () => new Promise(() => stop.abort()));
  const call = lookup(project, { discovery: service.url, ca, signal: stop.signal });
  await within(2_000, 'the abort', assert.rejects(call, { code: 'ABORTED' }));
  await assert.rejects(lookup(project, { discovery: service.url, ca, signal: AbortSignal.abort() }), { code: 'ABORTED' });
});

test('an endless answer is cut off', async (t) => {
  const service = await fakeDiscovery(t, () => ({ body: ' '.repeat(2 * 1024 * 1024) }));
  await assert.rejects(lookup(project, { discovery: service.url, ca, timeout: 1_000, backoff: { base: 5_000, random: () => 1 } }),
    { code: 'BAD_ANSWER' });
});

test('wrong options are refused before anything is sent', async () => {
  for (const options of [{}, { discovery: [] }, { discovery: 'no url' }, { discovery: 'http://h' },
    { discovery: 'https://h', pin: 'xx' }, { discovery: 'https://h', wait: 61 }]) {
    await assert.rejects(lookup(project, options), { code: 'BAD_OPTION' });
  }
  await assert.rejects(lookup('nonsense', { discovery: 'https://h' }), { code: 'BAD_KEY' });
});

test('full jitter: anything between nothing and a doubling ceiling, on top of Retry-After', () => {
  const top = { base: 100, cap: 1_000, random: () => 1 };
  assert.deepEqual([0, 1, 2, 3, 4, 50].map((attempt) => delayOf(attempt, top)), [100, 200, 400, 800, 1_000, 1_000]);
  assert.equal(delayOf(3, { ...top, random: () => 0 }), 0);
  assert.equal(delayOf(0, { ...top, retryAfter: 5_000 }), 5_100);
});

test('Retry-After is seconds or a date, and bounded', () => {
  const now = Date.UTC(2026, 0, 1);
  assert.equal(parseRetryAfter('7', now), 7_000);
  assert.equal(parseRetryAfter('Thu, 01 Jan 2026 00:00:09 GMT', now), 9_000);
  assert.equal(parseRetryAfter('Wed, 31 Dec 2025 00:00:00 GMT', now), 0);
  assert.equal(parseRetryAfter('999999999', now), 3_600_000);
  assert.equal(parseRetryAfter('soon', now), undefined);
  assert.equal(parseRetryAfter(undefined, now), undefined);
});
