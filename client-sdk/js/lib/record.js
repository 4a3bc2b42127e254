import c from 'compact-encoding';
import { HoldfastError } from './errors.js';
import { verify } from './keys.js';

// The format is docs/formats/registration-record.md; these bounds are stated there.
const kFormat = 'holdfast/record/1';
const kSignatureBytes = 64;
const kSignedBytesMax = 4_096;
const kAddressesMax = 8;
const kTransports = ['tcp', 'ws'];
const kHost = /^[A-Za-z0-9.:_-]*$/;
const kUrl = /^wss?:\/\/[^\x00-\x20\x7f-\uffff@#/?]+(?:[/?][\x21\x22\x24-\x7e]*)?$/; // no user info, no fragment
const kName = /^[A-Za-z0-9._-]{0,64}$/;

/**
 * Decodes and verifies signed registration bytes (base64url text, no padding).
 * Throws BAD_RECORD when anything is wrong with them: there is no half-trusted record.
 */
export function openRecord(text) {
  if (typeof text !== 'string' || !/^[A-Za-z0-9_-]+$/.test(text)) throw bad('is not base64url');
  if (text.length > (kSignedBytesMax * 4) / 3 + 4) throw bad('is too large');
  const signed = Buffer.from(text, 'base64url');
  if (signed.byteLength <= kSignatureBytes) throw bad('is too short');
  const body = signed.subarray(0, -kSignatureBytes);
  const record = decode(body);
  if (!verify(body, signed.subarray(-kSignatureBytes), record.id)) throw bad('has a wrong signature');
  return record;
}

function decode(body) {
  const state = { start: 0, end: body.byteLength, buffer: body };
  try {
    return decodeFields(state);
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw bad('cannot be decoded', error);
  }
}

function decodeFields(state) {
  if (text(state, 64) !== kFormat) throw bad('is of another kind');
  const id = Buffer.from(c.fixed32.decode(state));
  const seq = c.uint.decode(state);
  const count = c.uint.decode(state);
  if (count < 1 || count > kAddressesMax) throw bad('has no address or too many');
  const addresses = [];
  for (let i = 0; i < count; i++) addresses.push(decodeAddress(state));
  const region = text(state, 64);
  const group = text(state, 64);
  if (!kName.test(region) || !kName.test(group)) throw bad('has a malformed region or group');
  const capacity = c.uint.decode(state);
  const accept = c.uint.decode(state);
  if (accept > 1) throw bad('has an unknown accept mode');
  const software = text(state, 64);
  if (!/^[\x20-\x7e]*$/.test(software)) throw bad('has a malformed software name');
  // What follows belongs to later versions; the signature covers it.
  return { id, seq, addresses, region, group, capacity, accept: accept === 1 ? 'assigned' : 'listed', software };
}

function decodeAddress(state) {
  const transport = kTransports[c.uint.decode(state)];
  const host = text(state, 253);
  const port = c.uint.decode(state);
  const url = text(state, 255);
  if (transport === 'tcp' && kHost.test(host) && port > 0 && port < 65_536 && url === '') return { transport, host, port };
  if (transport === 'ws' && port === 0 && host === '' && kUrl.test(url)) return { transport, host, port, url };
  throw bad('has a malformed address');
}

function text(state, max) {
  const length = c.uint.decode(state);
  if (length > max || length > state.end - state.start) throw bad('has a text that is too long');
  return state.buffer.toString('utf8', state.start, (state.start += length));
}

function bad(what, cause) {
  return new HoldfastError('BAD_RECORD', `the registration record ${what}`, { cause });
}
