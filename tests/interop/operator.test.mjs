// Who may register, and what an operator's orders do: the real programs, two instances on a real Redis.
import assert from 'node:assert/strict';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { discoveryKeyOf } from '../../client-sdk/js/index.js';
import { ask, metric, sync } from './support/ask.mjs';
import { isQuoted } from './support/docs.mjs';
import { discoveryArgs, holdfast, idOf, restartReplicator, startDiscovery, startRedis, startReplicator } from './support/programs.mjs';
import { temporaryFolder, until } from './support/wait.mjs';

const kLease = ['--lease', '3s'];

/** What `holdfast admin` is told to reach this service. */
function adminArgs(service) {
  return ['--admin', `127.0.0.1:${service.ports.admin}`, '--token-file', path.join(service.state, 'admin-token')];
}

async function order(service, ...words) {
  const { code, stdout, stderr } = await holdfast('admin', ...words, ...adminArgs(service));
  assert.equal(code, 0, `${words.join(' ')}: ${stderr}`);
  return stdout;
}

async function refused(code, pattern, ...words) {
  const answer = await holdfast('admin', ...words);
  assert.equal(answer.code, code, `${words.join(' ')}: ${answer.stdout}${answer.stderr}`);
  assert.match(answer.stderr, pattern);
  assert.equal(answer.stdout, '');
  assert.equal(answer.stderr.trimEnd().split('\n').length, 1);
}

const listed = (service, key) => until(20_000, 'the node to be listed', async () => (await sync(service, key)).status === 200);
const gone = (service, key) => until(20_000, 'the node to be gone', async () => (await sync(service, key)).status !== 200);

/** Waits until the node was refused, sees how it says so, and that it serves nobody with this key. */
async function is_refused(service, node, key, log) {
  const { input: line } = await node.line(log);
  isQuoted(line);
  await until(10_000, 'the metric of the refusal', async () => await metric(node, 'holdfast_replicator_discovery_services_refusing') === 1);
  assert.equal(await metric(node, 'holdfast_replicator_discovery_services_listing'), 0);
  assert.equal((await sync(service, key)).status, 404);
  return line;
}

async function fileWith(t, text) {
  const file = path.join(await temporaryFolder(t), 'words');
  await writeFile(file, text);
  return file;
}

test('--registration token: a node without it is refused and told what to do, and listed with it', async (t) => {
  const tokens = await fileWith(t, 'first-token\nsecond-token\n');
  const service = await startDiscovery(t, { args: ['--registration', 'token', '--registration-token', tokens] });
  const key = randomBytes(32);
  const node = await startReplicator(t, { projects: [key], args: discoveryArgs(service) });
  const line = await is_refused(service, node, key, /denied: registration needs a token of the operator.*/);
  assert.match(line, /--registration-token/);
  assert.ok(line.includes(await idOf(node)));

  const wrong = await fileWith(t, 'third-token\n');
  const other = await restartReplicator(t, node, 'stop', { args: [...discoveryArgs(service), '--registration-token', wrong] });
  await is_refused(service, other, key, /denied: registration needs a token/);

  const right = await fileWith(t, 'second-token\n');
  const good = await restartReplicator(t, other, 'stop', { args: [...discoveryArgs(service), '--registration-token', right] });
  await listed(service, key);
  await until(10_000, 'the metrics', async () => await metric(good, 'holdfast_replicator_discovery_services_listing') === 1);
  assert.equal(await metric(good, 'holdfast_replicator_discovery_services_refusing'), 0);

  // Who was admitted once needs no token any more, while the service remembers it.
  await restartReplicator(t, good, 'kill', { args: discoveryArgs(service) });
  await listed(service, key);
});

