import { createHash } from 'node:crypto';

/** SHA-256 over all blocks of `core`, fetched as needed, in hex. */
export async function hashOf(core, length = core.length) {
  core.download({ start: 0, end: length });
  const hash = createHash('sha256');
  for (let i = 0; i < length; i++) hash.update(await core.get(i));
  return hash.digest('hex');
}
