import net from 'node:net';
import NoiseSecretStream from '@hyperswarm/secret-stream';
import { aborted } from './backoff.js';
import { HoldfastError } from './errors.js';

/**
 * Connects to a TCP endpoint and completes the Noise handshake.
 * Returns the encrypted stream; nothing of the application was sent on it yet.
 * Errors: UNREACHABLE, WRONG_NODE (another static key than `replicator` answered), ABORTED.
 */
export async function dial({ host, port, replicator }, { keyPair } = {}, signal) {
  if (signal.aborted) throw aborted(signal);
  const where = `${host}:${port}`;
  const socket = net.connect({ host, port, noDelay: true });
  let stream = null;
  let stop;
  const failed = new Promise((resolve, reject) => {
    stop = () => reject(aborted(signal));
    signal.addEventListener('abort', stop, { once: true });
    socket.on('error', (cause) => reject(new HoldfastError('UNREACHABLE', `${where}: ${cause.message}`, { cause })));
    socket.on('close', () => reject(new HoldfastError('UNREACHABLE', `${where} closed the connection`)));
  });
  failed.catch(() => {}); // The socket also closes long after this function returned.
  try {
    await Promise.race([failed, new Promise((resolve) => socket.once('connect', resolve))]);
    stream = new NoiseSecretStream(true, socket, keyPair ? { keyPair } : {});
    stream.on('error', () => {}); // 'close' follows, and is what everybody waits for.
    const open = await Promise.race([failed, stream.opened]);
    if (!open) throw new HoldfastError('UNREACHABLE', `${where}: the Noise handshake failed`);
    if (stream.remotePublicKey.toString('hex') !== replicator) {
      throw new HoldfastError('WRONG_NODE', `${where} is not the replicator that was registered`);
    }
    return stream;
  } catch (error) {
    if (stream !== null) stream.destroy();
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
