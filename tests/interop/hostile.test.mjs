// Strangers and liars: they are refused or paused, nothing of theirs is stored, and everybody else goes on.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { App, dial, hashOwn, readAll, uploaded, write } from './support/apps.mjs';
import { connectNoise, connectRaw, openCore, request, sync } from './support/attacker.mjs';
import { startReplicator } from './support/programs.mjs';
import { within } from './support/wait.mjs';

const kSecond = 1_000;

/** A node that hosts a core of a hundred blocks which it has, and an empty one. */
async function world(t) {
  const writer = await App.start(t);
  const { key, length } = await writer.run(write, { count: 100, bytes: 1_000 });
  const node = await startReplicator(t, { projects: [key] });
  await writer.run(dial, { port: node.port });
  await writer.run(uploaded);
  return { writer, key, length, node };
}

/** The writer that was there all the time still gets its appends acknowledged; a new reader gets everything. */
async function assertServed(t, { writer, key, node }) {
  assert.ok(node.running, node.log());
  await writer.run((context) => context.state.core.append(`block ${context.state.core.length}`).then(() => undefined));
  await writer.run(uploaded);
  const length = await writer.run((context) => context.state.core.length);
  const reader = await App.start(t);
  await reader.run(dial, { port: node.port });
  assert.equal(await reader.run(readAll, { key, length }), await writer.run(hashOwn));
  const connections = await writer.run((context) => context.state.link.connections);
  assert.equal(connections, 1, 'the honest connection was cut');
}

test('bytes that are no handshake end the connection', async (t) => {
  const w = await world(t);
  const openings = [
    randomBytes(4_096), Buffer.alloc(4_096), Buffer.alloc(4_096, 0xff), Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'),
    Buffer.concat([Buffer.from([32, 0, 0]), randomBytes(4_096)]), // a right length, then nonsense
    Buffer.concat([Buffer.from([33, 0, 0]), randomBytes(33)]), // a first message of a wrong length
    Buffer.concat([Buffer.from([32, 0, 0]), Buffer.alloc(32)]), // the neutral element as ephemeral key
    Buffer.concat([Buffer.from([32, 0, 0]), Buffer.alloc(32, 0xff)]), // no point of the curve
    Buffer.from([0, 0, 0]), // an empty frame
  ];
  for (const [i, bytes] of openings.entries()) {
    const attacker = connectRaw(w.node.port);
    await attacker.connected;
    attacker.socket.write(bytes);
    await within(15 * kSecond, `the end of opening ${i}`, attacker.closed);
  }
  await assertServed(t, w);
});

test('a frame of 16 MiB from a stranger is refused by its length, before it is sent', async (t) => {
  const w = await world(t);
  const raw = connectRaw(w.node.port);
  await raw.connected;
  raw.socket.write(Buffer.from([0xff, 0xff, 0xff]));
  await within(15 * kSecond, 'the end', raw.closed);
  // Past the handshake, before anything was proven: the limit is 64 KiB.
  const attacker = await connectNoise(w.node.port);
  attacker.socket.write(Buffer.from([0xff, 0xff, 0xff]));
  await within(15 * kSecond, 'the end', attacker.closed);
  await assertServed(t, w);
});

test('sixty handshakes that are never finished are given up', async (t) => {
  const w = await world(t);
  const silent = Array.from({ length: 30 }, () => connectRaw(w.node.port));
  const half = Array.from({ length: 30 }, () => connectRaw(w.node.port));
  await Promise.all([...silent, ...half].map(({ connected }) => connected));
  for (const { socket } of half) socket.write(Buffer.concat([Buffer.from([32, 0, 0]), randomBytes(20)]));
  await assertServed(t, w);
  await within(30 * kSecond, 'the end of the silent ones', Promise.all([...silent, ...half].map(({ closed }) => closed)));
});

test('bytes that do not decrypt end the connection', async (t) => {
  const w = await world(t);
  const attacker = await connectNoise(w.node.port);
  attacker.socket.write(Buffer.concat([Buffer.from([100, 0, 0]), randomBytes(100)]));
  await within(15 * kSecond, 'the end', attacker.closed);
  await assertServed(t, w);
});

