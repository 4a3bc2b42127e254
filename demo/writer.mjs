// App A: writes notes, waits until the node says that it holds them all, and goes.
// usage: node writer.mjs STORE NOTES   (more in the environment: DISCOVERY, PIN)
import { once } from 'node:events';
import { connect } from '../client-sdk/js/index.js';
import Corestore from './corestore.mjs';
import { hashOf } from './hash.mjs';

const [folder, count] = process.argv.slice(2);
const store = new Corestore(folder);
const notes = store.get({ name: 'notes' });
await notes.ready();
for (let i = 0; i < Number(count); i++) await notes.append(`note ${notes.length}: written ${new Date().toISOString()}`);
console.log(`key ${notes.key.toString('hex')}`);

const session = connect(store, notes.key, { discovery: process.env.DISCOVERY, pin: process.env.PIN, backoff: { cap: 500 } });
const endpoint = await session.connected();
console.log(`node ${endpoint.host}:${endpoint.port} ${endpoint.replicator.slice(0, 16)}`);
while (notes.remoteContiguousLength < notes.length) await once(notes, 'remote-contiguous-length');
console.log(`held ${notes.remoteContiguousLength} of ${notes.length} ${await hashOf(notes)}`);
await session.close();
await store.close();
