// A writer and a reader that are never online together meet at the node.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App, dial, hashOwn, readAll, uploaded, write } from './support/apps.mjs';
import { restartReplicator, startReplicator } from './support/programs.mjs';

for (const from of [11, 10]) {
  for (const to of [11, 10]) {
    test(`Hypercore ${from} writes and goes, Hypercore ${to} reads everything`, async (t) => {
      const writer = await App.start(t, { version: from });
      const { key, length } = await writer.run(write, { count: 500, bytes: 1_000 });
      const node = await startReplicator(t, { projects: [key] });
      await writer.run(dial, { port: node.port });
      await writer.run(uploaded);
      const written = await writer.run(hashOwn);
      await writer.quit();

      const reader = await App.start(t, { version: to });
      await reader.run(dial, { port: node.port });
      assert.equal(await reader.run(readAll, { key, length }), written);
    });
  }
}

for (const [version, compat] of [[10, false], [11, true]]) {
  test(`Hypercore ${version}, ${compat ? 'compat core' : 'core with a manifest'}, reaches both versions`, async (t) => {
    const writer = await App.start(t, { version });
    const { key, length } = await writer.run(async (context, { compat }) => {
      const options = compat
        ? { keyPair: await context.store.createKeyPair('old'), compat: true }
        : { name: 'new', compat: false };
      if (compat) options.key = options.keyPair.publicKey;
      const core = context.state.core = await context.open(options);
      await core.append(context.blocks('c', 0, 300, 200));
      return { key: core.key, length: core.length };
    }, { compat });
    const node = await startReplicator(t, { projects: [key] });
    await writer.run(dial, { port: node.port });
    await writer.run(uploaded);
    const written = await writer.run(hashOwn);
    await writer.quit();
    for (const to of [11, 10]) {
      const reader = await App.start(t, { version: to });
      await reader.run(dial, { port: node.port });
      assert.equal(await reader.run(readAll, { key, length }), written);
    }
  });
}

test('appends arrive live in both directions', async (t) => {
  const left = await App.start(t);
  const right = await App.start(t, { version: 10 });
  const a = await left.run(write, { count: 10 });
  const b = await right.run(write, { count: 10 });
  const node = await startReplicator(t, { projects: [a.key, b.key] });
  const follow = async (context, { port, key }) => {
    context.state.other = await context.open({ key });
    context.dial(port);
    await context.reached(context.state.other, 10);
  };
  await Promise.all([left.run(follow, { port: node.port, key: b.key }), right.run(follow, { port: node.port, key: a.key })]);
  const append = (context, { seed, i }) => context.state.core.append(context.block(seed, i, 100)).then(() => undefined);
  const read = async (context, { seed, i }) => {
    const block = await context.state.other.get(i, { timeout: 10_000 });
    return block.equals(context.block(seed, i, 100));
  };
  for (let i = 10; i < 60; i++) {
    await Promise.all([left.run(append, { seed: 'a', i }), right.run(append, { seed: 'a', i })]);
    assert.deepEqual(await Promise.all([left.run(read, { seed: 'a', i }), right.run(read, { seed: 'a', i })]), [true, true]);
  }
});

test('a hundred cores share one connection', async (t) => {
  const kCores = 100;
  const writer = await App.start(t);
  const keys = await writer.run(async (context, count) => {
    const cores = context.state.cores = [];
    for (let i = 0; i < count; i++) {
      cores.push(await context.open({ name: `core ${i}` }));
      await cores[i].append(context.blocks(`core ${i}`, 0, 1 + (i % 7), 500));
    }
    return cores.map((core) => core.key);
  }, kCores);
  const node = await startReplicator(t, { projects: keys });
  const connections = await writer.run(async (context, port) => {
    const link = context.dial(port);
    await Promise.all(context.state.cores.map((core) => context.uploaded(core)));
    return link.connections;
  }, node.port);
  assert.equal(connections, 1);
  const reader = await App.start(t);
  const wrong = await reader.run(async (context, { keys, port }) => {
    const cores = await Promise.all(keys.map((key) => context.open({ key })));
    const link = context.dial(port);
    const checks = cores.map(async (core, i) => {
      await context.reached(core, 1 + (i % 7));
      for (let at = 0; at < core.length; at++) {
        const block = await core.get(at, { timeout: 20_000 });
        if (!block.equals(context.block(`core ${i}`, at, 500))) return i;
      }
      return null;
    });
    const found = (await Promise.all(checks)).filter((i) => i !== null);
    return link.connections === 1 ? found : 'more than one connection';
  }, { keys, port: node.port });
  assert.deepEqual(wrong, []);
});

