// How fast a core gets from one process to another, JavaScript and Holdfast in every combination.
// usage: node replication.mjs [--runs N] [--only 1k|64k] [--case NAME]...     HOLDFAST_BIN: folder of the programs
//
// Each run: two processes, TCP on 127.0.0.1, an empty store at the reader. Time counts from the reader's connect (JS) or
// from the start of its process (Holdfast, so its start-up counts too) until it holds every block with its usual
// durability. Then every block is read back and hashed. Runs of all cases alternate; medians are compared.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const peer = path.join(here, 'peer.mjs');
const bin = path.resolve(process.env.HOLDFAST_BIN ?? path.join(here, '../../../build/bin'));
const kWorkloads = {
  '1k': { count: 50_000, bytes: 1_024, title: '50,000 x 1 KiB' },
  '64k': { count: 2_000, bytes: 65_536, title: '2,000 x 64 KiB' },
};
const kRunMs = 120_000;
const children = new Set();

/** A child process; line(pattern) resolves with the match, exited with the exit code. */
function start(file, args) {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  const lines = [];
  const waiting = new Set();
  const exited = new Promise((resolve) => child.once('exit', (code, signal) => {
    children.delete(child);
    resolve(code ?? signal);
  }));
  for (const stream of [child.stdout, child.stderr]) {
    readline.createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      for (const look of [...waiting]) look(line);
    });
  }
  const failure = (why) => new Error(`${path.basename(file)} ${args[0]}: ${why}\n${lines.slice(-10).join('\n')}`);
  const line = (pattern) => new Promise((resolve, reject) => {
    const past = lines.map((text) => text.match(pattern)).find(Boolean);
    if (past) return resolve(past);
    const timer = setTimeout(() => reject(failure(`no ${pattern}`)), kRunMs);
    const look = (text) => {
      const found = text.match(pattern);
      if (!found) return;
      clearTimeout(timer);
      waiting.delete(look);
      resolve(found);
    };
    waiting.add(look);
    exited.then((code) => {
      clearTimeout(timer);
      reject(failure(`ended with ${code}`));
    });
  });
  return { child, line, exited, failure };
}

const js = (...args) => start(process.execPath, [peer, ...args]);

async function replicator(folder, key, more = []) {
  const node = start(path.join(bin, 'holdfast-replicator'), [
    '--data', folder, '--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--project', key, '--log-level', 'warning', ...more,
  ]);
  node.port = Number((await node.line(/listening on .*:(\d+) public/))[1]);
  return node;
}

/** The two sources of a workload, ready to be read from: a JavaScript process and a replicator with the same core. */
async function prepare(folder, { count, bytes }) {
  const writer = js('serve', path.join(folder, 'js'), String(count), String(bytes));
  const [, key, port, hash] = await writer.line(/^ready (\w+) (\d+) (\w+)/);
  const node = await replicator(path.join(folder, 'node'), key);
  const upload = js('upload', path.join(folder, 'js'), key, String(node.port), String(port));
  await upload.line(/^uploaded/);
  await upload.exited;
  return { key, hash, jsPort: Number(port), nodePort: node.port };
}

/** Runs a JavaScript reader; returns seconds. */
async function readWithJs(folder, source, port, order, count) {
  const reader = js('read', folder, source.key, String(port), String(count), order);
  const [, seconds, hash] = await reader.line(/^read ([\d.]+) (\w+)/);
  await reader.exited;
  if (hash !== source.hash) throw reader.failure('the copy differs');
  return Number(seconds);
}

/** Runs `holdfast clone`, then reads everything back with `holdfast cat`; returns seconds. */
async function readWithHoldfast(folder, source, port, count) {
  const began = process.hrtime.bigint();
  const clone = start(path.join(bin, 'holdfast'), ['clone', source.key, folder, '--peer', `127.0.0.1:${port}`]);
  const code = await clone.exited;
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  if (code !== 0) throw clone.failure(`ended with ${code}`);
  const hash = await hashOfCat(folder);
  if (hash !== source.hash) throw clone.failure(`the copy of ${count} blocks differs`);
  return seconds;
}

function hashOfCat(folder) {
  const cat = spawn(path.join(bin, 'holdfast'), ['cat', folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const hash = createHash('sha256');
  cat.stdout.on('data', (data) => hash.update(data));
  return new Promise((resolve, reject) => cat.once('close', (code) => {
    if (code === 0) resolve(hash.digest('hex'));
    else reject(new Error(`holdfast cat ended with ${code}`));
  }));
}

const kCases = {
  'JS -> JS, linear': (folder, source, { count }) => readWithJs(folder, source, source.jsPort, 'linear', count),
  'JS -> JS, default order': (folder, source, { count }) => readWithJs(folder, source, source.jsPort, 'default', count),
  'JS -> Holdfast': (folder, source, { count }) => readWithHoldfast(folder, source, source.jsPort, count),
  'Holdfast -> JS': (folder, source, { count }) => readWithJs(folder, source, source.nodePort, 'default', count),
  'Holdfast -> Holdfast': (folder, source, { count }) => readWithHoldfast(folder, source, source.nodePort, count),
};

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function print(title, { count, bytes }, seconds) {
  const baseline = Math.min(...Object.entries(seconds).filter(([name]) => name.startsWith('JS -> JS')).map(([, all]) => median(all)));
  console.log(`\n${title}`);
  console.log('  case                      median s   blocks/s     MB/s   to better JS -> JS   all runs, s');
  for (const [name, all] of Object.entries(seconds)) {
    const middle = median(all);
    const ratio = Number.isFinite(baseline) ? `${(baseline / middle).toFixed(2)}x` : '-';
    console.log(`  ${name.padEnd(24)} ${middle.toFixed(2).padStart(9)} ${Math.round(count / middle).toString().padStart(10)} `
      + `${(count * bytes / middle / 1e6).toFixed(1).padStart(8)} ${ratio.padStart(20)}   ${all.map((s) => s.toFixed(2)).join(' ')}`);
  }
}

async function bench(workload, runs, names) {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-bench-'));
  try {
    const source = await prepare(folder, workload);
    const seconds = Object.fromEntries(names.map((name) => [name, []]));
    for (let run = 0; run < runs; run++) {
      for (const name of names) {
        const target = path.join(folder, 'reader');
        seconds[name].push(await kCases[name](target, source, workload));
        await rm(target, { recursive: true, force: true });
      }
    }
    print(workload.title, workload, seconds);
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

function valueOf(name) {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}

process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
if (!existsSync(path.join(bin, 'holdfast')) || !existsSync(path.join(bin, 'holdfast-replicator'))) {
  console.error(`holdfast and holdfast-replicator are not in ${bin}: run ./dev build`);
  process.exit(1);
}
const runs = Number(valueOf('--runs') ?? 5);
const only = valueOf('--only');
const names = Object.keys(kCases).filter((name) => !valueOf('--case') || name.includes(valueOf('--case')));
console.log(`replication, ${runs} runs, ${cpus().length} x ${cpus()[0].model}, Node ${process.version}, programs in ${bin}`);
for (const [name, workload] of Object.entries(kWorkloads)) {
  if (only === undefined || only === name) await bench(workload, runs, names);
}
