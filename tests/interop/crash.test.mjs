// kill -9 at random moments of a live upload: what was announced is never missing, nothing is ever wrong.
// HOLDFAST_CRASH_REPLICATOR names another replicator to run this with: one whose files lose, at the crash, whatever
// was not synced. HOLDFAST_CRASH_SEED repeats the moments, HOLDFAST_CRASH_KILLS changes their number.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { App } from './support/apps.mjs';
import { programPath, startReplicator } from './support/programs.mjs';
import { freePort } from './support/wait.mjs';

const kKills = Number(process.env.HOLDFAST_CRASH_KILLS ?? 30);
const kSeed = Number(process.env.HOLDFAST_CRASH_SEED ?? Math.floor(Math.random() * 2 ** 31));
const kBytes = 1_000;
const kTail = 2_000; // blocks looked at after each kill; after every tenth all of them

function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Appends until told to stop, and notes which blocks the node at the other end ever said it held. */
async function upload(context, { bytes }) {
  const { state } = context;
  const core = state.core = await context.open({ name: 'upload' });
  Object.assign(state, { stop: false, ranges: [] });
  core.on('peer-add', (peer) => {
    const { onrange } = peer;
    peer.onrange = function (message) {
      if (!message.drop) state.ranges.push([message.start, message.start + message.length]);
      state.onannounced?.();
      return onrange.call(this, message);
    };
  });
  state.appending = (async () => {
    while (!state.stop) {
      await core.append(context.blocks('crash', core.length, 1 + Math.floor(Math.random() * 20), bytes));
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 40));
    }
  })();
  return { key: core.key };
}

/** Stays away from the node, and tells what it announced (merged, in order). Appending goes on. */
async function pause(context) {
  const { state } = context;
  await state.link.stop();
  const merged = [];
  for (const [start, end] of state.ranges.sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  state.ranges = merged;
  return merged;
}

/** Comes back, and waits for the first news: the upload goes on. */
async function resume(context, { port, announced }) {
  const { state } = context;
  const news = new Promise((resolve) => {
    state.onannounced = () => {
      if (state.ranges.at(-1)[1] > announced) resolve();
    };
  });
  state.link = context.dial(port, { keep: true });
  await news;
}

function tailOf(ranges, count) {
  const end = ranges.at(-1)?.[1] ?? 0;
  return ranges.map(([from, to]) => [Math.max(from, end - count), to]).filter(([from, to]) => from < to);
}

/** Reads `ranges` from the node alone and compares each block. Returns what is missing or wrong. */
async function check(context, { key, port, ranges, bytes }) {
  const core = context.state.core ?? (context.state.core = await context.open({ key }));
  const link = context.dial(port);
  try {
    const end = ranges.at(-1)?.[1] ?? 0;
    await context.reached(core, end, 15_000);
    for (const [from, to] of ranges) {
      for (let i = from; i < to; i += 256) {
        const indexes = Array.from({ length: Math.min(256, to - i) }, (_, at) => i + at);
        const blocks = await Promise.all(indexes.map((index) => core.get(index, { timeout: 15_000 })));
        for (const [at, block] of blocks.entries()) {
          if (!block.equals(context.block('crash', i + at, bytes))) return `block ${i + at} is wrong`;
        }
      }
    }
    return 'right';
  } catch (error) {
    return `${error.message} (announced: ${JSON.stringify(ranges)}, length ${core.length})`;
  } finally {
    await link.stop();
  }
}

const other = process.env.HOLDFAST_CRASH_REPLICATOR ?? programPath('holdfast-replicator-unsynced');
for (const [what, file] of [['the replicator', undefined], ['a replicator whose files forget what was not synced', other]]) {
  const skip = what !== 'the replicator' && !existsSync(other) && `${other} is not built`;
  test(`${kKills} times kill -9 during an upload: ${what}`, { skip }, async (t) => {
    t.diagnostic(`HOLDFAST_CRASH_SEED=${kSeed}, ${file ?? programPath('holdfast-replicator')}`);
    const random = generator(kSeed);
    const port = await freePort();
    const writer = await App.start(t);
    const { key } = await writer.run(upload, { bytes: kBytes });
    const options = { projects: [key], port, file };
    let node = await startReplicator(t, options);
    let total = 0;
    for (let kill = 1; kill <= kKills; kill++) {
      await writer.run(resume, { port, announced: total });
      await new Promise((resolve) => setTimeout(resolve, random() * 500));
      await node.kill();
      const ranges = await writer.run(pause); // or it would send again what is missing
      total = ranges.at(-1)?.[1] ?? 0;
      node = await startReplicator(t, { ...options, data: node.data });
      const reader = await App.start(t);
      const looked = kill % 10 === 0 ? ranges : tailOf(ranges, kTail);
      const result = await reader.run(check, { key, port, ranges: looked, bytes: kBytes });
      assert.equal(result, 'right', `after kill ${kill}\n${node.log()}`);
      await reader.kill();
    }
    assert.ok(total > 0, 'nothing was ever announced');
    await writer.run(resume, { port, announced: total });
    await writer.run(async (context) => {
      context.state.stop = true;
      await context.state.appending;
      await context.uploaded(context.state.core, 60_000);
    }, undefined, 90_000);
    const length = await writer.run((context) => context.state.core.length);
    t.diagnostic(`${total} blocks were announced before the last kill, ${length} in the end`);
    await writer.kill();
    const reader = await App.start(t);
    assert.equal(await reader.run(check, { key, port, ranges: [[0, length]], bytes: kBytes }), 'right');
  });
}
