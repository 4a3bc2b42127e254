// The programs under test as child processes.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import readline from 'node:readline';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { freePort, kSlow, temporaryFolder, until, within } from './wait.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const kLogLinesMax = 400;

export function programPath(name) {
  const override = process.env[`HOLDFAST_${name.toUpperCase().replace('HOLDFAST-', '').replace(/-/g, '_')}`];
  if (override && existsSync(override)) return override;
  const folders = [process.env.HOLDFAST_BIN, path.join(root, 'build/bin'), path.join(root, 'build/dev/bin')];
  for (const folder of folders) {
    if (folder && existsSync(path.join(folder, name))) return path.join(folder, name);
  }
  throw new Error(`${name}: not built (./dev build), and HOLDFAST_BIN names no folder that has it`);
}

/** A running program. `lines` is what it printed; line(pattern) waits for one that matches, past or to come. */
export class Program {
  constructor(file, args, { env = {} } = {}) {
    this.name = path.basename(file);
    this.lines = [];
    this.waiting = new Set();
    this.child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    this.exited = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => resolve({ code, signal }));
      this.child.once('error', (error) => resolve({ error }));
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      readline.createInterface({ input: stream }).on('line', (line) => this.#take(line));
    }
  }

  #take(line) {
    this.lines.push(line);
    if (this.lines.length > kLogLinesMax) this.lines.shift();
    for (const waiter of this.waiting) waiter(line);
  }

  async line(pattern, ms = 20_000) {
    const past = this.lines.map((line) => line.match(pattern)).find(Boolean);
    if (past) return past;
    let waiter;
    const match = new Promise((resolve) => {
      waiter = (line) => {
        const found = line.match(pattern);
        if (found) resolve(found);
      };
      this.waiting.add(waiter);
    });
    const gone = this.exited.then(({ code, signal, error }) => {
      throw new Error(`${this.name} ended (${error ?? signal ?? code}):\n${this.log()}`);
    });
    try {
      return await within(ms, `${this.name}: ${pattern}`, Promise.race([match, gone]));
    } catch (error) {
      error.message += `\n${this.log()}`;
      throw error;
    } finally {
      gone.catch(() => {});
      this.waiting.delete(waiter);
    }
  }

  log() {
    return this.lines.slice(-40).map((line) => `  ${this.name}| ${line}`).join('\n');
  }

  get running() {
    return this.child.exitCode === null && this.child.signalCode === null && this.child.pid !== undefined;
  }

  /** SIGTERM, and SIGKILL for what does not listen. Returns the exit. */
  async stop(ms = 15_000) {
    if (this.running) this.child.kill('SIGTERM');
    try {
      return await within(ms, `${this.name}: the end after SIGTERM`, this.exited);
    } catch (error) {
      this.child.kill('SIGKILL');
      await this.exited;
      error.message += `\n${this.log()}`;
      throw error;
    }
  }

  async kill() {
    if (this.running) this.child.kill('SIGKILL');
    return this.exited;
  }
}

/** Starts a program, waits for its listeners; the test's end ends it and shows its log if the test failed. */
async function start(t, name, args, { listeners = ['public', 'admin'], file = programPath(name), env } = {}) {
  const program = new Program(file, args, { env });
  t.after(async () => {
    await program.kill();
    if (process.env.HOLDFAST_TEST_LOGS) console.error(program.log());
  });
  program.ports = {};
  for (const listener of listeners) {
    const [, port] = await program.line(new RegExp(`listening on .*:(\\d+) ${listener}`));
    program.ports[listener] = Number(port);
  }
  return program;
}

/** Arguments for a replicator (and options for holdfast-client) to use this discovery service. */
export function discoveryArgs({ url, pin }) {
  return ['--discovery', url, '--discovery-pin', pin];
}

export async function startReplicator(t, options = {}) {
  const { data = await temporaryFolder(t), port = 0, projects = [], peers = [], args = [], file, env } = options;
  const list = ['--data', data, '--listen', `127.0.0.1:${port}`, '--admin-listen', '127.0.0.1:0'];
  for (const key of projects) list.push('--project', key.toString('hex'));
  for (const peer of peers) list.push('--peer', peer);
  const program = await start(t, 'holdfast-replicator', [...list, ...args], { file, env });
  program.port = program.ports.public;
  program.data = data;
  program.options = options;
  return program;
}

/** Ends a replicator (`how`: stop or kill) and starts it again on the same data and port. */
export async function restartReplicator(t, program, how = 'stop', changes = {}) {
  await program[how]();
  return startReplicator(t, { ...program.options, data: program.data, port: program.port, ...changes });
}

export async function startDiscovery(t, { port = 0, state, store = 'memory', args = [], env } = {}) {
  const folder = state ?? await temporaryFolder(t);
  const program = await start(t, 'holdfast-discovery', [
    '--listen', `127.0.0.1:${port}`, '--admin-listen', '127.0.0.1:0', '--state-dir', folder,
    '--store', store, ...(args.includes('--lease') ? [] : ['--lease', '10s']),
    ...(args.includes('--probe-allow') ? [] : ['--probe-allow', '127.0.0.0/8']), ...args,
  ], { env });
  const [, pin] = await program.line(/certificate sha256 ([0-9a-f]{64})/);
  program.pin = pin;
  program.state = folder;
  program.url = `https://127.0.0.1:${program.ports.public}`;
  return program;
}

