// What `holdfast doctor` tells the owner of a node: for each thing that can be wrong its own words and exit code.
import assert from 'node:assert/strict';
import net from 'node:net';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { discoveryKeyOf } from '../../client-sdk/js/index.js';
import { ask, sync } from './support/ask.mjs';
import { isMentioned, isQuoted } from './support/docs.mjs';
import { discoveryArgs, holdfast, idOf, startDiscovery, startRedis, startReplicator } from './support/programs.mjs';
import { freePort, until } from './support/wait.mjs';

const kLease = ['--lease', '3s'];
const kLab = ['--probe-allow', '127.0.0.0/8', ...kLease];

function doctor(service, node, ...more) {
  return holdfast('doctor', '--node', node, ...discoveryArgs(service), ...more);
}

/** The doctor's one problem: exit code, what it says, what it advises. */
async function finds(code, problem, advice, service, node, ...more) {
  const answer = await doctor(service, node, ...more);
  assert.equal(answer.code, code, answer.stdout + answer.stderr);
  const lines = answer.stdout.split('\n');
  const problems = lines.filter((line) => line.startsWith('[problem] '));
  assert.equal(problems.length, 1, answer.stdout);
  assert.match(problems[0], problem);
  const advised = lines[lines.indexOf(problems[0]) + 1];
  assert.match(advised, advice);
  isMentioned(advised);
  assert.match(answer.stdout, /\n1 problem\(s\) found\.\n$/);
  return answer.stdout;
}

