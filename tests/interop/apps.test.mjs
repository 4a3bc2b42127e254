// Whole applications on top of Hypercore: Hyperdrive, Autobase.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App, dial } from './support/apps.mjs';
import { startReplicator } from './support/programs.mjs';

test('a Hyperdrive is hosted by its key alone: the core of its files is found by the node', async (t) => {
  const kFiles = 20;
  const writer = await App.start(t);
  const { key, listing } = await writer.run(async (context, count) => {
    const { default: Hyperdrive } = await context.import('hyperdrive');
    const drive = context.state.drive = new Hyperdrive(context.store);
    await drive.ready();
    const listing = [];
    for (let i = 0; i < count; i++) {
      const name = `/folder ${i % 3}/file ${i}`;
      await drive.put(name, context.block('file', i, 1_000 + i * 9_000));
      listing.push(name);
    }
    return { key: drive.key, listing };
  }, kFiles);
  const node = await startReplicator(t, { projects: [key] });
  await writer.run(dial, { port: node.port });
  await writer.run(async (context) => {
    const { drive } = context.state;
    await context.uploaded(drive.core);
    await context.uploaded(drive.blobs.core);
  });
  await writer.quit();
  const reader = await App.start(t);
  await reader.run(dial, { port: node.port });
  const read = await reader.run(async (context, { key, listing }) => {
    const { default: Hyperdrive } = await context.import('hyperdrive');
    const drive = new Hyperdrive(context.store, key);
    await drive.ready();
    await context.reached(drive.core, listing.length + 1);
    const found = [];
    for await (const { key: name } of drive.list('/')) found.push(name);
    for (const [i, name] of listing.entries()) {
      const bytes = await drive.get(name, { timeout: 20_000 });
      if (!bytes.equals(context.block('file', i, 1_000 + i * 9_000))) return `${name} differs`;
    }
    return found.sort();
  }, { key, listing });
  assert.deepEqual(read, [...listing].sort());
});

/** Opens an Autobase whose view is a list, and tells the node about its cores again whenever there are more of them. */
async function openBase(context, { key = null, port }) {
  const { default: Autobase } = await context.import('autobase');
  const { default: BlindPeerMuxer } = await context.import('blind-peer-muxer');
  const base = context.state.base = new Autobase(context.store, key, {
    valueEncoding: 'json',
    ackInterval: 50,
    open: (store) => store.get({ name: 'view', valueEncoding: 'json' }),
    apply: async (nodes, view, host) => {
      for (const { value } of nodes) {
        if (value.addWriter) await host.addWriter(Buffer.from(value.addWriter, 'hex'), { indexer: true });
        else await view.append(value);
      }
    },
  });
  await base.ready();
  const link = context.dial(port);
  await link.opened;
  const channel = new BlindPeerMuxer(link.noise);
  const told = new Set();
  context.state.tell = () => {
    const cores = [base.local, base.core, ...base.views(), ...[...base.activeWriters].map((writer) => writer.core)]
      .filter((core) => core?.key && core.opened)
      .map((core) => ({ key: core.key, length: core.length }))
      .filter(({ key }) => !told.has(key.toString('hex')));
    for (const { key } of cores) told.add(key.toString('hex'));
    if (cores.length > 0) channel.addCores({ referrer: base.key, priority: 0, announce: false, cores });
  };
  return { key: base.key, local: base.local.key };
}

test('two writers of an Autobase meet only at the node', async (t) => {
  const alice = await App.start(t);
  const bob = await App.start(t);
  // The key of the Autobase has to be known to start the node with it.
  const { key } = await alice.run(async (context) => {
    const { default: Autobase } = await context.import('autobase');
    const base = new Autobase(context.store.session(), null, { valueEncoding: 'json' });
    await base.ready();
    const { key } = base;
    await base.close();
    return { key };
  });
  const node = await startReplicator(t, { projects: [key] });
  const kEach = 20;
  await alice.run(openBase, { key, port: node.port });
  const { local } = await bob.run(openBase, { key, port: node.port });
  const tell = async (context) => {
    const { base, tell } = context.state;
    // A node takes further cores only under a project whose root core was proven to it on this connection.
    const root = await context.open({ key: base.key });
    while (!root.peers.length) await new Promise((resolve) => root.once('peer-add', resolve));
    tell();
    base.on('update', tell);
  };
  await Promise.all([alice.run(tell), bob.run(tell)]);
  await alice.run(async (context, local) => {
    await context.state.base.append({ addWriter: local.toString('hex') });
  }, local);
  await bob.run(async (context) => {
    const { base } = context.state;
    while (!base.writable) await new Promise((resolve) => base.once('writable', resolve));
  });
  const append = async (context, { name, count }) => {
    for (let i = 0; i < count; i++) await context.state.base.append({ name, i });
  };
  await Promise.all([
    alice.run(append, { name: 'alice', count: kEach }),
    bob.run(append, { name: 'bob', count: kEach }),
  ]);
  // Both end up with the same messages, and have signed an order of some of them together.
  const settled = async (context, count) => {
    const { base } = context.state;
    while (base.view.length < count || base.view.signedLength === 0) {
      await new Promise((resolve) => base.once('update', resolve));
    }
    const all = [];
    for (let i = 0; i < count; i++) all.push(await base.view.get(i));
    return { signed: Math.min(count, base.view.signedLength), all: all.map(({ name, i }) => `${name} ${i}`) };
  };
  const agree = (left, right) => {
    // What is not signed yet may still change places; what is signed may not.
    const signed = Math.min(left.signed, right.signed);
    assert.deepEqual(left.all.slice(0, signed), right.all.slice(0, signed));
    assert.deepEqual([...left.all].sort(), [...right.all].sort());
    assert.equal(new Set(left.all).size, 2 * kEach);
  };
  const [left, right] = await Promise.all([alice.run(settled, 2 * kEach), bob.run(settled, 2 * kEach)]);
  agree(left, right);

  // A reader that comes when both are gone finds everything at the node.
  await alice.run((context) => context.uploaded(context.state.base.local));
  await bob.run((context) => context.uploaded(context.state.base.local));
  await alice.kill();
  await bob.kill();
  const reader = await App.start(t);
  await reader.run(openBase, { key, port: node.port });
  agree(await reader.run(settled, 2 * kEach), left);
});
