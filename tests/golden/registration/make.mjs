// Makes the vectors of this folder from fixed seeds, with nothing of ours: node:crypto, compact-encoding and
// sodium-universal. Run: node tests/golden/registration/make.mjs (after npm ci in tests/interop).
import { createHash, createPrivateKey, sign } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(new URL('../../interop/package.json', import.meta.url))
const c = require('compact-encoding')
const sodium = require('sodium-universal')

const here = (name) => new URL(name, import.meta.url)
const save = (name, value) => writeFileSync(here(name), JSON.stringify(value, null, 1) + '\n')
const seedOf = (byte) => Buffer.alloc(32, byte)

function pairOf (seed) {
  const publicKey = Buffer.alloc(32)
  const secretKey = Buffer.alloc(64)
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed)
  return { publicKey, seed }
}
function signWith (seed, message) {
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  return sign(null, message, createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }))
}
function blake2b (key, message) {
  const out = Buffer.alloc(32)
  sodium.crypto_generichash(out, Buffer.from(message), key)
  return out
}

const address = {
  preencode (state, a) {
    c.uint.preencode(state, a.kind === 'ws' ? 1 : 0)
    c.string.preencode(state, a.host)
    c.uint.preencode(state, a.port)
    c.string.preencode(state, a.url)
  },
  encode (state, a) {
    c.uint.encode(state, a.kind === 'ws' ? 1 : 0)
    c.string.encode(state, a.host)
    c.uint.encode(state, a.port)
    c.string.encode(state, a.url)
  }
}
const fields = [
  [c.string, () => 'holdfast/record/1'],
  [c.fixed32, (r) => Buffer.from(r.id, 'hex')],
  [c.uint, (r) => r.seq],
  [c.array(address), (r) => r.addresses],
  [c.string, (r) => r.region],
  [c.string, (r) => r.group],
  [c.uint, (r) => r.capacity],
  [c.uint, (r) => (r.accept === 'assigned' ? 1 : 0)],
  [c.string, (r) => r.software]
]
function encodeRecord (record, extra = Buffer.alloc(0)) {
  const state = c.state()
  for (const [encoding, get] of fields) encoding.preencode(state, get(record))
  state.buffer = Buffer.alloc(state.end)
  for (const [encoding, get] of fields) encoding.encode(state, get(record))
  return Buffer.concat([state.buffer, extra])
}

const tcp = (host, port) => ({ kind: 'tcp', host, port, url: '' })
const ws = (url) => ({ kind: 'ws', host: '', port: 0, url })
const base = { region: '', group: '', capacity: 0, accept: 'listed', software: '' }
const records = [
  { name: 'smallest', seed: 1, record: { ...base, seq: 0, addresses: [tcp('', 1)] } },
  { name: 'usual', seed: 2, record: { ...base, seq: 1767225600123, addresses: [tcp('node3.example.org', 4838)], region: 'eu', group: 'rack-1', capacity: 500, software: 'holdfast/0.1.0' } },
  { name: 'volunteer with every kind of address', seed: 3, record: { ...base, seq: 253, addresses: [tcp('203.0.113.7', 65535), tcp('2001:db8::7', 4838), ws('wss://node.example.org/sync'), ws('ws://[2001:db8::7]:8080')], accept: 'assigned' } },
  { name: 'largest numbers, eight addresses', seed: 4, record: { ...base, seq: Number.MAX_SAFE_INTEGER, capacity: Number.MAX_SAFE_INTEGER, addresses: Array.from({ length: 8 }, (_, i) => tcp(`n${i}.example.org`, 4838 + i)), region: 'r'.repeat(64), group: 'G_.-'.repeat(16), software: '~ '.repeat(32) } },
  { name: 'fields of a later version', seed: 5, extra: '0568656c6c6f', record: { ...base, seq: 7, addresses: [tcp('', 4838)] } }
].map(({ name, seed, record, extra = '' }) => {
  const full = { id: pairOf(seedOf(seed)).publicKey.toString('hex'), ...record }
  const bytes = encodeRecord(full, Buffer.from(extra, 'hex'))
  const signature = signWith(seedOf(seed), bytes)
  const signed = Buffer.concat([bytes, signature])
  return { name, seed: seedOf(seed).toString('hex'), record: full, extra, encoded: bytes.toString('hex'), signature: signature.toString('hex'), base64url: signed.toString('base64url') }
})

