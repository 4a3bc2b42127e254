import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { discoveryKeyOf, keyholderOf } from '../index.js';
import { proofHolds } from '../lib/proof.js';
import { openRecord } from '../lib/record.js';
import { makeProof, recordBytes, sign, signedRecord, signPair } from './support/fakes.js';

const pair = signPair();
const isBadRecord = { code: 'BAD_RECORD' };

test('a record that the replicator signed is read', () => {
  const addresses = [{ host: 'node.example.org', port: 4838 }, { kind: 1, host: '', port: 0, url: 'wss://n/' }];
  const record = openRecord(signedRecord(pair, { addresses }));
  assert.deepEqual(record.id, pair.publicKey);
  assert.deepEqual(record.addresses, [
    { transport: 'tcp', host: 'node.example.org', port: 4838 },
    { transport: 'ws', host: '', port: 0, url: 'wss://n/' },
  ]);
  assert.equal(record.seq, 1_700_000_000_000);
  assert.equal(record.region, 'eu');
  assert.equal(record.accept, 'listed');
});

test('no single changed byte is accepted', () => {
  const signed = Buffer.from(signedRecord(pair), 'base64url');
  for (let at = 0; at < signed.byteLength; at++) {
    const changed = Buffer.from(signed);
    changed[at] ^= 1;
    assert.throws(() => openRecord(changed.toString('base64url')), isBadRecord, `byte ${at}`);
  }
});

test('no truncation is accepted; what a later version appends and signs is skipped', () => {
  const body = recordBytes(pair.publicKey);
  const seal = (bytes) => Buffer.concat([bytes, sign(bytes, pair.secretKey)]).toString('base64url');
  for (let length = 0; length < body.byteLength; length++) {
    assert.throws(() => openRecord(seal(body.subarray(0, length))), isBadRecord, `length ${length}`);
  }
  assert.equal(openRecord(seal(Buffer.concat([body, Buffer.from([0])]))).region, 'eu');
  assert.throws(() => openRecord(seal(Buffer.concat([body, Buffer.alloc(4_096)]))), isBadRecord);
});

test('a signed record beyond the bounds is refused', () => {
  const nine = Array.from({ length: 9 }, () => ({ host: 'h', port: 1 }));
  assert.throws(() => openRecord(signedRecord(pair, { addresses: nine })), isBadRecord);
  assert.throws(() => openRecord(signedRecord(pair, { addresses: [] })), isBadRecord);
  assert.throws(() => openRecord(signedRecord(pair, { host: 'h'.repeat(254) })), isBadRecord);
  for (const port of [0, 65_536]) assert.throws(() => openRecord(signedRecord(pair, { port })), isBadRecord);
  for (const url of ['', 'https://h', `wss://${'h'.repeat(260)}`]) {
    assert.throws(() => openRecord(signedRecord(pair, { addresses: [{ kind: 1, host: '', port: 0, url }] })), isBadRecord);
  }
  assert.throws(() => openRecord(signedRecord(pair, { format: 'holdfast/record/2' })), isBadRecord);
  for (const text of [undefined, null, 7, '', '====', 'a'.repeat(100_000)]) {
    assert.throws(() => openRecord(text), isBadRecord);
  }
});

test('a proof holds for its node, project and time only', () => {
  const project = Buffer.alloc(32, 5);
  const discoveryKey = discoveryKeyOf(project);
  const proof = makeProof(pair, project, discoveryKey, 2_000);
  const facts = { id: pair.publicKey, discoveryKey, keyholder: keyholderOf(project), now: 1_999_999 };
  assert.equal(proofHolds(proof, facts), true);
  assert.equal(proofHolds(proof, { ...facts, now: 2_000_000 }), false);
  assert.equal(proofHolds(proof, { ...facts, id: Buffer.alloc(32, 9) }), false);
  assert.equal(proofHolds(proof, { ...facts, discoveryKey: Buffer.alloc(32, 9) }), false);
  assert.equal(proofHolds(proof, { ...facts, keyholder: keyholderOf(Buffer.alloc(32, 6)) }), false);
  assert.equal(proofHolds({ ...proof, expires: 3_000 }, facts), false);
  for (const broken of [undefined, null, 7, {}, { ...proof, signature: 7 }, { ...proof, signature: 'ab' },
    { ...proof, expires: '2000' }, { ...proof, expires: -1 }, { ...proof, expires: 1e300 }]) {
    assert.equal(proofHolds(broken, facts), false);
  }
});

test('the vectors that the C++ side is held to', async () => {
  const read = async (name) => {
    const file = new URL(`../../../tests/golden/registration/${name}.json`, import.meta.url);
    return JSON.parse(await readFile(file, 'utf8'));
  };
  const { records, refused } = await read('records');
  assert.ok(records.length > 0);
  for (const { name, record, base64url } of records) {
    const opened = openRecord(base64url);
    assert.equal(opened.id.toString('hex'), record.id, name);
    for (const member of ['seq', 'region', 'group', 'capacity', 'accept', 'software']) {
      assert.equal(opened[member], record[member], `${name}: ${member}`);
    }
    const addresses = opened.addresses.map(({ transport, host, port, url = '' }) => ({ kind: transport, host, port, url }));
    assert.deepEqual(addresses, record.addresses, name);
  }
  for (const { name, base64url } of refused) assert.throws(() => openRecord(base64url), isBadRecord, name);
  const { proofs } = await read('keyholder_proofs');
  assert.ok(proofs.length > 0);
  for (const { project_key: project, registry_key: registry, replicator, json } of proofs) {
    assert.equal(keyholderOf(project).toString('hex'), json.keyholder);
    const facts = { id: Buffer.from(replicator, 'hex'), discoveryKey: Buffer.from(registry, 'hex'), keyholder: keyholderOf(project) };
    assert.equal(proofHolds(json, { ...facts, now: 0 }), true);
    assert.equal(proofHolds(json, { ...facts, now: json.expires * 1_000 }), false);
  }
});