test('decrypted nonsense ends at most its own connection', async (t) => {
  const w = await world(t);
  const messages = [
    Buffer.from([0]), Buffer.from([0, 1]), Buffer.from([0, 9, 1]), Buffer.from([0, 3, 77]), Buffer.from([0, 2, 77]),
    Buffer.from([0, 0]), Buffer.from([0, 0, 1, 200]), Buffer.from([5, 5, 5]), Buffer.from([0, 1, 0xff, ...Array(8).fill(0xff)]),
    Buffer.from([0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0xff]), Buffer.concat([Buffer.from([0, 1, 1]), randomBytes(2_000)]),
  ];
  for (let i = 0; i < 50; i++) messages.push(randomBytes(1 + i * 7));
  for (const message of messages) {
    const attacker = await connectNoise(w.node.port);
    attacker.stream.write(message);
    attacker.stream.end();
    await within(15 * kSecond, 'the end', attacker.closed);
  }
  await assertServed(t, w);
});

test('a wrong capability opens nothing', async (t) => {
  const w = await world(t);
  for (const capability of [Buffer.alloc(32), randomBytes(32)]) {
    const attacker = await connectNoise(w.node.port);
    const channel = openCore(attacker, w.key, { capability });
    channel.put('sync', sync(0));
    channel.put('request', request(1, { block: { index: 0, nodes: 0 }, upgrade: { start: 0, length: 100 } }));
    const closed = new Promise((resolve) => { channel.onclose = resolve; });
    await within(15 * kSecond, 'the refusal', Promise.race([attacker.closed, closed, channel.fullyClosed()]));
    assert.deepEqual(channel.received, []);
    attacker.stream.destroy();
  }
  await assertServed(t, w);
});

test('unknown cores and protocols are rejected, and the connection goes on', async (t) => {
  const w = await world(t);
  const attacker = await connectNoise(w.node.port);
  for (let i = 0; i < 200; i++) {
    const channel = openCore(attacker, randomBytes(32));
    assert.equal(await within(10 * kSecond, 'the reject', channel.fullyOpened()), false);
  }
  const other = attacker.mux.createChannel({ protocol: 'no such protocol', messages: [{}] });
  other.open();
  assert.equal(await within(10 * kSecond, 'the reject', other.fullyOpened()), false);
  const right = openCore(attacker, w.key);
  assert.equal(await within(10 * kSecond, 'the right core', right.fullyOpened()), true);
  attacker.stream.destroy();
  await assertServed(t, w);
});

test('a channel id that is in use is not opened twice', async (t) => {
  const w = await world(t);
  const attacker = await connectNoise(w.node.port);
  const channel = openCore(attacker, w.key);
  assert.equal(await within(10 * kSecond, 'the core', channel.fullyOpened()), true);
  attacker.stream.write(Buffer.concat([Buffer.from([0, 1, 1, 1, 0x78, 0]), Buffer.alloc(0)]));
  await within(15 * kSecond, 'the end', attacker.closed);
  await assertServed(t, w);
});

test('requests out of range are answered with NoData', async (t) => {
  const w = await world(t);
  const attacker = await connectNoise(w.node.port);
  let answers = 0;
  let done;
  const all = new Promise((resolve) => { done = resolve; });
  const wrong = [
    { block: { index: 2 ** 40, nodes: 0 } },
    { block: { index: 100, nodes: 0 } },
    { block: { index: 0, nodes: 200 } },
    { block: { index: 0, nodes: 0 }, fork: 7 },
    { hash: { index: 2 ** 45, nodes: 0 } },
    { upgrade: { start: 0, length: 101 } },
    { upgrade: { start: 200, length: 1 } },
    { upgrade: { start: 0, length: 0 } },
    { upgrade: { start: 2 ** 52, length: 2 ** 52 } },
  ];
  const answered = () => {
    if (++answers === wrong.length) done();
  };
  const channel = openCore(attacker, w.key, { on: { noData: answered, data: answered } });
  assert.equal(await within(10 * kSecond, 'the core', channel.fullyOpened()), true);
  channel.put('sync', sync(0));
  for (const [i, more] of wrong.entries()) channel.put('request', request(i + 1, more));
  await within(15 * kSecond, 'the answers', Promise.race([all, attacker.closed]));
  const data = channel.received.filter(([name]) => name === 'data').map(([, message]) => message.request);
  assert.deepEqual(data, []);
  attacker.stream.destroy();
  await assertServed(t, w);
});

