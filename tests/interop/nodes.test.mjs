// Several nodes, keys handed over by apps, and what an acknowledgement is worth.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App, dial, hashOwn, readAll, uploaded, write } from './support/apps.mjs';
import { startReplicator } from './support/programs.mjs';
import { freePort } from './support/wait.mjs';

test('two nodes mirror each other: what is written at one is read at the other', async (t) => {
  const left = await App.start(t);
  const right = await App.start(t);
  const a = await left.run(write, { count: 300, bytes: 500, seed: 'left' });
  const b = await right.run(write, { count: 200, bytes: 500, seed: 'right' });
  const projects = [a.key, b.key];
  const ports = [await freePort(), await freePort()];
  const first = await startReplicator(t, { port: ports[0], projects, peers: [`127.0.0.1:${ports[1]}`] });
  await startReplicator(t, { port: ports[1], projects, peers: [`127.0.0.1:${ports[0]}`] });
  await left.run(dial, { port: ports[0] });
  await right.run(dial, { port: ports[1] });
  await Promise.all([left.run(uploaded), right.run(uploaded)]);
  const hashes = [await left.run(hashOwn), await right.run(hashOwn)];

  // Each reads what the other wrote, live, from its own node.
  const other = async (context, { key, length }) => {
    const core = context.state.other = await context.open({ key });
    await context.reached(core, length);
    return context.hash(core);
  };
  assert.equal(await left.run(other, b), hashes[1]);
  assert.equal(await right.run(other, a), hashes[0]);
  await left.run((context) => context.state.core.append('one more').then(() => undefined));
  const last = await right.run(async (context) => String(await context.state.other.get(300, { timeout: 20_000 })));
  assert.equal(last, 'one more');
  await left.quit();
  await right.quit();

  // And with the first node gone the second still has everything.
  await first.stop();
  const reader = await App.start(t);
  await reader.run(dial, { port: ports[1] });
  assert.equal(await reader.run(readAll, { key: b.key, length: 200 }), hashes[1]);
});

/** Hands the keys in context.state.extra over under the root core, on the blind-peer channel of the link. */
async function handOver(context, { referrer }) {
  const { default: BlindPeerMuxer } = await context.import('blind-peer-muxer');
  const link = context.state.link;
  await link.opened;
  const root = context.state.core;
  while (root.peers.length === 0) await new Promise((resolve) => root.once('peer-add', resolve));
  const channel = new BlindPeerMuxer(link.noise);
  const cores = context.state.extra.map((core) => ({ key: core.key, length: core.length }));
  channel.addCores({ referrer: referrer ?? root.key, priority: 0, announce: false, cores });
}

async function writeExtra(context, { count }) {
  context.state.extra = [];
  for (let i = 0; i < count; i++) {
    const core = await context.open({ name: `extra ${i}` });
    await core.append(context.blocks(`extra ${i}`, 0, 5 + i, 200));
    context.state.extra.push(core);
  }
  return context.state.extra.map((core) => core.key);
}

test('cores handed over by an app are kept under its project, also over a restart', async (t) => {
  const writer = await App.start(t);
  const { key } = await writer.run(write, { count: 10 });
  const extra = await writer.run(writeExtra, { count: 10 });
  let node = await startReplicator(t, { projects: [key] });
  await writer.run(dial, { port: node.port });
  await writer.run(handOver, {});
  await writer.run((context) => Promise.all(context.state.extra.map((core) => context.uploaded(core))).then(() => undefined));
  await writer.quit();
  await node.stop();
  node = await startReplicator(t, { projects: [key], data: node.data });

  const reader = await App.start(t);
  await reader.run(async (context, { key, port }) => {
    context.state.core = await context.open({ key }); // the project's root: what lets it see the others
    context.state.link = context.dial(port);
  }, { key, port: node.port });
  const right = await reader.run(async (context, keys) => {
    for (const [i, key] of keys.entries()) {
      const core = await context.open({ key });
      await context.reached(core, 5 + i);
      for (let at = 0; at < core.length; at++) {
        const block = await core.get(at, { timeout: 20_000 });
        if (!block.equals(context.block(`extra ${i}`, at, 200))) return `core ${i} block ${at}`;
      }
    }
    return 'right';
  }, extra);
  assert.equal(right, 'right');
});

test('cores are not taken under a project that the node does not host', async (t) => {
  const writer = await App.start(t);
  const { key } = await writer.run(write, { count: 10 });
  await writer.run(writeExtra, { count: 2 });
  const node = await startReplicator(t, { projects: [key] });
  await writer.run(dial, { port: node.port });
  await writer.run(uploaded);
  await writer.run(handOver, { referrer: Buffer.alloc(32, 9) });
  // The hosted core is still served on this connection; the others never get a peer.
  await writer.run((context) => context.state.core.append('more').then(() => context.uploaded(context.state.core)));
  const peers = await writer.run((context) => context.state.extra.map((core) => core.peers.length));
  assert.deepEqual(peers, [0, 0]);
});

test('cores are not taken from somebody who has not proven the project', async (t) => {
  const writer = await App.start(t);
  const { key } = await writer.run(write, { count: 10 });
  const stranger = await App.start(t);
  const own = await stranger.run(write, { count: 3, seed: 'own' });
  await stranger.run(writeExtra, { count: 2 });
  const node = await startReplicator(t, { projects: [key, own.key] });
  await writer.run(dial, { port: node.port });
  await writer.run(uploaded);
  await stranger.run(dial, { port: node.port });
  await stranger.run(handOver, { referrer: key });
  // It has proven another project, and that one is served; the keys under the first project are not taken.
  await stranger.run(uploaded);
  await stranger.run((context) => context.state.core.append('more').then(() => context.uploaded(context.state.core)));
  const peers = await stranger.run((context) => context.state.extra.map((core) => core.peers.length));
  assert.deepEqual(peers, [0, 0]);
});

test('what was acknowledged is there after kill -9', async (t) => {
  const writer = await App.start(t);
  const { key } = await writer.run(write, { count: 5_000, bytes: 1_000 });
  let node = await startReplicator(t, { projects: [key] });
  await writer.run(dial, { port: node.port });
  const acknowledged = await writer.run(async (context) => {
    const core = context.state.core;
    while (core.remoteContiguousLength === 0) await new Promise((r) => core.once('remote-contiguous-length', r));
    return core.remoteContiguousLength;
  });
  await node.kill();
  const last = await writer.run((context) => context.state.core.remoteContiguousLength);
  await writer.kill(); // nobody is left to send it again
  node = await startReplicator(t, { projects: [key], data: node.data });
  const reader = await App.start(t);
  await reader.run(dial, { port: node.port });
  const held = await reader.run(async (context, { key, length }) => {
    const core = await context.open({ key });
    await context.reached(core, length);
    for (let i = 0; i < length; i++) {
      if (!(await core.get(i, { timeout: 20_000 })).equals(context.block('a', i, 1_000))) return `block ${i} differs`;
    }
    return 'all';
  }, { key, length: last });
  assert.ok(last >= acknowledged);
  assert.equal(held, 'all');
});
