// The whole way: discovery, replicator, and apps that use holdfast-client.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { discoveryKeyOf, lookup } from '../../client-sdk/js/index.js';
import { get, parsePin } from '../../client-sdk/js/lib/https.js';
import { App, hashOwn, readAll, uploaded, write } from './support/apps.mjs';
import { discoveryArgs, restartReplicator, startDiscovery, startReplicator } from './support/programs.mjs';
import { until } from './support/wait.mjs';

const kFast = { base: 20, cap: 200 };

async function connect(context, { key, service }) {
  context.state.session = await context.connect(key, service);
  const endpoint = await context.state.session.connected();
  return { replicator: endpoint.replicator, proven: endpoint.proven, port: endpoint.port };
}

/** Waits until the service answers for `key`: the node has registered and told its projects. */
function listed(key, service) {
  return until(20_000, 'the registration', async () => {
    try {
      return await lookup(key, { discovery: service.url, pin: service.pin, backoff: kFast, timeout: 2_000 });
    } catch (error) {
      if (['BAD_KEY', 'BAD_OPTION', 'UNTRUSTED'].includes(error.code)) throw error;
      return null;
    }
  });
}

async function world(t, count = 500) {
  const discovery = await startDiscovery(t);
  const service = { url: discovery.url, pin: discovery.pin };
  const writer = await App.start(t);
  const { key, length } = await writer.run(write, { count, bytes: 1_000 });
  const node = await startReplicator(t, { projects: [key], args: discoveryArgs(service) });
  return { discovery, service, writer, key, length, node };
}

test('two devices that are never online together sync, and later live', async (t) => {
  const { service, writer, key, length, node } = await world(t);
  const endpoint = await writer.run(connect, { key, service });
  assert.equal(endpoint.proven, true);
  assert.equal(endpoint.port, node.port);
  await writer.run(uploaded);
  const written = await writer.run(hashOwn);
  await writer.quit();
  await restartReplicator(t, node);

  const reader = await App.start(t);
  await reader.run(connect, { key, service });
  assert.equal(await reader.run(readAll, { key, length }), written);

  const again = await App.start(t, { folder: writer.folder });
  await again.run(write, {}); // opens it
  await again.run(connect, { key, service });
  await again.run((context) => context.state.core.append('live').then(() => undefined));
  assert.equal(await reader.run(async (context, at) => String(await context.state.core.get(at, { timeout: 20_000 })), length), 'live');
});

test('Hypercore 10 apps use holdfast-client as well', async (t) => {
  const discovery = await startDiscovery(t);
  const service = { url: discovery.url, pin: discovery.pin };
  const writer = await App.start(t, { version: 10 });
  const { key, length } = await writer.run(write, { count: 100 });
  await startReplicator(t, { projects: [key], args: discoveryArgs(service) });
  await writer.run(connect, { key, service });
  await writer.run(uploaded);
  const written = await writer.run(hashOwn);
  await writer.quit();
  const reader = await App.start(t, { version: 10 });
  await reader.run(connect, { key, service });
  assert.equal(await reader.run(readAll, { key, length }), written);
});

test('further cores are handed to the node by the session', async (t) => {
  const { service, writer, key } = await world(t, 5);
  const extra = await writer.run(async (context, { key, service }) => {
    const core = context.state.extra = await context.open({ name: 'extra' });
    await core.append(context.blocks('extra', 0, 50, 100));
    const session = await context.connect(key, { ...service, cores: [core.key] });
    await session.connected();
    await context.uploaded(core);
    return core.key;
  }, { key, service });
  await writer.quit();
  const reader = await App.start(t);
  await reader.run(connect, { key, service });
  const right = await reader.run(async (context, key) => {
    const core = await context.open({ key });
    await context.reached(core, 50);
    return (await core.get(49, { timeout: 20_000 })).equals(context.block('extra', 49, 100));
  }, extra);
  assert.equal(right, true);
});

test('while discovery is away the node serves; when it is back the node registers again', async (t) => {
  const { discovery, service, writer, key, node } = await world(t);
  await listed(key, service);
  await writer.run(connect, { key, service });
  await writer.run(uploaded);
  await discovery.kill();
  await writer.run((context) => context.state.core.append('while it is away').then(() => context.uploaded(context.state.core)));
  assert.ok(node.running);
  await startDiscovery(t, { port: discovery.ports.public, state: discovery.state });
  const found = await listed(key, service);
  assert.equal(found.endpoints[0].port, node.port);
});

test('a node that drains leaves the answers', async (t) => {
  const { service, key, node } = await world(t, 5);
  await listed(key, service);
  await node.stop(60_000);
  await until(15_000, 'the end of the listing', () => lookup(key, { discovery: service.url, pin: service.pin, timeout: 100 })
    .then(() => false, () => true));
});

test('the service says what it knows: unknown, malformed, and a project key that was pasted', async (t) => {
  const { service, key } = await world(t, 5);
  await listed(key, service);
  await assert.rejects(lookup(Buffer.alloc(32, 9), { discovery: service.url, pin: service.pin }), { code: 'NOT_FOUND', status: 404 });
  const ask = async (text) => {
    const answer = await get(new URL(`${service.url}/project/${text}/sync`), { pin: parsePin(service.pin) }, AbortSignal.timeout(5_000));
    return [answer.status, JSON.parse(answer.body).type];
  };
  assert.deepEqual(await ask(discoveryKeyOf(key).toString('hex')), [200, undefined]);
  assert.deepEqual(await ask(key.toString('hex')), [400, 'urn:holdfast:problem:project-key-sent']);
  assert.deepEqual(await ask('nonsense'), [400, 'urn:holdfast:problem:malformed-key']);
  await assert.rejects(lookup(key, { discovery: service.url, pin: '11'.repeat(32) }), { code: 'UNTRUSTED' });
});