/** Announces a thousand blocks it does not have, and answers what is asked of it as `lie` says. */
async function liar(attacker, key, lie) {
  let asked = 0;
  let met;
  const first = new Promise((resolve) => { met = resolve; });
  const channel = openCore(attacker, key, {
    on: {
      request: (message) => {
        asked++;
        met();
        const answer = lie(message);
        if (answer !== null) channel.put('data', answer);
      },
    },
  });
  await within(10 * kSecond, 'the core', channel.fullyOpened());
  channel.put('sync', sync(1_000));
  channel.put('range', { drop: false, start: 0, length: 1_000 });
  return { channel, first, get asked() { return asked; } };
}

const answer = ({ id, upgrade, block }) => ({
  request: id, fork: 0, hash: null, seek: null, manifest: null,
  block: block && { index: block.index, value: Buffer.from('a lie'), nodes: [] },
  upgrade: upgrade && {
    start: upgrade.start, length: upgrade.length, nodes: [{ index: 511, size: 5, hash: randomBytes(32) }],
    additionalNodes: [], signature: randomBytes(68),
  },
});

for (const [what, lie] of [
  ['sends made-up blocks and signatures', answer],
  ['leaves the upgrade out', (message) => ({ ...answer(message), upgrade: null })],
  ['answers for another fork', (message) => ({ ...answer(message), fork: 5 })],
  ['answers what was not asked', (message) => ({ ...answer(message), request: 4_000 })],
  ['stays silent', () => null],
]) {
  test(`a liar who ${what} gets nothing stored, and does not keep the truth out`, async (t) => {
    const writer = await App.start(t);
    const { key, length } = await writer.run(write, { count: 100, bytes: 1_000 });
    const node = await startReplicator(t, { projects: [key] });
    const attacker = await connectNoise(node.port);
    const one = await liar(attacker, key, lie);
    await within(10 * kSecond, 'a request to the liar', one.first);
    // The liar stays connected, as far as it is let, while the writer comes.
    await writer.run(dial, { port: node.port });
    await writer.run((context) => context.uploaded(context.state.core, 60_000), undefined, 70_000);
    const reader = await App.start(t);
    await reader.run(dial, { port: node.port });
    assert.equal(await reader.run(readAll, { key, length }), await writer.run(hashOwn));
    assert.ok(one.asked < 400, `${one.asked} requests to one liar`);
    attacker.stream.destroy();
  });
}

test('a copy that sends every block changed is not believed', async (t) => {
  const writer = await App.start(t);
  const { key, length } = await writer.run(write, { count: 200, bytes: 500 });
  const written = await writer.run(hashOwn);
  // A true copy of the core whose sender flips one bit of every block it sends.
  const first = await startReplicator(t, { projects: [key] });
  await writer.run(dial, { port: first.port });
  const forger = await App.start(t);
  await forger.run(dial, { port: first.port });
  await forger.run(readAll, { key, length });
  await forger.run((context) => context.state.link.stop());
  await writer.run((context) => context.state.link.stop());
  await first.stop();

  const node = await startReplicator(t, { projects: [key] });
  await forger.run(async (context, port) => {
    const { core } = context.state;
    context.state.sent = 0;
    core.on('peer-add', (peer) => {
      const { send } = peer.wireData;
      peer.wireData.send = (message, ...rest) => {
        if (message.block?.value) {
          const value = Buffer.from(message.block.value);
          value[value.length - 1] ^= 1;
          message = { ...message, block: { ...message.block, value } };
          context.state.sent++;
          context.state.onsent?.();
        }
        return send(message, ...rest);
      };
    });
    context.state.link = context.dial(port, { keep: true });
    while (context.state.sent === 0) await new Promise((resolve) => { context.state.onsent = resolve; });
  }, node.port);
  await writer.run(dial, { port: node.port });
  await writer.run((context) => context.uploaded(context.state.core, 60_000), undefined, 70_000);
  const reader = await App.start(t);
  await reader.run(dial, { port: node.port });
  assert.equal(await reader.run(readAll, { key, length }), written);
});

test('a lying bitfield costs its sender, not the readers', async (t) => {
  const w = await world(t);
  const attacker = await connectNoise(w.node.port);
  const channel = openCore(attacker, w.key);
  channel.put('sync', sync(2 ** 52));
  for (let i = 0; i < 1_000; i++) {
    channel.put('range', { drop: false, start: i * 2 ** 32, length: 2 ** 31 });
    channel.put('want', { start: i * 2_097_152, length: 2_097_152, any: false });
  }
  channel.put('bitfield', { start: 2 ** 40, bitfield: new Uint32Array(65_536).fill(0xffffffff) });
  await assertServed(t, w);
  attacker.stream.destroy();
});
