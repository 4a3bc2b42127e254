// The writer truncates its core: a new fork, which node and readers have to follow.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App, dial, hashOwn, readAll, uploaded, write } from './support/apps.mjs';
import { startReplicator } from './support/programs.mjs';

/** Cuts the core to `keep` blocks and appends `count` blocks of another series. */
async function rewrite(context, { keep, count, seed = 'b' }) {
  const core = context.state.core;
  await core.truncate(keep);
  if (count > 0) await core.append(context.blocks(seed, keep, count, 300));
  return { length: core.length, fork: core.fork };
}

/** Waits for fork and length, then hashes everything: blocks that were held before count only if they are right. */
async function readFork(context, { fork, length }) {
  const core = context.state.core;
  const arrived = () => core.fork === fork && core.length === length;
  while (!arrived()) {
    await Promise.race(['append', 'truncate'].map((name) => new Promise((resolve) => core.once(name, resolve))));
  }
  return context.hash(core);
}

for (const version of [11, 10]) {
  test(`a reader that is online follows the fork of a Hypercore ${version} writer`, async (t) => {
    const writer = await App.start(t, { version });
    const { key, length } = await writer.run(write, { count: 200, bytes: 300 });
    const node = await startReplicator(t, { projects: [key] });
    await writer.run(dial, { port: node.port });
    await writer.run(uploaded);
    const reader = await App.start(t, { version });
    await reader.run(dial, { port: node.port });
    assert.equal(await reader.run(readAll, { key, length }), await writer.run(hashOwn));

    const cut = await writer.run(rewrite, { keep: 120, count: 150 });
    assert.equal(cut.fork, 1);
    assert.equal(await reader.run(readFork, cut), await writer.run(hashOwn));

    const again = await writer.run(rewrite, { keep: 10, count: 3, seed: 'c' });
    assert.equal(await reader.run(readFork, again), await writer.run(hashOwn));
  });

  test(`a Hypercore ${version} reader that was offline follows the fork from the node alone`, async (t) => {
    const writer = await App.start(t, { version });
    const { key, length } = await writer.run(write, { count: 200, bytes: 300 });
    const node = await startReplicator(t, { projects: [key] });
    await writer.run(dial, { port: node.port });
    await writer.run(uploaded);
    const reader = await App.start(t, { version });
    await reader.run(dial, { port: node.port });
    await reader.run(readAll, { key, length });
    await reader.run((context) => context.state.link.stop());

    const cut = await writer.run(rewrite, { keep: 77, count: 100 });
    const fresh = await App.start(t, { version });
    await fresh.run(dial, { port: node.port });
    await fresh.run(async (context, key) => { context.state.core = await context.open({ key }); }, key);
    const written = await writer.run(hashOwn);
    assert.equal(await fresh.run(readFork, cut), written); // the node has the new fork, all of it
    await writer.quit();

    await reader.run(dial, { port: node.port });
    assert.equal(await reader.run(readFork, cut), written);
  });
}

test('a core cut to nothing and written anew is what new readers get', async (t) => {
  const writer = await App.start(t);
  const { key } = await writer.run(write, { count: 50, bytes: 300 });
  const node = await startReplicator(t, { projects: [key] });
  await writer.run(dial, { port: node.port });
  await writer.run(uploaded);
  const cut = await writer.run(rewrite, { keep: 0, count: 60 });
  await writer.run(uploaded);
  const written = await writer.run(hashOwn);
  await writer.quit();
  const reader = await App.start(t);
  await reader.run(dial, { port: node.port });
  assert.equal(await reader.run(readAll, { key, ...cut }), written);
});
