// Two apps that are never online together sync through a node: starts everything, shows what happens, cleans up.
// usage: node demo/run.mjs [--notes N] [--stay]      HOLDFAST_BIN: folder of the programs (default build/bin)
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

const kStepMs = 60_000;
const here = path.dirname(fileURLToPath(import.meta.url));
const bin = path.resolve(process.env.HOLDFAST_BIN ?? path.join(here, '../build/bin'));
const started = new Set();

function say(text) {
  console.log(text);
}

/** A child process. line(pattern) waits for a line of its output; fails with the output if none comes. */
function start(file, args, env = {}) {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const lines = [];
  const waiting = new Set();
  const exited = new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal));
    child.once('error', (error) => resolve(error.message));
  });
  started.add(child);
  exited.then(() => {
    started.delete(child);
    for (const look of waiting) look();
  });
  for (const stream of [child.stdout, child.stderr]) {
    readline.createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      for (const look of waiting) look();
    });
  }
  const name = path.basename(args[0]?.endsWith?.('.mjs') ? args[0] : file);
  const failed = (why) => new Error(`${name}: ${why}\n${lines.slice(-20).map((line) => `    ${line}`).join('\n')}`);
  const line = (pattern) => new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle(reject, failed(`no ${pattern} within ${kStepMs / 1_000} s`)), kStepMs);
    const settle = (act, value) => {
      clearTimeout(timer);
      waiting.delete(look);
      act(value);
    };
    const look = () => {
      const found = lines.map((text) => text.match(pattern)).find(Boolean);
      if (found) settle(resolve, found);
      else if (!started.has(child)) settle(reject, failed('ended early'));
    };
    waiting.add(look);
    look();
  });
  const end = async () => {
    const code = await exited;
    if (code !== 0) throw failed(`ended with ${code}`);
  };
  return { child, line, end, exited };
}

async function startDiscovery(folder) {
  const discovery = start(path.join(bin, 'holdfast-discovery'), [
    '--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--store', 'memory', '--lease', '3s',
    '--state-dir', path.join(folder, 'discovery'), '--probe-allow', '127.0.0.0/8',
  ]);
  const [, pin] = await discovery.line(/certificate sha256 ([0-9a-f]{64})/);
  const [, port] = await discovery.line(/listening on .*:(\d+) public/);
  return { ...discovery, pin, url: `https://127.0.0.1:${port}` };
}

async function startNode(folder, key, { url, pin }, port = 0) {
  const node = start(path.join(bin, 'holdfast-replicator'), [
    '--data', path.join(folder, 'node'), '--listen', `127.0.0.1:${port}`, '--admin-listen', '127.0.0.1:0',
    '--discovery', url, '--discovery-pin', pin, '--project', key,
  ]);
  const [, real] = await node.line(/listening on .*:(\d+) public/);
  return { ...node, port: Number(real) };
}

async function demo(folder, notes, stay) {
  const discovery = await startDiscovery(folder);
  say(`discovery   ${discovery.url}, certificate ${discovery.pin.slice(0, 16)}…`);
  const env = { DISCOVERY: discovery.url, PIN: discovery.pin };
  const app = (name, ...args) => start(process.execPath, [path.join(here, name), ...args], env);

  const a = app('writer.mjs', path.join(folder, 'a'), String(notes));
  const [, key] = await a.line(/^key (\w+)/);
  say(`app A       wrote ${notes} notes into project ${key.slice(0, 16)}…, nobody else has them`);
  let node = await startNode(folder, key, discovery);
  say(`node        listens on 127.0.0.1:${node.port} and registers with discovery`);
  const [, where] = await a.line(/^node (.*)/);
  say(`app A       asked discovery, found ${where}…, uploads`);
  const [, held, total, written] = await a.line(/^held (\d+) of (\d+) (\w+)/);
  await a.end();
  say(`app A       the node holds ${held} of ${total} notes; app A is gone (exit 0)`);

  node.child.kill('SIGTERM');
  await node.exited;
  node = await startNode(folder, key, discovery, node.port);
  say('node        was stopped and started again');

  const b = app('reader.mjs', path.join(folder, 'b'), key);
  await b.line(/^empty/);
  const [, got, , read] = await b.line(/^read (\d+) of (\d+) (\w+)/);
  say(`app B       started with an empty store and the key, read ${got} notes`);
  say(`            sha256 written  ${written}`);
  say(`            sha256 read     ${read}`);
  if (read !== written || got !== total) throw new Error('app B has something else than app A wrote');

  const again = app('writer.mjs', path.join(folder, 'a'), '1');
  const [, live] = await b.line(/^live (.*)/);
  await Promise.all([again.end(), b.end()]);
  say(`both        online now: app A wrote one more, app B saw it live: “${live}”`);
  say('\nEqual. The two apps were never online together, and discovery never saw the project key.');
  if (stay) await linger(folder, key, discovery, node);
}

async function linger(folder, key, discovery, node) {
  const { discoveryKeyOf } = await import('../client-sdk/js/index.js');
  const options = `--discovery ${discovery.url} --discovery-pin ${discovery.pin}`;
  say('\nDiscovery and node stay until Ctrl-C. Try, in another terminal:');
  say(`  ${bin}/holdfast lookup ${discoveryKeyOf(key).toString('hex')} ${options}`);
  say(`  ${bin}/holdfast clone ${key} ${folder}/clone ${options} && ${bin}/holdfast cat ${folder}/clone 0`);
  await Promise.race([new Promise((resolve) => process.once('SIGINT', resolve)), node.exited]);
}

async function stopAll() {
  const ends = [...started].map((child) => new Promise((resolve) => {
    child.once('exit', resolve);
    child.kill('SIGTERM');
    child.kill('SIGTERM'); // the second one: at once
    setTimeout(() => child.kill('SIGKILL'), 2_000).unref();
  }));
  await Promise.all(ends);
}

const args = process.argv.slice(2);
const notes = args.includes('--notes') ? Number(args[args.indexOf('--notes') + 1]) : 1_000;
for (const name of ['holdfast-discovery', 'holdfast-replicator']) {
  if (existsSync(path.join(bin, name))) continue;
  console.error(`${name} is not in ${bin}: run ./dev build first`);
  process.exit(1);
}
const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-demo-'));
process.once('SIGTERM', () => process.exit(1));
process.once('exit', () => {
  for (const child of started) child.kill('SIGKILL');
});
try {
  await demo(folder, notes, args.includes('--stay'));
  if (!args.includes('--stay')) say('Try next:   ./dev demo --stay      (leaves everything running, with commands to look around)');
} catch (error) {
  console.error(`\nThe demo failed: ${error.message}`);
  process.exitCode = 1;
} finally {
  await stopAll();
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
}
