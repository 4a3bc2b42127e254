import c from 'compact-encoding';

// Message 0 `cores` of the Protomux protocol `blind-peer`, as blind peers of the Hypercore ecosystem understand it.
const kReferrer = 1;
const kArrayMax = 1_000;

export const coresMessage = {
  preencode(state, { referrer, cores }) {
    c.uint.preencode(state, kReferrer);
    c.fixed32.preencode(state, referrer);
    c.uint.preencode(state, cores.length);
    for (const { key, length } of cores) {
      c.fixed32.preencode(state, key);
      c.uint.preencode(state, length);
    }
  },
  encode(state, { referrer, cores }) {
    c.uint.encode(state, kReferrer);
    c.fixed32.encode(state, referrer);
    c.uint.encode(state, cores.length);
    for (const { key, length } of cores) {
      c.fixed32.encode(state, key);
      c.uint.encode(state, length);
    }
  },
  decode() {
    return null; // Nobody hands cores to an app.
  },
};

/**
 * Tells the node behind `mux` (a Protomux instance) that `keys` belong to the project `referrer`.
 * Returns the channel, to be kept until the stream ends. Long lists are sent in several messages.
 */
export function handOver(mux, referrer, keys) {
  const channel = mux.createChannel({ protocol: 'blind-peer', messages: [{ encoding: coresMessage }] });
  if (channel === null) return null; // The app has opened its own.
  channel.open();
  sendCores(channel, referrer, keys);
  return channel;
}

export function sendCores(channel, referrer, keys) {
  for (let from = 0; from < keys.length; from += kArrayMax) {
    const cores = keys.slice(from, from + kArrayMax).map((key) => ({ key, length: 0 }));
    channel.messages[0].send({ referrer, cores });
  }
}