test('the node is restarted in the middle of an upload and of a download', async (t) => {
  const kLength = 4_000;
  const writer = await App.start(t);
  const { key } = await writer.run(write, { count: kLength, bytes: 4_000 });
  let node = await startReplicator(t, { projects: [key] });
  await writer.run(dial, { port: node.port, keep: true });
  await writer.run(async (context) => {
    const core = context.state.core;
    while (core.remoteContiguousLength === 0) await new Promise((r) => core.once('remote-contiguous-length', r));
  });
  node = await restartReplicator(t, node);
  await writer.run(uploaded);
  const written = await writer.run(hashOwn);
  await writer.quit();

  const reader = await App.start(t);
  await reader.run(dial, { port: node.port, keep: true });
  await reader.run(async (context, key) => {
    const core = context.state.core = await context.open({ key });
    core.download({ start: 0, end: -1 });
    await new Promise((r) => core.once('download', r));
  }, key);
  node = await restartReplicator(t, node);
  assert.equal(await reader.run(readAll, { key, length: kLength }), written);
});

test('one block of 15 MiB passes', async (t) => {
  const kBytes = 15 * 1024 * 1024;
  const writer = await App.start(t);
  const key = await writer.run(async (context, bytes) => {
    const core = context.state.core = await context.open({ name: 'big' });
    const block = Buffer.alloc(bytes, context.block('big', 0, 65_521));
    await core.append(['before', block, 'after']);
    return core.key;
  }, kBytes);
  const node = await startReplicator(t, { projects: [key] });
  await writer.run(dial, { port: node.port });
  await writer.run(uploaded);
  await writer.quit();
  const reader = await App.start(t);
  await reader.run(dial, { port: node.port });
  const same = await reader.run(async (context, { key, bytes }) => {
    const core = await context.open({ key });
    const block = await core.get(1, { timeout: 30_000 });
    return block.equals(Buffer.alloc(bytes, context.block('big', 0, 65_521)));
  }, { key, bytes: kBytes });
  assert.equal(same, true);
});

test('random access and seek fetch what they need and no more', async (t) => {
  const writer = await App.start(t);
  const { key } = await writer.run(async (context) => {
    const core = context.state.core = await context.open({ name: 'seek' });
    const blocks = Array.from({ length: 1_000 }, (_, i) => context.block('s', i, 1 + (i * 37) % 991));
    await core.append(blocks);
    return { key: core.key };
  });
  const node = await startReplicator(t, { projects: [key] });
  await writer.run(dial, { port: node.port });
  await writer.run(uploaded);
  const places = await writer.run(async (context) => {
    const core = context.state.core;
    const found = [];
    for (const byte of [0, 1, 5_000, 123_456, 400_000, core.byteLength - 1]) found.push([byte, await core.seek(byte)]);
    return found;
  });
  await writer.quit();
  for (const version of [11, 10]) {
    const reader = await App.start(t, { version });
    await reader.run(dial, { port: node.port });
    const result = await reader.run(async (context, { key, places }) => {
      const core = await context.open({ key });
      await context.reached(core, 1_000);
      for (const [byte, expected] of places) {
        const place = await core.seek(byte, { timeout: 20_000 });
        if (place[0] !== expected[0] || place[1] !== expected[1]) return `seek ${byte}: ${place}, not ${expected}`;
      }
      for (const i of [999, 0, 500, 731, 3, 512, 511]) {
        const block = await core.get(i, { timeout: 20_000 });
        if (!block.equals(context.block('s', i, 1 + (i * 37) % 991))) return `block ${i} differs`;
      }
      let held = 0;
      for (let i = 0; i < core.length; i++) if (await core.has(i)) held++;
      return held <= 20 ? 'right' : `${held} blocks were fetched`;
    }, { key, places });
    assert.equal(result, 'right');
  }
});
