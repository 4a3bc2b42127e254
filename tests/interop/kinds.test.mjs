// Cores that are not a plain full log of one writer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App, dial, hashOwn, readAll, uploaded, write } from './support/apps.mjs';
import { startReplicator } from './support/programs.mjs';

test('the 200 of 1000 blocks that a seeder cleared come from a second peer', async (t) => {
  const writer = await App.start(t);
  const { key, length } = await writer.run(write, { count: 1_000, bytes: 400 });
  const second = await App.start(t);
  const first = await startReplicator(t, { projects: [key] });
  await writer.run(dial, { port: first.port });
  await second.run(dial, { port: first.port });
  const written = await second.run(readAll, { key, length });
  for (const app of [writer, second]) await app.run((context) => context.state.link.stop());
  await first.stop();

  await writer.run((context) => context.state.core.clear(300, 500).then(() => undefined));
  const node = await startReplicator(t, { projects: [key] });
  await writer.run(dial, { port: node.port });
  const reader = await App.start(t);
  await reader.run(dial, { port: node.port });
  const [same, lacking] = await reader.run(async (context, { key }) => {
    const core = context.state.core = await context.open({ key });
    await context.reached(core, 1_000);
    for (let i = 0; i < 1_000; i++) {
      if (i === 300) i = 500;
      const block = await core.get(i, { timeout: 20_000 });
      if (!block.equals(context.block('a', i, 400))) return [`block ${i} differs`];
    }
    return ['same', await core.get(400, { timeout: 500 }).then(() => 'found', (error) => error.code)];
  }, { key });
  assert.equal(same, 'same');
  assert.equal(lacking, 'REQUEST_TIMEOUT');

  await second.run(dial, { port: node.port });
  assert.equal(await reader.run(readAll, { key, length }), written);
});

test('two sparse copies, each with what the other lacks, make a whole one', async (t) => {
  const writer = await App.start(t);
  const { key, length } = await writer.run(write, { count: 1_000, bytes: 400 });
  const first = await startReplicator(t, { projects: [key] });
  await writer.run(dial, { port: first.port });
  await writer.run(uploaded);
  const written = await writer.run(hashOwn);
  await writer.quit();
  const halves = [await App.start(t), await App.start(t, { version: 10 })];
  for (const [half, app] of halves.entries()) {
    await app.run(dial, { port: first.port });
    await app.run(async (context, { key, half }) => {
      const core = context.state.core = await context.open({ key });
      await context.reached(core, 1_000);
      const mine = Array.from({ length: 1_000 }, (_, i) => i).filter((i) => (i % 7 < 4) === (half === 0));
      await core.download({ blocks: mine }).done();
      await context.state.link.stop();
    }, { key, half });
  }
  await first.stop();

  const node = await startReplicator(t, { projects: [key] });
  const reader = await App.start(t);
  for (const app of [...halves, reader]) await app.run(dial, { port: node.port });
  assert.equal(await reader.run(readAll, { key, length }), written);
});

test('an encrypted core is kept and served by a node that cannot read it', async (t) => {
  const encryptionKey = Buffer.alloc(32, 42);
  const kSecret = 'the plain text that nobody may find';
  const writer = await App.start(t);
  const { key } = await writer.run(async (context, { encryptionKey, secret }) => {
    const core = context.state.core = await context.open({ name: 'secret', encryptionKey });
    for (let i = 0; i < 100; i++) await core.append(`${secret} ${i}`);
    return { key: core.key };
  }, { encryptionKey, secret: kSecret });
  const node = await startReplicator(t, { projects: [key] });
  await writer.run(dial, { port: node.port });
  await writer.run(uploaded);
  await writer.quit();
  const reader = await App.start(t);
  await reader.run(dial, { port: node.port });
  const read = await reader.run(async (context, { key, encryptionKey }) => {
    const core = await context.open({ key, encryptionKey });
    await context.reached(core, 100);
    return [await core.get(0, { timeout: 20_000 }), await core.get(99, { timeout: 20_000 })].map(String);
  }, { key, encryptionKey });
  assert.deepEqual(read, [`${kSecret} 0`, `${kSecret} 99`]);

  const stranger = await App.start(t);
  await stranger.run(dial, { port: node.port });
  const seen = await stranger.run(async (context, key) => {
    const core = await context.open({ key });
    await context.reached(core, 100);
    return String(await core.get(0, { timeout: 20_000 }));
  }, key);
  assert.equal(seen.includes('plain text'), false);
});

/**
 * A core that two of three signers sign: `signed` are the blocks each of the two had when it signed.
 * Returns the key; the core holds as many blocks as both had.
 */
async function writeMultisig(context, { signed, allowPatch, count }) {
  const { default: Hypercore } = await context.import('hypercore');
  const { default: crypto } = await context.import('hypercore-crypto');
  const { default: multisig } = await context.import('hypercore/lib/multisig.js');
  const { default: caps } = await context.import('hypercore/lib/caps.js');
  const pairs = ['one', 'two', 'three'].map((name) => crypto.keyPair(crypto.hash(Buffer.from(name))));
  const manifest = {
    version: 1, hash: 'blake2b', allowPatch, quorum: 2,
    signers: pairs.map(({ publicKey }) => ({ signature: 'ed25519', namespace: caps.DEFAULT_NAMESPACE, publicKey })),
  };
  const key = Hypercore.key(manifest);
  const blocks = context.blocks('multi', 0, count, 300);
  const scratch = await context.open({ name: 'scratch' });
  await scratch.append(blocks);
  const core = context.state.core = await context.open({ key, manifest });
  const length = Math.min(...signed);
  const parts = await Promise.all(signed.map(async (to, i) => {
    const signer = i * 2; // the first and the third
    const signable = caps.treeSignable(key, await scratch.treeHash(to), to, 0);
    return multisig.partialSignature(scratch, signer, length, to, crypto.sign(signable, pairs[signer].secretKey));
  }));
  await core.append(blocks.slice(0, length), { signature: multisig.assemble(parts) });
  await scratch.close();
  return { key, length: core.length };
}

for (const [what, options] of [
  ['of the same length', { signed: [100, 100], allowPatch: false, count: 100 }],
  ['with a patch: one signer was further', { signed: [100, 117], allowPatch: true, count: 117 }],
]) {
  test(`a core signed by two of three, ${what}`, async (t) => {
    const writer = await App.start(t);
    const { key, length } = await writer.run(writeMultisig, options);
    assert.equal(length, 100);
    const node = await startReplicator(t, { projects: [key] });
    await writer.run(dial, { port: node.port });
    await writer.run(uploaded);
    const written = await writer.run(hashOwn);
    await writer.quit();
    const reader = await App.start(t);
    await reader.run(dial, { port: node.port });
    assert.equal(await reader.run(readAll, { key, length }), written);
  });
}
