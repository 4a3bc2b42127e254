// Public API of holdfast-client; index.d.ts is its contract.
export { connect, Session } from './lib/session.js';
export { HoldfastError } from './lib/errors.js';
export { lookup } from './lib/lookup.js';
export { discoveryKeyOf, keyholderOf, parseKey } from './lib/keys.js';