const broken = (name, error, change, seed = 6) => {
  const record = { id: pairOf(seedOf(seed)).publicKey.toString('hex'), ...base, seq: 1, addresses: [tcp('', 4838)], ...change }
  const bytes = encodeRecord(record)
  return { name, error, base64url: Buffer.concat([bytes, signWith(seedOf(seed), bytes)]).toString('base64url') }
}
const good = broken('', '', {})
const flipped = Buffer.from(good.base64url, 'base64url')
flipped[60] ^= 1
const foreign = encodeRecord({ id: pairOf(seedOf(6)).publicKey.toString('hex'), ...base, seq: 1, addresses: [tcp('', 4838)] })
const refused = [
  broken('no address', 'Malformed', { addresses: [] }),
  broken('nine addresses', 'LimitExceeded', { addresses: Array.from({ length: 9 }, () => tcp('', 4838)) }),
  broken('port 0', 'Malformed', { addresses: [tcp('', 0)] }),
  broken('port above 65535', 'LimitExceeded', { addresses: [tcp('', 65536)] }),
  broken('tcp with a url', 'Malformed', { addresses: [{ ...tcp('', 4838), url: 'ws://a.example' }] }),
  broken('ws with a host', 'Malformed', { addresses: [{ ...ws('ws://a.example'), host: 'a.example' }] }),
  broken('ws with another scheme', 'Malformed', { addresses: [ws('https://a.example')] }),
  broken('ws with user info', 'Malformed', { addresses: [ws('wss://me:secret@a.example')] }),
  broken('host with a space', 'Malformed', { addresses: [tcp('a b', 4838)] }),
  broken('host with brackets', 'Malformed', { addresses: [tcp('[2001:db8::7]', 4838)] }),
  broken('host of 254 bytes', 'LimitExceeded', { addresses: [tcp('a.'.repeat(127), 4838)] }),
  broken('region with a slash', 'Malformed', { region: 'eu/west' }),
  broken('region of 65 bytes', 'LimitExceeded', { region: 'r'.repeat(65) }),
  broken('group of 65 bytes', 'LimitExceeded', { group: 'g'.repeat(65) }),
  broken('software with a line break', 'Malformed', { software: 'a\nb' }),
  { name: 'flipped bit', error: 'BadSignature', base64url: flipped.toString('base64url') },
  { name: 'signed by another', error: 'BadSignature', base64url: Buffer.concat([foreign, signWith(seedOf(7), foreign)]).toString('base64url') },
  { name: 'cut short', error: 'Malformed', base64url: Buffer.from(good.base64url, 'base64url').subarray(0, 64).toString('base64url') },
  { name: 'nothing', error: 'Malformed', base64url: '' }
]
save('records.json', { records, refused })

const proofs = [[1, 0x11, 1767225600], [2, 0x22, Number.MAX_SAFE_INTEGER], [3, 0x33, 1]].map(([node, project, expires]) => {
  const projectKey = seedOf(project)
  const registryKey = blake2b(projectKey, 'hypercore')
  const keyholderSeed = blake2b(projectKey, 'holdfast/keyholder')
  const replicator = pairOf(seedOf(node)).publicKey
  const tail = Buffer.alloc(8)
  tail.writeBigUInt64LE(BigInt(expires))
  const message = Buffer.concat([replicator, registryKey, tail])
  return {
    project_key: projectKey.toString('hex'),
    registry_key: registryKey.toString('hex'),
    replicator: replicator.toString('hex'),
    keyholder_seed: keyholderSeed.toString('hex'),
    message: message.toString('hex'),
    json: { keyholder: pairOf(keyholderSeed).publicKey.toString('hex'), expires, signature: signWith(keyholderSeed, message).toString('hex') }
  }
})
save('keyholder_proofs.json', { proofs })

const requests = [
  ['PUT', 'https://discovery.example.org/replicators/ID', '{"record":"AAAA"}', 1767225600, 'bm9uY2Utb25l_-'],
  ['POST', 'https://discovery.example.org:8443/replicators/ID/renew', '{}', 0, 'n'],
  ['DELETE', 'https://[2001:db8::7]:8443/replicators/ID?x=%20y', '', 999999999999999, 'N'.repeat(128)]
].map(([method, target, body, created, nonce], i) => {
  const seed = seedOf(i + 1)
  const id = pairOf(seed).publicKey.toString('hex')
  const targetUri = target.replace('ID', id)
  const digest = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`
  const params = `("@method" "@target-uri" "content-digest");created=${created};nonce="${nonce}";keyid="${id}"`
  const text = `"@method": ${method}\n"@target-uri": ${targetUri}\n"content-digest": ${digest}\n"@signature-params": ${params}`
  return {
    seed: seed.toString('hex'), id, method, target_uri: targetUri, body, created, nonce, signature_base: text,
    content_digest: digest, signature_input: `sig=${params}`, signature: `sig=:${signWith(seed, Buffer.from(text)).toString('base64')}:`
  }
})
save('http_signatures.json', { requests })
