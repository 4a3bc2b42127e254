import assert from 'node:assert/strict';
import { once } from 'node:events';
import path from 'node:path';
import { test } from 'node:test';
import c from 'compact-encoding';
import Corestore from 'corestore';
import Corestore6 from 'corestore6';
import { connect, discoveryKeyOf } from '../index.js';
import { ca, endpointOf, fakeDiscovery, fakeNode, randomPair, temporaryFolder, within } from './support/fakes.js';

const fast = { base: 5, cap: 20 };
const kSecond = 1_000;

/** A writer's store with one core, a node's store that knows the core, the services around them. */
async function world(t, { WriterStore = Corestore, ReaderStore = Corestore, nodeOptions } = {}) {
  const folder = await temporaryFolder(t);
  const stores = [];
  const open = (Store, name) => {
    const store = new Store(path.join(folder, name));
    stores.push(store);
    return store;
  };
  const writerStore = open(WriterStore, 'writer');
  const core = writerStore.get({ name: 'notes' });
  await core.ready();
  const nodeStore = open(Corestore, 'node');
  const pair = randomPair();
  const held = nodeStore.get({ key: core.key });
  await held.ready();
  held.download({ start: 0, end: -1 });
  const node = await fakeNode(t, nodeStore, pair, nodeOptions);
  const state = { endpoints: [endpointOf(pair, core.key, core.discoveryKey, { port: node.port })] };
  const service = await fakeDiscovery(t, () => ({ body: { endpoints: state.endpoints } }));
  const options = { discovery: service.url, ca, backoff: fast };
  t.after(async () => {
    await node.close();
    for (const store of stores) await store.close();
  });
  return { folder, open, writerStore, core, nodeStore, held, pair, node, state, service, options, readerStore: () => open(ReaderStore, 'reader') };
}

async function reached(core, length) {
  await core.ready();
  while (core.length < length) await once(core, 'append');
}

for (const [name, WriterStore, ReaderStore] of [['7', Corestore, Corestore], ['6', Corestore6, Corestore6]]) {
  test(`Corestore ${name}: a writer and a reader meet at the node, live`, async (t) => {
    const w = await world(t, { WriterStore, ReaderStore });
    await w.core.append(['one', 'two']);
    const up = connect(w.writerStore, w.core.key, w.options);
    t.after(() => up.close());
    assert.equal((await within(10 * kSecond, 'the writer', up.connected())).port, w.node.port);
    await within(10 * kSecond, 'the upload', reached(w.held, 2));

    const store = w.readerStore();
    const down = connect(store, w.core.key.toString('hex'), w.options);
    t.after(() => down.close());
    const copy = store.get({ key: w.core.key });
    await copy.ready();
    assert.equal((await within(10 * kSecond, 'block 1', copy.get(1))).toString(), 'two');
    await w.core.append('three');
    assert.equal((await within(10 * kSecond, 'block 2', copy.get(2))).toString(), 'three');
    await within(5 * kSecond, 'closing', Promise.all([up.close(), down.close()]));
    assert.equal(w.core.closed, false);
    await copy.close();
  });
}

test('a node with another key than the registered one gets nothing', async (t) => {
  const opened = [];
  const w = await world(t, { nodeOptions: { onstream: (mux) => mux.pair({ protocol: 'hypercore/alpha' }, () => opened.push(1)) } });
  w.state.endpoints = [endpointOf(randomPair(), w.core.key, w.core.discoveryKey, { port: w.node.port })];
  const session = connect(w.writerStore, w.core.key, w.options);
  t.after(() => session.close());
  const [error] = await within(10 * kSecond, 'the refusal', once(session, 'error'));
  assert.equal(error.code, 'WRONG_NODE');
  assert.equal(session.endpoint, null);
  assert.equal(opened.length, 0);
});

test('the next endpoint is taken when one does not answer', async (t) => {
  const w = await world(t);
  w.state.endpoints.unshift(endpointOf(randomPair(), w.core.key, w.core.discoveryKey, { port: 1 }));
  const session = connect(w.writerStore, w.core.key, w.options);
  t.after(() => session.close());
  assert.equal((await within(10 * kSecond, 'a connection', session.connected())).port, w.node.port);
});

test('a lost connection is found again, and appends made meanwhile arrive', async (t) => {
  const w = await world(t);
  const session = connect(w.writerStore, w.core.key, w.options);
  t.after(() => session.close());
  await within(10 * kSecond, 'a connection', session.connected());
  const lost = once(session, 'disconnected');
  w.node.drop();
  await within(10 * kSecond, 'the loss', lost);
  await w.core.append('while away');
  await within(10 * kSecond, 'a new connection', session.connected());
  await within(10 * kSecond, 'the append', reached(w.held, 1));
  assert.ok(w.node.accepted >= 2);
});

