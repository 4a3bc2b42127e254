// What a service answers, and what a program counts.
import https from 'node:https';
import { discoveryKeyOf } from '../../../client-sdk/js/index.js';

const kept = new https.Agent({ keepAlive: true, maxSockets: 64 });

/** GET without checking the certificate (that is tested elsewhere). Returns { status, headers, body }. */
export function ask(service, target, agent = kept) {
  return new Promise((resolve, reject) => {
    const request = https.get(`${service.url}${target}`, { agent, rejectUnauthorized: false }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => {
        const text = Buffer.concat(parts).toString();
        resolve({ status: response.statusCode, headers: response.headers, body: text === '' ? null : JSON.parse(text) });
      });
    });
    request.on('error', reject);
  });
}

/** The look-up of a project. */
export function sync(service, project, query = '') {
  return ask(service, `/project/${discoveryKeyOf(project).toString('hex')}/sync${query}`);
}

/** The sum over all labels; undefined if there is no such metric. */
export async function metric(program, name) {
  const text = await (await fetch(`http://127.0.0.1:${program.ports.admin}/metrics`)).text();
  const values = [...text.matchAll(new RegExp(`^${name}(?:{[^}]*})? ([0-9.e+]+)$`, 'gm'))].map((match) => Number(match[1]));
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0);
}
