import assert from 'node:assert/strict';
import { test } from 'node:test';
import { discoveryKeyOf, HoldfastError, keyholderOf, parseKey } from '../index.js';

const kHex = 'cabdca99453db70b9b48499924051b3d0cb34f5b2e4c38bc850c72e7d59a424b';

test('a key has three spellings that mean the same bytes', () => {
  const key = Buffer.from(kHex, 'hex');
  const z32 = toZ32(key);
  assert.equal(z32.length, 52);
  assert.deepEqual(parseKey(kHex), key);
  assert.deepEqual(parseKey(kHex.toUpperCase()), key);
  assert.deepEqual(parseKey(z32), key);
  assert.deepEqual(parseKey(new Uint8Array(key)), key);
});

test('what is not a key is refused', () => {
  const z32 = toZ32(Buffer.from(kHex, 'hex'));
  const bad = ['', kHex.slice(1), `${kHex}0`, `${kHex.slice(1)}g`, z32.slice(1), `${z32.slice(1)}l`, Buffer.alloc(31), null, 7];
  // The last character of 32 bytes carries one bit; every other value has padding bits set.
  bad.push(`${z32.slice(0, -1)}b`);
  for (const key of bad) {
    assert.throws(() => parseKey(key), (error) => error instanceof HoldfastError && error.code === 'BAD_KEY');
  }
});

test('the discovery key is the one Hypercore uses', async () => {
  const { default: crypto } = await import('hypercore-crypto');
  assert.deepEqual(discoveryKeyOf(kHex), crypto.discoveryKey(Buffer.from(kHex, 'hex')));
});

test('the keyholder pair follows from the key alone', () => {
  assert.deepEqual(keyholderOf(kHex), keyholderOf(Buffer.from(kHex, 'hex')));
  assert.notDeepEqual(keyholderOf(kHex), keyholderOf(discoveryKeyOf(kHex)));
});

function toZ32(bytes) {
  const alphabet = 'ybndrfg8ejkmcpqxot1uwisza345h769';
  let bits = '';
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0');
  bits = bits.padEnd(260, '0');
  return bits.match(/.{5}/g).map((five) => alphabet[parseInt(five, 2)]).join('');
}