test('with discovery gone the node of the last answer is used', async (t) => {
  const w = await world(t);
  const session = connect(w.writerStore, w.core.key, w.options);
  t.after(() => session.close());
  await within(10 * kSecond, 'a connection', session.connected());
  await w.service.close();
  const lost = once(session, 'disconnected');
  w.node.drop();
  await within(10 * kSecond, 'the loss', lost);
  await within(10 * kSecond, 'a new connection', session.connected());
});

test('a session outlives the time when nobody knows its project', async (t) => {
  const w = await world(t);
  const endpoints = w.state.endpoints;
  w.state.endpoints = [];
  const session = connect(w.writerStore, w.core.key, w.options);
  t.after(() => session.close());
  const [error] = await within(10 * kSecond, 'an error', once(session, 'error'));
  assert.equal(error.code, 'NO_ENDPOINT');
  w.state.endpoints = endpoints;
  await within(10 * kSecond, 'a connection', session.connected());
});

test('keys of cores go to a proven node, once the project key was proven to it', async (t) => {
  const told = watchCores();
  const w = await world(t, { nodeOptions: { onstream: told.onstream } });
  const extra = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const session = connect(w.writerStore, w.core.key, { ...w.options, cores: extra });
  t.after(() => session.close());
  const message = await within(10 * kSecond, 'the keys', told.next());
  assert.deepEqual(message.referrer, w.core.key);
  assert.deepEqual(message.keys, [w.core.key, ...extra]);
  session.addCores([Buffer.alloc(32, 3), extra[0]]);
  assert.deepEqual((await within(10 * kSecond, 'the further key', told.next())).keys, [Buffer.alloc(32, 3)]);
});

test('a node without proof gets no keys, unless volunteers are welcome', async (t) => {
  const told = watchCores();
  const w = await world(t, { nodeOptions: { onstream: told.onstream } });
  w.state.endpoints = [endpointOf(w.pair, w.core.key, w.core.discoveryKey, { port: w.node.port, proof: undefined })];
  const cores = [Buffer.alloc(32, 1)];
  const careful = connect(w.writerStore, w.core.key, { ...w.options, keyholder: false, cores });
  await within(10 * kSecond, 'a connection', careful.connected());
  await w.core.append('x');
  await within(10 * kSecond, 'replication', reached(w.held, 1));
  assert.equal(told.count(), 0);
  await careful.close();
  const open = connect(w.writerStore, w.core.key, { ...w.options, volunteers: true, cores });
  t.after(() => open.close());
  assert.deepEqual((await within(10 * kSecond, 'the keys', told.next())).keys, [w.core.key, ...cores]);
});

test('close ends everything, also while connecting, and twice', async (t) => {
  const w = await world(t);
  const early = connect(w.writerStore, w.core.key, w.options);
  const waiting = assert.rejects(early.connected(), { code: 'CLOSED' });
  await within(5 * kSecond, 'an early close', early.close());
  await waiting;
  const stop = new AbortController();
  const session = connect(w.writerStore, w.core.key, { ...w.options, signal: stop.signal });
  await within(10 * kSecond, 'a connection', session.connected());
  const closed = once(session, 'close');
  stop.abort();
  await within(5 * kSecond, 'the end', closed);
  await session.close();
  assert.equal(session.endpoint, null);
  await assert.rejects(session.connected(), { code: 'CLOSED' });
  await w.core.append('the store is still open');
});

test('wrong calls throw at once', () => {
  const store = { get: () => assert.fail('the store was touched') };
  assert.throws(() => connect(store, 'nonsense', { discovery: 'https://h' }), { code: 'BAD_KEY' });
  assert.throws(() => connect(store, discoveryKeyOf(Buffer.alloc(32)), {}), { code: 'BAD_OPTION' });
  assert.throws(() => connect(store, Buffer.alloc(32), { discovery: 'https://h', cores: ['x'] }), { code: 'BAD_KEY' });
});

/** Collects the blind-peer `cores` messages a node receives. */
function watchCores() {
  const messages = [];
  let wake = () => {};
  let read = 0;
  const encoding = {
    preencode() {},
    encode() {},
    decode(state) {
      assert.equal(c.uint.decode(state), 1);
      const referrer = Buffer.from(c.fixed32.decode(state));
      const keys = [];
      for (let left = c.uint.decode(state); left > 0; left--) {
        keys.push(Buffer.from(c.fixed32.decode(state)));
        c.uint.decode(state);
      }
      return { referrer, keys };
    },
  };
  const onmessage = (message) => {
    messages.push(message);
    wake();
  };
  return {
    onstream: (mux) => mux.pair({ protocol: 'blind-peer' }, () => {
      mux.createChannel({ protocol: 'blind-peer', messages: [{ encoding, onmessage }] }).open();
    }),
    count: () => messages.length,
    async next() {
      while (messages.length === read) await new Promise((resolve) => { wake = resolve; });
      return messages[read++];
    },
  };
}
