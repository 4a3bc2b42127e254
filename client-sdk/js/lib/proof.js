import { verify } from './keys.js';

/**
 * True if `proof` shows that the replicator `id` knows the project key behind `discoveryKey`
 * (docs/formats/keyholder-proof.md): made with the keyholder pair, for this id and key, and not expired.
 * `now`: Unix ms. Never throws: what is malformed is not a proof.
 */
export function proofHolds(proof, { id, discoveryKey, keyholder, now }) {
  if (proof === null || typeof proof !== 'object') return false;
  const { expires, signature } = proof;
  if (proof.keyholder !== keyholder.toString('hex')) return false;
  if (!Number.isSafeInteger(expires) || expires < 0 || expires * 1000 <= now) return false;
  if (typeof signature !== 'string' || !/^[0-9a-f]{128}$/.test(signature)) return false;
  return verify(proofMessage(id, discoveryKey, expires), Buffer.from(signature, 'hex'), keyholder);
}

/** The signed bytes: id, registry key, expiry in Unix seconds as u64 little endian. */
export function proofMessage(id, discoveryKey, expires) {
  const expiry = Buffer.alloc(8);
  expiry.writeBigUInt64LE(BigInt(expires));
  return Buffer.concat([id, discoveryKey, expiry]);
}