test('--registration allow-list: a node is listed once its id is on the list, and SIGHUP is enough', async (t) => {
  const list = await fileWith(t, '# nobody yet\n');
  const service = await startDiscovery(t, { args: ['--registration', 'allow-list', '--allow-list', list] });
  const key = randomBytes(32);
  const node = await startReplicator(t, { projects: [key], args: discoveryArgs(service) });
  const line = await is_refused(service, node, key, /denied: this service takes only replicators on its operator's list.*/);
  const id = await idOf(node);
  assert.ok(line.includes(id), 'the owner can copy the id from the log');
  await writeFile(list, `${id}\n`);
  service.child.kill('SIGHUP');
  await listed(service, key); // It asks again by itself.
});

test('--registration invite: an invite of the operator is good once, for one node', async (t) => {
  const redis = await startRedis(t);
  const common = { store: `redis://127.0.0.1:${redis.port}/0`, state: await temporaryFolder(t), args: ['--registration', 'invite'] };
  const one = await startDiscovery(t, common);
  const two = await startDiscovery(t, common);
  const invite = await fileWith(t, await order(one, 'invite', '--for', '1h'));
  const first = randomBytes(32);
  const args = [...discoveryArgs(two), '--registration-token', invite];
  const node = await startReplicator(t, { projects: [first], args });
  await listed(one, first);
  const second = randomBytes(32);
  const another = await startReplicator(t, { projects: [second], args });
  await is_refused(two, another, second, /denied: registration needs an invite of the operator that is not used up.*--registration-token/);
  // The node that was invited comes back with the invite that is used up.
  await restartReplicator(t, node, 'kill');
  await listed(two, first);
});

test('list, trace, drain, ban, quota: what an order at one instance does is seen at the other, and by the node', async (t) => {
  const redis = await startRedis(t);
  const common = { store: `redis://127.0.0.1:${redis.port}/0`, state: await temporaryFolder(t), args: kLease };
  const one = await startDiscovery(t, common);
  const two = await startDiscovery(t, common);
  const key = randomBytes(32);
  const name = discoveryKeyOf(key).toString('hex');
  const node = await startReplicator(t, { projects: [key], args: discoveryArgs(two) });
  const id = await idOf(node);
  await listed(two, key);

  await t.test('list', async () => {
    assert.match(await order(one, 'list'), new RegExp(`^${id} listed +\\d+ s +1 keys 127\\.0\\.0\\.1\\n$`));
    const all = JSON.parse(await order(one, 'list', '--json'));
    assert.deepEqual(all.replicators.map((each) => each.id), [id]);
    const info = JSON.parse(await order(one, 'list', id));
    assert.equal(info.health.self_test, 'passed');
    assert.equal(info.addresses[0].port, node.port);
  });

  await t.test('trace', async () => {
    const { trace } = JSON.parse(await order(one, 'trace', name));
    assert.deepEqual(trace.map(({ replicator, verdict }) => [replicator, verdict]), [[id, 'chosen']]);
  });

  await t.test('drain and undrain', async () => {
    await order(one, 'drain', id);
    await gone(two, key);
    assert.equal((await sync(two, key)).status, 503);
    await until(10_000, 'the node to say that it is not listed', async () => await metric(node, 'holdfast_replicator_discovery_services_listing') === 0);
    await node.line(/does not list this node: draining/);
    assert.match(await order(one, 'list'), /unlisted.*\(draining\)/);
    await order(one, 'undrain', id);
    await listed(two, key);
  });

  await t.test('ban and unban', async () => {
    await order(one, 'ban', id, '--reason', 'too loud', '--for', '1h');
    await gone(two, key);
    const line = await is_refused(two, node, key, /denied: banned by the operator: too loud.*/);
    assert.ok(line.includes(id));
    const [ban] = JSON.parse(await order(two, 'bans')).bans;
    assert.deepEqual([ban.what, ban.reason], [id, 'too loud']);
    assert.ok(ban.expires_in > 3_500 && ban.expires_in <= 3_600);
    await order(two, 'unban', id);
    assert.deepEqual(JSON.parse(await order(one, 'bans')).bans, []);
    await listed(one, key);
  });

  await t.test('a ban by range', async () => {
    await order(one, 'ban', '127.0.0.0/30');
    await gone(two, key);
    await order(one, 'unban', '127.0.0.0/30');
    await listed(two, key);
  });

  await t.test('quota', async () => {
    await order(one, 'quota', id, '--keys', '1');
    const more = randomBytes(32);
    const token = (await readFile(path.join(node.data, 'admin-token'), 'utf8')).trim();
    const add = await fetch(`http://127.0.0.1:${node.ports.admin}/projects`, {
      method: 'POST', headers: { Authorization: `Bearer ${token}` }, body: JSON.stringify({ key: more.toString('hex') }),
    });
    assert.equal(add.status, 201);
    isQuoted((await node.line(/takes at most 1 keys of this node and 1 are left out; ask its operator for more/)).input);
    assert.equal(await metric(node, 'holdfast_replicator_unlisted_keys'), 1);
    assert.equal((await sync(two, key)).status, 200, 'what is listed stays listed');
    assert.equal((await sync(two, more)).status, 404);
    await order(one, 'quota', id); // The default again.
    await listed(two, more);
    assert.equal((await sync(two, key)).status, 200);
    isQuoted((await node.line(/takes all keys of this node/)).input);
    await until(5_000, 'the metric', async () => await metric(node, 'holdfast_replicator_unlisted_keys') === 0);
  });
});

test('orders that cannot be carried out say why, in one line and by the exit code', async (t) => {
  const service = await startDiscovery(t);
  const token = adminArgs(service);
  const at = token.slice(0, 2);
  const nobody = randomBytes(32).toString('hex');
  const wrong = await fileWith(t, 'not-the-token-of-this-service\n');

  await refused(1, /the token in .* was refused; it is the file admin-token/, 'invite', ...at, '--token-file', wrong);
  await refused(2, /--token-file is needed/, 'invite', ...at);
  await refused(2, /cannot read .*nowhere/, 'invite', ...at, '--token-file', '/nowhere');
  await refused(4, /no program answers at 127\.0\.0\.1:1/, 'list', '--admin', '127.0.0.1:1');
  await refused(2, /This port speaks HTTPS/, 'list', '--admin', `127.0.0.1:${service.ports.public}`);
  const node = await startReplicator(t, {});
  await refused(4, /does not answer; is that the admin port\?/, 'list', '--admin', `127.0.0.1:${node.port}`);
  await refused(1, /is not the admin port of a discovery service/, 'list', '--admin', `127.0.0.1:${node.ports.admin}`);
  await refused(2, /--admin: /, 'list', '--admin', 'nonsense');
  for (const action of ['list', 'drain', 'undrain']) await refused(3, /No such replicator/, action, nobody, ...token);
  await refused(3, /no replicator is registered for this key/, 'trace', nobody, ...token);
  await refused(3, /no such ban/, 'unban', nobody, ...token);
  for (const action of ['list', 'drain', 'quota']) await refused(2, /an id is 64 hex digits/, action, 'xyz', ...token);
  await refused(2, /neither an id, an address nor a range/, 'ban', 'xyz', ...token);
  await refused(2, /the actions are/, 'praise', nobody, ...token);
  await refused(2, /say what is meant/, 'ban', ...token);
  await refused(2, /--keys/, 'quota', nobody, '--keys', 'many', ...token);
  await refused(2, /above 0/, 'invite', '--for', '0s', ...token);
});