/** The port of something that is no service and no node: says what mail servers say, or nothing. */
async function stranger(t, { silent = false } = {}) {
  const server = net.createServer((socket) => {
    socket.on('error', () => {}).resume();
    if (!silent) socket.end('220 mail.example.org\r\n');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return server.address().port;
}

/** A node whose registration does not pass: its id, and what its log says. */
async function unlisted(t, service, advertise) {
  const node = await startReplicator(t, { projects: [randomBytes(32)], args: [...discoveryArgs(service), '--advertise', advertise] });
  const id = await idOf(node);
  const { input: line } = await node.line(/self-test-failed: .*/);
  assert.ok(line.includes(`holdfast doctor --discovery ${service.url} --node ${id}`), 'the log names the doctor');
  return { id, line };
}

test('all is well', async (t) => {
  const service = await startDiscovery(t, { args: kLab });
  const key = randomBytes(32);
  const node = await startReplicator(t, { projects: [key], args: discoveryArgs(service) });
  const id = await idOf(node);
  await until(20_000, 'the node to be listed', async () => (await sync(service, key)).status === 200);
  const { code, stdout } = await doctor(service, id, '--project', key.toString('hex'));
  assert.equal(code, 0, stdout);
  assert.deepEqual(stdout.split('\n').map((line) => line.replace(/\d+ (s left|ms)/, 'N $1')), [
    `[ok]      ${service.url} answers, its certificate is trusted, and it sees you as 127.0.0.1`,
    '[ok]      your node is listed: the service reached it and found its key; it was seen at 127.0.0.1, its lease has N s left, and it lists 1 key(s)',
    '[ok]      clocks agree within N ms',
    `[ok]      1 endpoint(s), named by ${service.url}`,
    `[ok]      node 127.0.0.1:${node.port} answers with its registered key`,
    'Everything works.',
    '',
  ]);
  for (const line of stdout.trim().split('\n')) isQuoted(line);
  const json = JSON.parse((await doctor(service, id, discoveryKeyOf(key).toString('hex'), '--json')).stdout);
  assert.deepEqual([json.ok, json.exit, json.findings.map(({ kind }) => kind)], [true, 0, Array(5).fill('ok')]);
});

test('the service cannot reach the node', async (t) => {
  const service = await startDiscovery(t, { args: kLab });

  await t.test('nothing listens where it is said to be', async (t) => {
    const port = await freePort();
    const { id, line } = await unlisted(t, service, `127.0.0.1:${port}`);
    isQuoted(line);
    await finds(6, new RegExp(`not listed: the self-test failed: tcp 127\\.0\\.0\\.1:${port}.* connect failed`), /Forward the port/, service, id);
    const { stdout } = await doctor(service, id, '--json');
    assert.equal(JSON.parse(stdout).exit, 6);
  });

  await t.test('something else listens there', async (t) => {
    const { id } = await unlisted(t, service, `127.0.0.1:${await stranger(t)}`);
    await finds(6, /not listed: the self-test failed: .* handshake failed/, /no Holdfast node/, service, id);
  });

  await t.test('another node listens there', async (t) => {
    const other = await startReplicator(t, {});
    const { id } = await unlisted(t, service, `127.0.0.1:${other.port}`);
    await finds(6, /not listed: the self-test failed: .* key failed/, /Another node answers there/, service, id);
  });

  await t.test('its name leads nowhere', async (t) => {
    const { id } = await unlisted(t, service, 'nowhere.invalid:4838');
    await finds(6, /not listed: the self-test failed: .* resolve failed/, /no address in public DNS/, service, id);
  });
});

test('a node that stops, and one that was killed', async (t) => {
  const service = await startDiscovery(t, { args: kLab });
  const key = randomBytes(32);
  const start = async () => {
    const node = await startReplicator(t, { projects: [key], args: discoveryArgs(service) });
    const id = await idOf(node);
    await until(20_000, 'the node to be listed', async () => (await ask(service, `/replicators/${id}`)).body?.listed);
    return { node, id };
  };
  const state = (id) => until(20_000, 'the node to leave the answers', async () => (await ask(service, `/replicators/${id}`)).body?.listed === false);
  const first = await start();
  first.node.child.kill('SIGTERM');
  await state(first.id);
  await finds(6, /not listed: draining/, /It is stopping/, service, first.id);
  const second = await start();
  await second.node.kill();
  await state(second.id);
  await finds(6, /not listed: lease ran out/, /does not run any more/, service, second.id);
});

test('the service does not know the node', async (t) => {
  const service = await startDiscovery(t, { args: kLab });
  await finds(3, /the service does not know your node/, /--discovery.*--registration-token/, service, randomBytes(32).toString('hex'));
});

test('the service sees the owner where no node could be', async (t) => {
  const service = await startDiscovery(t, { args: ['--probe-allow', '192.0.2.0/24'] });
  const node = await startReplicator(t, { args: discoveryArgs(service) });
  const { input: line } = await node.line(/refused-address: .*/);
  isQuoted(line);
  assert.match(line, /leads to 127\.0\.0\.1; loopback addresses are not reachable from outside.*holdfast doctor/);
  const { code, stdout } = await doctor(service, await idOf(node));
  assert.equal(code, 1);
  assert.match(stdout, /\[problem\] a node could not register from here: this service sees you at a loopback address/);
  assert.match(stdout, /Run it where the service sees a public address/);
  isMentioned(stdout.match(/Run it where.*/)[0]);
});

test('another certificate than the trusted one', async (t) => {
  const service = await startDiscovery(t, { args: kLab });
  const id = randomBytes(32).toString('hex');
  await finds(5, new RegExp(`not the pinned one \\(SHA-256 ${service.pin}\\)`), /Compare --discovery-pin/, { url: service.url, pin: '11'.repeat(32) }, id);
  const { code, stdout } = await holdfast('doctor', '--node', id, '--discovery', service.url);
  assert.equal(code, 5);
  isMentioned(stdout.match(/If the service made.*/)[0]);
  assert.match(stdout, /self-signed certificate.*\n +If the service made its own certificate, give --discovery-pin/);
});

test('no service there, or none that answers', async (t) => {
  const id = randomBytes(32).toString('hex');
  const pin = '11'.repeat(32);
  const port = await freePort();
  await finds(4, /nothing accepts connections there/, /Is the URL right, is the service running/, { url: `https://127.0.0.1:${port}`, pin }, id);
  await finds(4, /does not speak TLS/, /Is the URL right/, { url: `https://127.0.0.1:${await stranger(t)}`, pin }, id);
  const silent = { url: `https://127.0.0.1:${await stranger(t, { silent: true })}`, pin };
  await finds(4, /no answer within the time-out/, /Is the URL right/, silent, id, '--timeout', '300ms');

  const redis = await startRedis(t);
  const service = await startDiscovery(t, { store: `redis://127.0.0.1:${redis.port}/0` });
  await redis.kill();
  await finds(4, /store-unavailable/, /has trouble of its own/, service, id);
});

test('what cannot be understood', async () => {
  const { code, stderr } = await holdfast('doctor', '--node', 'xyz', '--discovery', 'https://127.0.0.1:1');
  assert.deepEqual([code, stderr], [2, 'holdfast: --node is an id\n']);
  const other = await holdfast('doctor');
  assert.equal(other.code, 2);
  assert.match(other.stderr, /no discovery service: give --discovery/);
});
