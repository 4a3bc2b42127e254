// Waiting with a deadline, and small things every test needs.
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Everything that waits names what for; loaded machines get more time through HOLDFAST_TEST_SLOW=2. */
export const kSlow = Number(process.env.HOLDFAST_TEST_SLOW ?? 1);

export async function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms * kSlow} ms`)), ms * kSlow);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** For what announces itself by no event (another process's HTTP port, Hypercore 10's view of a peer). */
export async function until(ms, what, predicate) {
  const deadline = Date.now() + ms * kSlow;
  for (;;) {
    const value = await predicate();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${ms * kSlow} ms`);
    await sleep(20);
  }
}

export async function temporaryFolder(t) {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-interop-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  return folder;
}

/** A port that was free a moment ago, for programs that have to come back on the same one. */
export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
