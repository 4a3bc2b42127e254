import { EventEmitter } from 'node:events';
import { delayOf, sleep } from './backoff.js';
import { handOver, sendCores } from './cores_message.js';
import { dial } from './dial.js';
import { HoldfastError } from './errors.js';
import { parseKey } from './keys.js';
import { Finder, timeoutSignal } from './lookup.js';

const kDialMs = 10_000;
const kStableMs = 5_000; // a connection that lived as long was good: start the back-off anew
const kFarewellMs = 1_000;
const kCoresMax = 10_000;

/** Keeps a Corestore connected to a node that hosts the project `key`. Contract: index.d.ts. */
export function connect(store, key, options = {}) {
  return new Session(store, key, options);
}

/**
 * connecting -> connected -> (lost) -> connecting -> ... -> closed
 *
 *  1. One connection at a time; endpoints are tried in the order of the answer, then the services are asked again.
 *  2. When no service answers, the endpoints of the last answer are tried: discovery may be down, nodes need not be.
 *  3. Nothing of the store is sent before the node has shown the static key it was registered with.
 *  4. Keys of cores are handed only to a node that has proven to know the project, or if volunteers are welcome.
 */
export class Session extends EventEmitter {
  #store;
  #options;
  #finder;
  #root;
  #cores;
  #stop = new AbortController();
  #endpoints = [];
  #link = null; // { endpoint, stream, channel }
  #done;
  #closing = null;

  constructor(store, key, options) {
    super();
    this.#finder = new Finder(key, options);
    this.#options = options;
    this.#store = store;
    this.#cores = [...(options.cores ?? [])].map((core) => parseKey(core?.key ?? core));
    if (this.#cores.length > kCoresMax) throw new HoldfastError('BAD_OPTION', `cores: more than ${kCoresMax}`);
    this.#root = store.get({ key: this.#finder.key });
    this.#done = this.#run();
    if (options.signal?.aborted) this.close();
    else options.signal?.addEventListener('abort', () => this.close(), { once: true, signal: this.#stop.signal });
  }

  get key() {
    return this.#finder.key;
  }

  get discoveryKey() {
    return this.#finder.discoveryKey;
  }

  /** The endpoint in use, or null. */
  get endpoint() {
    return this.#link === null ? null : this.#link.endpoint;
  }

  /** Resolves with the endpoint as soon as there is a connection; at once if there is one. */
  connected() {
    if (this.#link !== null) return Promise.resolve(this.#link.endpoint);
    if (this.#stop.signal.aborted) return Promise.reject(new HoldfastError('CLOSED', 'the session is closed'));
    return new Promise((resolve, reject) => {
      const settle = (act, value) => {
        this.off('connection', connection);
        this.off('close', close);
        act(value);
      };
      const connection = (endpoint) => settle(resolve, endpoint);
      const close = () => settle(reject, new HoldfastError('CLOSED', 'the session is closed'));
      this.once('connection', connection);
      this.once('close', close);
    });
  }

  /** Further cores of the project, for the node in use and for those to come. */
  addCores(cores) {
    const known = new Set(this.#cores.map((key) => key.toString('hex')));
    const fresh = [...cores].map((core) => parseKey(core?.key ?? core)).filter((key) => !known.has(key.toString('hex')));
    if (this.#cores.length + fresh.length > kCoresMax) throw new HoldfastError('BAD_OPTION', `cores: more than ${kCoresMax}`);
    this.#cores.push(...fresh);
    const channel = this.#link?.channel;
    if (channel) sendCores(channel, this.key, fresh);
    else if (this.#link !== null) this.#handOverSoon(this.#link);
  }

  /** Ends the connection and releases what the session holds of the store; the store itself stays open. */
  close() {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close() {
    this.#stop.abort(new HoldfastError('CLOSED', 'the session is closed'));
    if (this.#link !== null) await farewell(this.#link.stream);
    await this.#done;
    await this.#root.close();
    this.emit('close');
  }

  async #run() {
    const signal = this.#stop.signal;
    for (let attempt = 0; !signal.aborted;) {
      const { lived, retryAfter } = await this.#round(signal);
      attempt = lived >= kStableMs ? 0 : attempt;
      if (signal.aborted) return;
      const delay = delayOf(attempt++, { ...this.#options.backoff, retryAfter });
      await sleep(delay, signal).catch(() => {});
    }
  }

  /** Asks, tries each endpoint, stays with the first that works until it ends. Never throws. */
  async #round(signal) {
    let retryAfter;
    try {
      this.#endpoints = (await this.#finder.round(signal)).endpoints;
    } catch (error) {
      retryAfter = error.retryAfter;
      this.#report(error);
    }
    for (const endpoint of this.#endpoints) {
      if (signal.aborted) break;
      if (endpoint.transport !== 'tcp') continue;
      const lived = await this.#stay(endpoint, signal);
      if (lived !== null) return { lived };
    }
    return { lived: 0, retryAfter };
  }

  /** Returns how long the connection lived in ms; null if there was none. */
  async #stay(endpoint, signal) {
    const patience = timeoutSignal(this.#options.dialTimeout ?? kDialMs, signal);
    let stream;
    try {
      stream = await dial(endpoint, { keyPair: this.#options.keyPair }, patience);
    } catch (error) {
      this.#report(error);
      return null;
    } finally {
      patience.release();
    }
    const since = Date.now();
    await this.#replicate(endpoint, stream);
    return Date.now() - since;
  }

  async #replicate(endpoint, stream) {
    const closed = new Promise((resolve) => stream.once('close', resolve));
    try {
      await this.#root.ready();
      if (this.#stop.signal.aborted || stream.destroyed) throw new HoldfastError('CLOSED', 'closed');
      this.#store.replicate(stream);
    } catch (error) {
      stream.destroy();
      await closed;
      if (error.code !== 'CLOSED') this.#report(error);
      return;
    }
    this.#link = { endpoint, stream, channel: null };
    this.#handOverSoon(this.#link);
    this.emit('connection', endpoint, stream);
    await closed;
    this.#link = null;
    this.emit('disconnected', endpoint);
  }

  /**
   * A node takes keys only under a project whose key we have proven, so they follow the root core's channel.
   * A volunteer does not know the root core yet: it gets the keys at once.
   */
  #handOverSoon(link) {
    const { endpoint, stream } = link;
    if (!endpoint.proven && this.#options.volunteers !== true) return;
    if (endpoint.proven && this.#cores.length === 0) return;
    const send = () => {
      this.#root.off('peer-add', added);
      if (this.#link !== link || link.channel !== null || stream.destroying) return;
      link.channel = handOver(stream.noiseStream.userData, this.key, [this.key, ...this.#cores]);
    };
    const added = (peer) => {
      if (peer.stream === stream) send();
    };
    if (!endpoint.proven || this.#root.peers.some((peer) => peer.stream === stream)) return send();
    this.#root.on('peer-add', added);
    stream.once('close', () => this.#root.off('peer-add', added));
  }

  /** Failures are never final, so nobody has to listen for them. */
  #report(error) {
    if (!this.#stop.signal.aborted && this.listenerCount('error') > 0) this.emit('error', error);
  }
}

/** Lets what was written leave, but waits for nobody. */
function farewell(stream) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => stream.destroy(), kFarewellMs);
    stream.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    if (stream.destroyed) stream.emit('close');
    else stream.end();
  });
}
