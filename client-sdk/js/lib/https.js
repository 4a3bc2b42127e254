import { createHash, timingSafeEqual } from 'node:crypto';
import http from 'node:http';
import net from 'node:net';
import tls from 'node:tls';
import { aborted } from './backoff.js';
import { HoldfastError } from './errors.js';

const kAnswerBytesMax = 1024 * 1024;

/** The SHA-256 of a certificate's DER as bytes, from hex with or without colons. */
export function parsePin(pin) {
  const hex = typeof pin === 'string' ? pin.replace(/:/g, '').toLowerCase() : '';
  if (!/^[0-9a-f]{64}$/.test(hex)) {
    throw new HoldfastError('BAD_OPTION', 'a pin is the SHA-256 of a certificate: 64 hex digits');
  }
  return Buffer.from(hex, 'hex');
}

/**
 * One GET over a connection of its own. Returns { status, headers, body }.
 * `trust`: { ca } (PEM) or { pin } (Buffer of 32 bytes) or neither for the system's authorities.
 * `headers`: further request fields.
 * Nothing is sent, not even the path, before the certificate has been accepted.
 * Errors: UNREACHABLE, UNTRUSTED (certificate), BAD_ANSWER (not HTTP, too large), ABORTED.
 */
export async function get(url, trust, signal, headers = {}) {
  const socket = await openTls(url, trust, signal);
  try {
    return await exchange(socket, url, signal, headers);
  } finally {
    socket.destroy();
  }
}

function openTls(url, { ca, pin }, signal) {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || 443;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(aborted(signal));
    const socket = tls.connect({
      host,
      port,
      servername: net.isIP(host) ? undefined : host,
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      // With a pin the one right certificate is known; who signed it and for which name says nothing more.
      rejectUnauthorized: pin === undefined,
      ...(pin === undefined && ca !== undefined ? { ca } : {}),
    });
    const settle = (act, value) => {
      signal.removeEventListener('abort', stop);
      act(value);
    };
    const fail = (error) => {
      socket.destroy();
      settle(reject, error);
    };
    const stop = () => fail(aborted(signal));
    signal.addEventListener('abort', stop, { once: true });
    socket.on('error', (error) => fail(connectError(url, error)));
    socket.on('close', () => fail(new HoldfastError('UNREACHABLE', `${url.host} closed the connection`)));
    socket.once('secureConnect', () => {
      if (pin !== undefined && !hasPin(socket, pin)) {
        return fail(new HoldfastError('UNTRUSTED', `${url.host} shows another certificate than the pinned one`));
      }
      settle(resolve, socket);
    });
  });
}

function hasPin(socket, pin) {
  const raw = socket.getPeerCertificate(false)?.raw;
  return raw !== undefined && timingSafeEqual(createHash('sha256').update(raw).digest(), pin);
}

function connectError(url, error) {
  const untrusted = /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS_CERT/.test(error.code ?? '');
  return new HoldfastError(untrusted ? 'UNTRUSTED' : 'UNREACHABLE', `${url.host}: ${error.message}`, { cause: error });
}

function exchange(socket, url, signal, headers) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(aborted(signal));
    const stop = () => fail(aborted(signal));
    const fail = (error) => {
      signal.removeEventListener('abort', stop);
      socket.destroy();
      reject(error);
    };
    signal.addEventListener('abort', stop, { once: true });
    const request = http.request({
      createConnection: () => socket,
      path: url.pathname + url.search,
      headers: { Host: url.host, Accept: 'application/json', 'Accept-Encoding': 'identity', Connection: 'close', ...headers },
    });
    const broken = (error) => fail(new HoldfastError('UNREACHABLE', `${url.host}: ${error.message}`, { cause: error }));
    request.on('error', broken);
    request.on('response', (response) => {
      const chunks = [];
      let bytes = 0;
      response.on('error', broken);
      response.on('data', (chunk) => {
        bytes += chunk.byteLength;
        if (bytes > kAnswerBytesMax) fail(new HoldfastError('BAD_ANSWER', `${url.host}: the answer is too large`));
        else chunks.push(chunk);
      });
      response.on('end', () => {
        signal.removeEventListener('abort', stop);
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) });
      });
    });
    request.end();
  });
}
