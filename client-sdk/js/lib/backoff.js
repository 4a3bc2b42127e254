import { HoldfastError } from './errors.js';

export const kBaseMs = 250;
export const kCapMs = 30_000;

/**
 * Full jitter: evenly random between nothing and a ceiling that doubles with every failure.
 * `attempt`: failures in a row so far, 0-based. `retryAfter` (ms) is a floor that is never undercut.
 * Why the jitter comes on top of it: clients that were told the same second must not return in the same second.
 */
export function delayOf(attempt, { base = kBaseMs, cap = kCapMs, retryAfter = 0, random = Math.random } = {}) {
  const ceiling = Math.min(cap, base * 2 ** Math.min(attempt, 30));
  return retryAfter + random() * ceiling;
}

/** Resolves after `ms`; rejects with code ABORTED at once when `signal` aborts. */
export function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted(signal));
    const stop = () => {
      clearTimeout(timer);
      reject(aborted(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

export function aborted(signal) {
  if (signal?.reason instanceof HoldfastError) return signal.reason;
  return new HoldfastError('ABORTED', 'aborted', { cause: signal?.reason });
}
