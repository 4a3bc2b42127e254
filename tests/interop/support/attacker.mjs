// Wire peers that do not keep the rules, made of the parts that Hypercore itself is made of.
import net from 'node:net';
import { createRequire } from 'node:module';
import NoiseSecretStream from '@hyperswarm/secret-stream';
import Protomux from 'protomux';

const require = createRequire(import.meta.url);
const crypto = require('hypercore-crypto');
const caps = require('hypercore/lib/caps.js');
const { wire } = require('hypercore/lib/messages.js');

const kNames = ['sync', 'request', 'cancel', 'data', 'noData', 'want', 'unwant', 'bitfield', 'range', 'extension'];

/** A socket that remembers its end. `bytes` counts what came back. */
export function connectRaw(port) {
  const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
  const attacker = { socket, bytes: 0 };
  attacker.connected = new Promise((resolve) => socket.once('connect', resolve));
  attacker.closed = new Promise((resolve) => socket.once('close', resolve));
  socket.on('data', (data) => { attacker.bytes += data.byteLength; });
  socket.on('error', () => {});
  return attacker;
}

/** Past the Noise handshake. */
export async function connectNoise(port) {
  const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
  const stream = new NoiseSecretStream(true, socket);
  stream.on('error', () => {});
  const closed = new Promise((resolve) => stream.once('close', resolve));
  if (!(await stream.opened)) throw new Error('no handshake');
  return { socket, stream, mux: Protomux.from(stream), closed };
}

/**
 * Opens the channel of core `key`. `received` collects [name, message]; `on` may hold a handler per name.
 * `capability` replaces the right one.
 */
export function openCore({ mux, stream }, key, { capability, on = {}, discoveryKey = crypto.discoveryKey(key) } = {}) {
  const received = [];
  const channel = mux.createChannel({
    protocol: 'hypercore/alpha',
    id: discoveryKey,
    handshake: wire.handshake,
    messages: kNames.map((name) => ({
      encoding: wire[name] ?? wire.extension,
      onmessage: (message) => {
        received.push([name, message]);
        on[name]?.(message, channel);
      },
    })),
  });
  channel.received = received;
  channel.put = (name, message) => channel.messages[kNames.indexOf(name)].send(message);
  channel.open({ seeks: true, capability: capability ?? caps.replicate(true, key, stream.handshakeHash) });
  return channel;
}

export function sync(length, more = {}) {
  return {
    fork: 0, length, remoteLength: 0, canUpgrade: true, uploading: true, downloading: true, hasManifest: true, allowPush: false, ...more,
  };
}

export function request(id, more) {
  return { id, fork: 0, block: null, hash: null, seek: null, upgrade: null, manifest: false, priority: 0, ...more };
}