/** A Redis without files, on a free port or on `at`; `extra`: more of its arguments. */
export async function startRedis(t, at, extra = []) {
  const port = at ?? await freePort();
  const folder = await temporaryFolder(t);
  const program = new Program('redis-server', ['--port', String(port), '--save', '', '--appendonly', 'no', '--dir', folder, ...extra]);
  t.after(() => program.kill());
  await program.line(/Ready to accept connections|Success: Master replied to PING/);
  program.port = port;
  program.command = (text) => redisCommand(port, text);
  return program;
}

/** Sends one inline command. Returns the raw reply. */
export async function redisCommand(port, text) {
  const socket = net.connect(port, '127.0.0.1');
  socket.write(`${text}\r\n`);
  const [answer] = await once(socket, 'data');
  socket.destroy();
  return answer.toString();
}

/** A Redis master, its replica, and three Sentinels that watch them. */
export async function startSentinels(t) {
  const master = await startRedis(t);
  const replica = await startRedis(t, undefined, ['--replicaof', '127.0.0.1', String(master.port)]);
  await until(10_000, 'the replica to be in step', async () => /master_link_status:up/.test(await replica.command('INFO replication')));
  const ports = [];
  for (let i = 0; i < 3; i++) {
    const port = await freePort();
    const file = path.join(await temporaryFolder(t), 'sentinel.conf');
    await writeFile(file, [
      `port ${port}`, 'bind 127.0.0.1', `sentinel monitor holdfast 127.0.0.1 ${master.port} 2`,
      'sentinel down-after-milliseconds holdfast 1000', 'sentinel failover-timeout holdfast 4000', '',
    ].join('\n'));
    const program = new Program('redis-server', [file, '--sentinel']);
    t.after(() => program.kill());
    await program.line(/monitor master holdfast/);
    ports.push(port);
  }
  await until(10_000, 'the Sentinels to know each other', async () => /num-other-sentinels\r\n\$1\r\n2/.test(await redisCommand(ports[0], 'SENTINEL master holdfast')));
  return { url: `redis-sentinel://${ports.map((port) => `127.0.0.1:${port}`).join(',')}/holdfast`, master, replica };
}

/** Three Redis masters that share all slots. `move()` takes all slots of the first to the second, with what is in them. */
export async function startCluster(t) {
  const nodes = [];
  for (let i = 0; i < 3; i++) nodes.push(await startRedis(t, undefined, ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000']));
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  await redisCli('--cluster', 'create', ...addresses, '--cluster-yes');
  await until(20_000, 'the cluster to be whole', async () => {
    const states = await Promise.all(nodes.map((node) => node.command('CLUSTER INFO')));
    return states.every((state) => state.includes('cluster_state:ok'));
  });
  const idOf = async (node) => (await node.command('CLUSTER MYID')).split('\r\n')[1];
  const move = async () => redisCli('--cluster', 'reshard', addresses[2], '--cluster-from', await idOf(nodes[0]), '--cluster-to', await idOf(nodes[1]),
    '--cluster-slots', '5461', '--cluster-yes', '--cluster-pipeline', '100');
  return { url: `redis-cluster://${addresses.join(',')}`, nodes, move };
}

/** Runs the command line program to its end. Returns { code, stdout, stderr }. */
export function holdfast(...args) {
  return new Promise((resolve) => {
    execFile(programPath('holdfast'), args, { timeout: 60_000 * kSlow }, (error, stdout, stderr) => {
      resolve({ code: error ? error.code ?? error.signal : 0, stdout, stderr });
    });
  });
}

/** The id of a running replicator. */
export async function idOf(replicator) {
  return (await replicator.line(/node ([0-9a-f]{64}) hosts/))[1];
}

const redisCli = async (...args) => (await promisify(execFile)('redis-cli', args, { maxBuffer: 64 << 20 })).stdout;

/** Many replicators in one process (tests/bench/fleet); `keys`: the registry keys they list, hex. */
export async function startFleet(t, service, { replicators, keys }) {
  const file = path.join(await temporaryFolder(t), 'keys');
  const program = new Program(programPath('holdfast-fleet'), [
    '--discovery', service.url, '--pin', service.pin, '--replicators', String(replicators), '--keys', String(keys), '--proofs', '--keys-file', file,
  ]);
  t.after(() => program.kill());
  await program.line(/^joined/, 60_000);
  program.keys = (await readFile(file, 'utf8')).trim().split('\n');
  program.command = async (text) => {
    program.lines.length = 0;
    program.child.stdin.write(`${text}\n`);
    return (await program.line(/^(renewed|vanished).*/, 60_000))[0];
  };
  return program;
}

export { kSlow };
