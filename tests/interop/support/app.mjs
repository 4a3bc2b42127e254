// Runs in a child process: an app on an unmodified Hypercore. The test sends functions to run here (see apps.mjs).
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { within, until } from './wait.mjs';

const { version, folder } = JSON.parse(process.argv[2]);
const { default: Corestore } = await import(version === 10 ? 'corestore6' : 'corestore');

class Context {
  version = version;
  store = new Corestore(folder);
  state = {};
  links = new Set();

  import(name) {
    return import(name);
  }

  /** Block `index` of the series `seed`: `bytes` bytes that depend on both and compress badly. */
  block(seed, index, bytes) {
    const parts = [];
    for (let left = bytes, part = 0; left > 0; left -= 64, part++) {
      const hash = createHash('sha512').update(`${seed}/${index}/${part}`).digest();
      parts.push(left < 64 ? hash.subarray(0, left) : hash);
    }
    return Buffer.concat(parts);
  }

  blocks(seed, from, count, bytes) {
    return Array.from({ length: count }, (_, i) => this.block(seed, from + i, bytes));
  }

  async open(options) {
    const core = this.store.get(options);
    await core.ready();
    return core;
  }

  /** Replicates the store over plain TCP, as any app would. `keep`: dials again when the connection ends. */
  dial(port, { keep = false, keyPair } = {}) {
    const link = { stopped: false, socket: null, stream: null, connections: 0, opened: null };
    const once = () => {
      const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
      const stream = this.store.replicate(true, keyPair ? { keyPair } : {});
      stream.on('error', () => {});
      socket.on('error', () => {});
      socket.on('connect', () => link.connections++);
      socket.on('close', () => {
        stream.destroy();
        if (keep && !link.stopped) link.timer = setTimeout(once, 20 + Math.random() * 80);
      });
      socket.pipe(stream).pipe(socket);
      Object.assign(link, { socket, stream, noise: stream.noiseStream, opened: stream.noiseStream.opened });
    };
    link.stop = () => {
      link.stopped = true;
      clearTimeout(link.timer);
      this.links.delete(link);
      const closed = link.socket.closed ? null : new Promise((resolve) => link.socket.once('close', resolve));
      link.socket.destroy();
      return closed;
    };
    once();
    this.links.add(link);
    return link;
  }

  /** Keeps the store in sync the way Holdfast's own package does it. */
  async connect(key, { url, pin, ...options }) {
    const { connect } = await import('../../../client-sdk/js/index.js');
    const session = connect(this.store, key, { discovery: url, pin, backoff: { base: 50, cap: 500 }, ...options });
    this.links.add({ stop: () => session.close() });
    session.on('error', (error) => { session.lastError = error; });
    return session;
  }

  async reached(core, length, ms = 30_000) {
    await within(ms, `length ${length}`, (async () => {
      // A core that starts on a later fork gets its length with the event `truncate`.
      while (core.length < length) await Promise.race([once(core, 'append'), once(core, 'truncate')]);
    })());
  }

  /** Waits until the remote said that it holds every block: the acknowledgement of a backup. */
  async uploaded(core, ms = 30_000) {
    if (version === 10) {
      // Hypercore 10 has no event for it.
      return until(ms, 'the upload', () => core.peers.some((peer) => peer.remoteLength >= core.length
        && peer._remoteContiguousLength >= core.length));
    }
    await within(ms, 'the upload', (async () => {
      while (core.remoteContiguousLength < core.length) await once(core, 'remote-contiguous-length');
    })());
    // After a truncation the number may still be that of the old fork (Hypercore 11.37 does not reset it in time).
    if (core.fork === 0) return;
    await until(ms, 'the upload of the fork', () => core.peers.some((peer) => peer.remoteFork === core.fork
      && peer.remoteLength >= core.length && peer.remoteContiguousLength >= core.length));
  }

  /** SHA-256 over the blocks from start to end (all by default), fetched as needed. */
  async hash(core, start = 0, end = core.length, ms = 30_000) {
    const hash = createHash('sha256');
    await within(ms, `blocks ${start} to ${end}`, (async () => {
      const range = core.download({ start, end });
      for (let i = start; i < end; i++) hash.update(await core.get(i));
      await range.done?.();
    })());
    return hash.digest('hex');
  }
}

const context = new Context();
await context.store.ready();

process.on('message', async ({ id, source, argument }) => {
  try {
    const run = new Function(`return (${source})`)();
    process.send({ id, value: await run(context, argument) });
  } catch (error) {
    process.send({ id, error: { message: error.message, stack: error.stack, code: error.code } });
  }
});
process.on('disconnect', () => process.exit(0));
process.on('unhandledRejection', (error) => {
  console.error('unhandled rejection in the app:', error);
  process.exit(3);
});
process.send({ id: 0, value: 'ready' });
