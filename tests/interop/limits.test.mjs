// What happens at the bounds of a node and of what a service takes: what is there stays, and the rest is refused with words.
import assert from 'node:assert/strict';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { ask, metric, sync } from './support/ask.mjs';
import { isQuoted } from './support/docs.mjs';
import { App, dial, hashOwn, readAll, uploaded, write } from './support/apps.mjs';
import { discoveryArgs, holdfast, idOf, restartReplicator, startDiscovery, startReplicator } from './support/programs.mjs';
import { until } from './support/wait.mjs';

const kOpen = ['--new-keys', 'open', '--lease', '3s', '--rate-limit', 'off'];
const kVolunteer = ['--accept', 'assigned'];

const info = async (service, id) => (await ask(service, `/replicators/${id}`)).body;
const listed = (service, id) => until(20_000, 'the node to be listed', async () => (await info(service, id))?.listed);

test('--capacity: a full volunteer keeps what it has, another one takes the rest', async (t) => {
  const service = await startDiscovery(t, { args: kOpen });
  const small = await startReplicator(t, { args: [...discoveryArgs(service), ...kVolunteer, '--capacity', '2'] });
  await listed(service, await idOf(small));
  const keys = Array.from({ length: 5 }, () => randomBytes(32));
  const first = await Promise.all(keys.map((key) => sync(service, key, '?wait=2')));
  assert.deepEqual(first.map(({ status }) => status).sort(), [200, 200, 503, 503, 503]);
  for (const { status, headers, body } of first) {
    if (status === 200) continue;
    assert.match(body.type, /nobody-can-serve$/);
    assert.ok(Number(headers['retry-after']) >= 1);
  }
  assert.equal(await metric(small, 'holdfast_replicator_assigned_keys'), 2);
  const large = await startReplicator(t, { args: [...discoveryArgs(service), ...kVolunteer] });
  await listed(service, await idOf(large));
  const later = await Promise.all(keys.map((key) => sync(service, key, '?wait=20')));
  assert.deepEqual([...new Set(later.map(({ status }) => status))], [200]);
  assert.deepEqual(later.map(({ body }) => body.port), first.map(({ status }) => (status === 200 ? small.port : large.port)));
});

test('--capacity is for what is assigned: what the owner names is hosted all the same', async (t) => {
  const service = await startDiscovery(t, { args: kOpen });
  const projects = Array.from({ length: 3 }, () => randomBytes(32));
  const node = await startReplicator(t, { projects, args: [...discoveryArgs(service), ...kVolunteer, '--capacity', '1'] });
  const id = await idOf(node);
  await until(20_000, 'all keys to be listed', async () => (await info(service, id))?.projects === 3);
  assert.equal((await sync(service, randomBytes(32), '?wait=1')).status, 503);
});

