// Apps as child processes, driven from the test.
import { fork } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder, within } from './wait.mjs';

const script = fileURLToPath(new URL('app.mjs', import.meta.url));
const kRunMs = 60_000;

/**
 * `run(fn, argument)` runs `fn(context, argument)` in the app's process and returns what it returns. Only the source of
 * `fn` travels: it sees `context` (app.mjs) and `argument`, nothing of the test around it.
 */
export class App {
  #calls = new Map();
  #next = 1;

  constructor(child, folder, version) {
    this.child = child;
    this.folder = folder;
    this.version = version;
    this.exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
    this.ready = new Promise((resolve, reject) => this.#calls.set(0, { resolve, reject }));
    child.on('message', ({ id, value, error }) => {
      const call = this.#calls.get(id);
      this.#calls.delete(id);
      if (error === undefined) return call?.resolve(value);
      const failure = new Error(`in the app: ${error.message}`);
      failure.stack = `in the app: ${error.stack}`;
      failure.code = error.code;
      call?.reject(failure);
    });
    this.exited.then(({ code, signal }) => {
      for (const { reject } of this.#calls.values()) reject(new Error(`the app ended (${signal ?? code})`));
      this.#calls.clear();
    });
  }

  /** `version`: 10 or 11, of Hypercore. `folder`: of an earlier app, to go on with its store. */
  static async start(t, { version = 11, folder } = {}) {
    const place = folder ?? await temporaryFolder(t);
    const child = fork(script, [JSON.stringify({ version, folder: place })], {
      serialization: 'advanced',
      cwd: fileURLToPath(new URL('../', import.meta.url)),
      execArgv: [],
    });
    const app = new App(child, place, version);
    t.after(() => app.kill());
    await within(20_000, 'the start of an app', app.ready);
    return app;
  }

  run(fn, argument, ms = kRunMs) {
    const id = this.#next++;
    const answer = new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject }));
    this.child.send({ id, source: fn.toString(), argument });
    return within(ms, `the app's ${fn.name || 'step'}`, answer);
  }

  /** Closes the store and ends the process. */
  async quit() {
    await this.run(async ({ store, links }) => {
      for (const link of [...links]) await link.stop();
      await store.close();
    });
    this.child.disconnect();
    return within(10_000, 'the end of an app', this.exited);
  }

  async kill() {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
    return this.exited;
  }
}

// Steps that many tests share. Each is sent to the app's process as it stands.

/** A new core with `count` blocks. Returns its key; context.state.core is the core. */
export async function write(context, { options = { name: 'main' }, seed = 'a', count = 0, bytes = 100 }) {
  const core = context.state.core ?? (context.state.core = await context.open(options));
  const from = core.length;
  for (let done = 0; done < count; done += 1_000) {
    await core.append(context.blocks(seed, from + done, Math.min(1_000, count - done), bytes));
  }
  return { key: core.key, length: core.length, fork: core.fork };
}

export function dial(context, { port, keep = false }) {
  context.state.link = context.dial(port, { keep });
}

export async function uploaded(context) {
  await context.uploaded(context.state.core);
}

/** Opens the core `key`, waits until it is `length` long (and on `fork`), and returns the hash of all its blocks. */
export async function readAll(context, { key, length, fork = 0, ms = 30_000 }) {
  const core = context.state.core ?? (context.state.core = await context.open({ key }));
  await context.reached(core, length, ms);
  const hash = await context.hash(core, 0, length, ms);
  if (core.fork !== fork) throw new Error(`fork ${core.fork}, not ${fork}`);
  return hash;
}

export function hashOwn(context) {
  return context.hash(context.state.core);
}
