// A discovery service and a node, small but real: TLS, signed records, proofs, Noise, Corestore.
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import c from 'compact-encoding';
import sodium from 'sodium-universal';
import { keyholderPair } from '../../lib/keys.js';
import { proofMessage } from '../../lib/proof.js';

const here = new URL('../fixtures/', import.meta.url);
export const ca = await readFile(new URL('ca.pem', here));
const cert = await readFile(new URL('server.pem', here));
const key = await readFile(new URL('server.key', here));
export const pin = createHash('sha256').update(new X509Certificate(cert).raw).digest('hex');

/** Rejects when `promise` takes too long, so that a test names what it waited for. */
export async function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export async function temporaryFolder(t) {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-js-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** `answer(request)` returns { status, body, headers }; requests are kept in `seen`. */
export async function fakeDiscovery(t, answer) {
  const seen = [];
  const bytes = [];
  const server = https.createServer({ cert, key }, async (request, response) => {
    seen.push(request);
    const { status = 200, body = {}, headers = {} } = await answer(request, seen.length);
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  server.on('secureConnection', (socket) => socket.on('data', (data) => bytes.push(data)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  t.after(close);
  return { url: `https://127.0.0.1:${server.address().port}`, seen, bytes, close };
}

export function signPair(seed = Buffer.from(Array(32).fill(1))) {
  const publicKey = Buffer.alloc(32);
  const secretKey = Buffer.alloc(64);
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed);
  return { publicKey, secretKey };
}

export function randomPair() {
  const seed = Buffer.alloc(32);
  sodium.randombytes_buf(seed);
  return signPair(seed);
}

export function sign(message, secretKey) {
  const signature = Buffer.alloc(64);
  sodium.crypto_sign_detached(signature, message, secretKey);
  return signature;
}

export function recordBytes(id, { host = '127.0.0.1', port = 4838, addresses, format = 'holdfast/record/1' } = {}) {
  const parts = [];
  const put = (encoding, value) => parts.push(c.encode(encoding, value));
  put(c.string, format);
  put(c.fixed32, id);
  put(c.uint, 1_700_000_000_000);
  const list = addresses ?? [{ host, port }];
  put(c.uint, list.length);
  for (const address of list) {
    put(c.uint, address.kind ?? 0);
    put(c.string, address.host);
    put(c.uint, address.port);
    put(c.string, address.url ?? '');
  }
  for (const text of ['eu', 'group']) put(c.string, text);
  put(c.uint, 10);
  put(c.uint, 0);
  put(c.string, 'fake/1');
  return Buffer.concat(parts);
}

export function signedRecord(pair, options) {
  const body = recordBytes(pair.publicKey, options);
  return Buffer.concat([body, sign(body, pair.secretKey)]).toString('base64url');
}

export function makeProof(pair, projectKey, discoveryKey, expires = Math.floor(Date.now() / 1000) + 60) {
  const holder = keyholderPair(projectKey);
  return {
    keyholder: holder.publicKey.toString('hex'),
    expires,
    signature: sign(proofMessage(pair.publicKey, discoveryKey, expires), holder.secretKey).toString('hex'),
  };
}

/** One endpoint of an answer. `overrides` replaces members. */
export function endpointOf(pair, projectKey, discoveryKey, overrides = {}) {
  const { host = '127.0.0.1', port = 4838 } = overrides;
  return {
    replicator: pair.publicKey.toString('hex'), host, port, transport: 'tcp', region: 'eu', expires_in: 45,
    proof: makeProof(pair, projectKey, discoveryKey), record: signedRecord(pair, { host, port }), ...overrides,
  };
}

/** A node: replicates `store` with whoever connects. `onstream` sees each stream's Protomux instance. */
export async function fakeNode(t, store, pair, { port = 0, onstream = () => {} } = {}) {
  const sockets = new Set();
  let accepted = 0;
  const server = net.createServer((socket) => {
    accepted++;
    sockets.add(socket);
    const stream = store.replicate(false, { keyPair: pair });
    stream.on('error', () => {});
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    onstream(stream.noiseStream.userData);
    socket.pipe(stream).pipe(socket);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };
  const close = () => new Promise((resolve) => {
    if (!server.listening) return resolve();
    server.close(resolve);
    drop();
  });
  t.after(close);
  return { port: server.address().port, drop, close, get accepted() { return accepted; }, sockets };
}
