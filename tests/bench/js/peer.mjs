// The JavaScript processes of replication.mjs: unmodified Hypercore over plain TCP.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import net from 'node:net';

const require = createRequire(new URL('../../interop/package.json', import.meta.url));
const Corestore = require('corestore');
const kBatchBytes = 512 * 1024;

function pipe(socket, stream) {
  socket.on('error', () => {});
  stream.on('error', () => {});
  socket.pipe(stream).pipe(socket);
}

/** Blocks that do not compress, each different. */
function makeBlocks(from, count, bytes) {
  return Array.from({ length: count }, (_, i) => {
    const block = Buffer.alloc(bytes);
    for (let at = 0; at < bytes; at += 64) createHash('sha512').update(`${from + i}/${at}`).digest().copy(block, at);
    return block;
  });
}

async function hashOf(core, count) {
  const hash = createHash('sha256');
  for (let i = 0; i < count; i++) hash.update(await core.get(i, { wait: false }));
  return hash.digest('hex');
}

const roles = {
  /** Writes a core and serves it to whoever connects, until it is killed. */
  async serve(folder, count, bytes) {
    const store = new Corestore(folder);
    const core = store.get({ name: 'bench' });
    await core.ready();
    const batch = Math.max(1, Math.floor(kBatchBytes / bytes));
    for (let i = 0; i < count; i += batch) await core.append(makeBlocks(i, Math.min(batch, count - i), bytes));
    const server = net.createServer({ noDelay: true }, (socket) => pipe(socket, store.replicate(false)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    console.log(`ready ${core.key.toString('hex')} ${server.address().port} ${await hashOf(core, count)}`);
  },

  /** Copies the core from a JavaScript process to a node, outside of all measuring. */
  async upload(folder, key, nodePort, jsPort) {
    const store = new Corestore(`${folder}-upload`);
    const core = store.get({ key: Buffer.from(key, 'hex') });
    await core.ready();
    core.download({ start: 0, end: -1 });
    for (const port of [jsPort, nodePort]) pipe(net.connect({ port, host: '127.0.0.1', noDelay: true }), store.replicate(true));
    while (core.length === 0) await once(core, 'append');
    const complete = () => core.peers.filter((peer) => peer.remoteContiguousLength >= core.length).length;
    while (complete() < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    console.log('uploaded');
    process.exit(0);
  },

  async read(folder, key, port, count, order) {
    const store = new Corestore(folder);
    const core = store.get({ key: Buffer.from(key, 'hex') });
    await core.ready();
    const began = process.hrtime.bigint();
    pipe(net.connect({ port, host: '127.0.0.1', noDelay: true }), store.replicate(true));
    while (core.length < count) await once(core, 'append');
    await core.download({ start: 0, end: count, linear: order === 'linear' }).done();
    const seconds = Number(process.hrtime.bigint() - began) / 1e9;
    console.log(`read ${seconds} ${await hashOf(core, count)}`);
    await store.close();
    process.exit(0);
  },
};

const [role, ...args] = process.argv.slice(2);
await roles[role](...args.map((arg) => (/^\d+$/.test(arg) ? Number(arg) : arg)));