test('--disk-budget: a full node serves on, is assigned nothing new, and goes on when there is room', async (t) => {
  const service = await startDiscovery(t, { args: kOpen });
  const writer = await App.start(t);
  const { key, length } = await writer.run(write, { count: 100, bytes: 100_000 });
  const args = [...discoveryArgs(service), ...kVolunteer, '--disk-budget', '4MiB'];
  const node = await startReplicator(t, { projects: [key], args });
  const id = await idOf(node);
  await listed(service, id);
  await writer.run(dial, { port: node.port, keep: true });
  const full = await node.line(/storage is full \(\d+ bytes used, --disk-budget 4194304\): nothing new is taken, what is here is served/, 30_000);
  isQuoted(full.input);
  assert.equal(await metric(node, 'holdfast_replicator_storage_full'), 1);
  assert.ok(await metric(node, 'holdfast_replicator_stored_bytes') < 5 << 20, 'about the budget');
  const received = await metric(node, 'holdfast_replicator_blocks_received_total');
  assert.ok(received > 10 && received < length, `${received} blocks`);

  await until(10_000, 'the service to know', async () => (await info(service, id)).load.storage_full);
  assert.equal((await sync(service, key)).body.endpoints[0].replicator, id, 'it is still listed');
  assert.equal((await sync(service, randomBytes(32), '?wait=1')).status, 503, 'and assigned nothing');
  const reader = await App.start(t);
  const taken = await reader.run(async (context, { key, port }) => {
    const core = await context.open({ key });
    context.dial(port);
    await context.reached(core, 1);
    await core.download({ start: 0, end: core.length });
    const deadline = Date.now() + 20_000;
    while (core.contiguousLength === 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
    return (await core.get(0, { timeout: 20_000 })).equals(context.block('a', 0, 100_000));
  }, { key, port: node.port });
  assert.equal(taken, true, 'what it has it serves');

  const again = await restartReplicator(t, node, 'stop', { args: [...discoveryArgs(service), ...kVolunteer, '--disk-budget', '64MiB'] });
  await writer.run(uploaded);
  const written = await writer.run(hashOwn);
  await writer.quit();
  assert.equal(await metric(again, 'holdfast_replicator_storage_full'), 0);
  const whole = await App.start(t);
  await whole.run(dial, { port: again.port });
  assert.equal(await whole.run(readAll, { key, length }), written);
});

test('--keys-per-replicator: a node with more keys than a service takes is found for as many, and for the same after a restart', async (t) => {
  const service = await startDiscovery(t, { args: ['--keys-per-replicator', '1050', '--lease', '10s', '--rate-limit', 'off'] });
  const projects = Array.from({ length: 1_100 }, () => randomBytes(32));
  const node = await startReplicator(t, { projects, args: discoveryArgs(service) });
  const id = await idOf(node);
  const found = async () => {
    const names = [];
    for (const key of projects) if ((await sync(service, key)).status === 200) names.push(key);
    return names;
  };
  await node.line(/takes at most 1050 keys of this node and 50 are left out; ask its operator for more, for id /, 30_000);
  await until(20_000, 'the keys to be listed', async () => (await info(service, id)).projects === 1_050);
  const before = await found();
  assert.equal(before.length, 1_050, 'more than one batch');
  assert.equal(await metric(node, 'holdfast_replicator_unlisted_keys'), 50);

  // While it is away and while it says again what it has, nothing is forgotten.
  let renewed = false;
  const statuses = new Set();
  const asking = (async () => {
    for (let i = 0; !renewed; i++) statuses.add((await sync(service, before[i % before.length])).status);
  })();
  const again = await restartReplicator(t, node, 'kill');
  await again.line(/takes at most 1050 keys/, 30_000);
  await until(20_000, 'a renewal', async () => (await metric(again, 'holdfast_replicator_renewals_total')) > 1);
  renewed = true;
  await asking;
  assert.deepEqual([...statuses], [200]);
  assert.deepEqual(await found(), before);

  const more = ['--admin', `127.0.0.1:${service.ports.admin}`, '--token-file', path.join(service.state, 'admin-token')];
  assert.equal((await holdfast('admin', 'quota', id, '--keys', '20', ...more)).code, 0);
  const renewals = await metric(again, 'holdfast_replicator_renewals_total');
  await until(20_000, 'two renewals', async () => (await metric(again, 'holdfast_replicator_renewals_total')) > renewals + 1);
  assert.equal((await info(service, id)).projects, 1_050, 'what is listed stays listed');
  assert.equal((await holdfast('admin', 'quota', id, '--keys', '2000', ...more)).code, 0);
  await until(20_000, 'all keys to be listed', async () => (await info(service, id)).projects === 1_100);
  assert.equal(await metric(again, 'holdfast_replicator_unlisted_keys'), 0);
  await again.line(/takes all keys of this node/);
});

test('keys that a node had before it was started anew leave the answers', async (t) => {
  const service = await startDiscovery(t, { args: ['--lease', '10s', '--keys-per-replicator', '2'] });
  const projects = Array.from({ length: 2 }, () => randomBytes(32));
  const node = await startReplicator(t, { projects, args: discoveryArgs(service) });
  const id = await idOf(node);
  await until(20_000, 'both keys to be listed', async () => (await info(service, id))?.projects === 2);
  await node.kill();
  const other = randomBytes(32);
  // The same node with another store: what it had is lost.
  await rm(path.join(node.data, 'store'), { recursive: true });
  await startReplicator(t, { data: node.data, port: node.port, projects: [projects[1], other], args: discoveryArgs(service) });
  await until(20_000, 'the new key to be listed', async () => (await sync(service, other)).status === 200);
  assert.deepEqual(await Promise.all(projects.map(async (key) => (await sync(service, key)).status)), [404, 200]);
});
