// Holds what the programs print against the pages that quote it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const page = readFileSync(new URL('../../../docs/operations/listing.md', import.meta.url), 'utf8');

/** With example names in place of those that differ from run to run. */
function example(line) {
  return line.replace(/^.*Z (info|warning) /, '').replace(/https:\/\/127\.0\.0\.1:\d+/g, 'https://discovery.example.org')
    .replace(/\b[0-9a-f]{64}\b/g, 'ID').replace(/tcp (127\.0\.0\.1)?:\d+/g, 'tcp $1:PORT').replace(/node 127\.0\.0\.1:\d+/, 'node 127.0.0.1:PORT')
    .replace(/\d+ (s left|ms$|bytes used)/, 'N $1').trim();
}

/** The page quotes this line of a log or an output as a whole. */
export function isQuoted(line) {
  assert.ok(page.split('\n').includes(example(line)), `not in docs/operations/listing.md: ${example(line)}`);
}

/** The page has this text somewhere, advice in a table for example. */
export function isMentioned(text) {
  assert.ok(page.includes(example(text)), `not in docs/operations/listing.md: ${example(text)}`);
}
