import sodium from 'sodium-universal';
import { HoldfastError } from './errors.js';

const kAlphabet = 'ybndrfg8ejkmcpqxot1uwisza345h769'; // z-base-32

/**
 * A 32-byte key from a Buffer, 64 hex digits or 52 z-base-32 characters.
 * The four padding bits of the latter must be zero, so that a key has one spelling.
 */
export function parseKey(key) {
  if (key instanceof Uint8Array) {
    if (key.byteLength !== 32) throw badKey('a key has 32 bytes');
    return Buffer.from(key);
  }
  if (typeof key !== 'string') throw badKey('a key is a Buffer or a string');
  if (/^[0-9a-fA-F]{64}$/.test(key)) return Buffer.from(key, 'hex');
  if (key.length === 52) return fromZ32(key);
  throw badKey('a key is 64 hex digits or 52 z-base-32 characters');
}

function fromZ32(text) {
  const out = Buffer.alloc(32);
  let bits = 0;
  let count = 0;
  let at = 0;
  for (const character of text) {
    const value = kAlphabet.indexOf(character);
    if (value < 0) throw badKey('not a z-base-32 character in the key');
    bits = (bits << 5) | value;
    count += 5;
    if (count < 8) continue;
    count -= 8;
    out[at++] = bits >>> count;
    bits &= (1 << count) - 1;
  }
  if (bits !== 0) throw badKey('the padding bits of the key are not zero');
  return out;
}

function badKey(message) {
  return new HoldfastError('BAD_KEY', message);
}

function keyedHash(key, text) {
  const out = Buffer.alloc(32);
  sodium.crypto_generichash(out, Buffer.from(text), key);
  return out;
}

/** What the discovery service is asked for: public, and nobody gets from it back to the key. */
export function discoveryKeyOf(key) {
  return keyedHash(parseKey(key), 'hypercore');
}

/** Public half of the Ed25519 pair that everybody who knows the project key can derive. */
export function keyholderOf(key) {
  return keyholderPair(key).publicKey;
}

export function keyholderPair(key) {
  const publicKey = Buffer.alloc(sodium.crypto_sign_PUBLICKEYBYTES);
  const secretKey = Buffer.alloc(sodium.crypto_sign_SECRETKEYBYTES);
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, keyedHash(parseKey(key), 'holdfast/keyholder'));
  return { publicKey, secretKey };
}

export function verify(message, signature, publicKey) {
  return signature.byteLength === 64 && publicKey.byteLength === 32
    && sodium.crypto_sign_verify_detached(signature, message, publicKey);
}
