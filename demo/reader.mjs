// App B: knows nothing but the key. Reads everything, then waits for what comes live.
// usage: node reader.mjs STORE KEY   (more in the environment: DISCOVERY, PIN)
import { once } from 'node:events';
import { connect } from '../client-sdk/js/index.js';
import Corestore from './corestore.mjs';
import { hashOf } from './hash.mjs';

const [folder, key] = process.argv.slice(2);
const store = new Corestore(folder);
const notes = store.get({ key: Buffer.from(key, 'hex') });
await notes.ready();
console.log(`empty ${notes.length} notes in its store`);

const session = connect(store, notes.key, { discovery: process.env.DISCOVERY, pin: process.env.PIN, backoff: { cap: 500 } });
await session.connected();
while (notes.length === 0) await once(notes, 'append');
const length = notes.length;
console.log(`read ${length} of ${notes.length} ${await hashOf(notes, length)}`);

if (notes.length === length) await once(notes, 'append');
console.log(`live ${await notes.get(length)}`);
await session.close();
await store.close();
