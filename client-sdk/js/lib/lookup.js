import { aborted, delayOf, sleep } from './backoff.js';
import { HoldfastError } from './errors.js';
import { get, parsePin } from './https.js';
import { discoveryKeyOf, keyholderOf, parseKey } from './keys.js';
import { proofHolds } from './proof.js';
import { openRecord } from './record.js';

const kTimeoutMs = 30_000;
const kRequestMs = 15_000; // besides `wait`; a service holds a request for 10 s by itself while a node takes the project on
const kEndpointsMax = 64;
const kWaitMaxSeconds = 60;
const kRetryAfterMaxSeconds = 3_600;

/** Asks the discovery services where a project is hosted. Contract: index.d.ts. */
export async function lookup(key, options = {}) {
  const finder = new Finder(key, options);
  const deadline = Date.now() + (options.timeout ?? kTimeoutMs);
  const signal = timeoutSignal(options.timeout ?? kTimeoutMs, options.signal);
  try {
    for (let attempt = 0; ; attempt++) {
      try {
        return await finder.round(signal);
      } catch (error) {
        const delay = delayOf(attempt, { ...options.backoff, retryAfter: error.retryAfter });
        if (!isTransient(error) || Date.now() + delay >= deadline) throw error;
        await sleep(delay, signal);
      }
    }
  } finally {
    signal.release();
  }
}

/** The services of one project, its keys and what is trusted. */
export class Finder {
  constructor(key, options) {
    this.key = parseKey(key);
    this.discoveryKey = discoveryKeyOf(this.key);
    this.services = parseServices(options.discovery);
    this.trust = { ca: options.ca, pin: options.pin === undefined ? undefined : parsePin(options.pin) };
    this.volunteers = options.volunteers === true;
    this.keyholder = parseKeyholder(options.keyholder, this.key);
    this.region = options.region;
    this.wait = parseWait(options.wait);
    this.headers = options.token === undefined ? {} : { Authorization: `Bearer ${parseToken(options.token)}` };
    this.now = options.now ?? Date.now;
    this.refusals = new Map(); // service -> { until, error }: it told us when to come back
  }

  /**
   * Asks the services in turn, once each, until one answers with an endpoint that can be used.
   * A service that named a time to come back (Retry-After) is left alone until then.
   * Errors: that of the service that may heal soonest; `retryAfter` is what is left of its wait.
   */
  async round(signal) {
    const errors = [];
    for (const service of this.services) {
      try {
        this.throwIfParked(service);
        return await this.ask(service, signal);
      } catch (error) {
        if (signal.aborted) throw errors.at(-1) ?? error;
        errors.push(error);
      }
    }
    const transient = errors.filter(isTransient);
    if (transient.length === 0) throw errors.find((error) => error.code === 'NOT_FOUND') ?? errors[0];
    return raiseSoonest(transient);
  }

  throwIfParked(service) {
    const { until = 0, error } = this.refusals.get(service) ?? {};
    const left = until - this.now();
    if (left <= 0) return;
    throw new HoldfastError(error.code, error.message, { status: error.status, retryAfter: left });
  }

  async ask(service, parent) {
    const signal = timeoutSignal(kRequestMs + this.wait * 1_000, parent);
    try {
      const answer = await get(this.urlAt(service), this.trust, signal, this.headers);
      this.refusals.delete(service);
      if (answer.status !== 200) throw this.refused(service, answer);
      return this.read(service, answer);
    } finally {
      signal.release();
    }
  }

  refused(service, answer) {
    const error = refusal(service, answer, this.now());
    if (error.retryAfter > 0) this.refusals.set(service, { until: this.now() + error.retryAfter, error });
    return error;
  }

  urlAt(service) {
    const url = new URL(service);
    url.pathname = `${url.pathname.replace(/\/+$/, '')}/project/${this.discoveryKey.toString('hex')}/sync`;
    if (this.wait > 0) url.searchParams.set('wait', String(this.wait));
    if (this.region !== undefined) url.searchParams.set('region', this.region);
    // A volunteer has no proof before it was given the key: do not ask for one if volunteers are welcome.
    if (this.keyholder !== null && !this.volunteers) {
      url.searchParams.set('keyholder', this.keyholder.toString('hex'));
    }
    return url;
  }

  read(service, { body }) {
    let answer;
    try {
      answer = JSON.parse(body.toString('utf8'));
    } catch (cause) {
      throw new HoldfastError('BAD_ANSWER', `${service.host}: the answer is not JSON`, { cause });
    }
    if (!Array.isArray(answer?.endpoints) || answer.endpoints.length > kEndpointsMax) {
      throw new HoldfastError('BAD_ANSWER', `${service.host}: the answer has no list of endpoints`);
    }
    const rejected = [];
    const endpoints = [];
    for (const claimed of answer.endpoints) {
      try {
        endpoints.push(this.check(claimed));
      } catch (error) {
        rejected.push(error);
      }
    }
    if (endpoints.length === 0) {
      throw new HoldfastError('NO_ENDPOINT', `${service.host}: no endpoint passed the checks`, { cause: rejected[0] });
    }
    endpoints.sort((a, b) => Number(b.proven) - Number(a.proven)); // stable: the service's order otherwise
    return { service: service.href, discoveryKey: this.discoveryKey, endpoints, rejected };
  }

  /** Throws BAD_RECORD or UNPROVEN; what it returns is signed by the replicator itself. */
  check(claimed) {
    const record = openRecord(claimed?.record);
    const id = record.id.toString('hex');
    if (claimed.replicator !== id) throw new HoldfastError('BAD_RECORD', 'the record is of another replicator');
    const { host, port, transport = 'tcp', url } = claimed;
    const named = typeof host === 'string' && host !== '' && Number.isInteger(port) && port > 0 && port < 65_536;
    if (!named && !(transport === 'ws' && typeof url === 'string')) {
      throw new HoldfastError('BAD_ANSWER', 'an endpoint without an address');
    }
    const proven = this.keyholder !== null && proofHolds(claimed.proof, {
      id: record.id, discoveryKey: this.discoveryKey, keyholder: this.keyholder, now: this.now(),
    });
    if (this.keyholder !== null && !proven && !this.volunteers) {
      throw new HoldfastError('UNPROVEN', 'the replicator has not proven that it knows the project');
    }
    const seconds = Number.isFinite(claimed.expires_in) ? Math.max(0, claimed.expires_in) : 0;
    return {
      replicator: id, host, port, transport, ...(typeof url === 'string' ? { url } : {}),
      region: typeof claimed.region === 'string' ? claimed.region : record.region,
      expiresAt: this.now() + seconds * 1_000, proven, record,
    };
  }
}

/** True for what another try may heal. Unreachable counts: connections fail for the same passing reasons. */
export function isTransient(error) {
  return ['UNREACHABLE', 'UNAVAILABLE', 'RATE_LIMITED', 'NO_ENDPOINT', 'BAD_ANSWER'].includes(error?.code);
}

function raiseSoonest(errors) {
  const told = errors.map((error) => error.retryAfter ?? 0);
  const soonest = errors[told.indexOf(Math.min(...told))];
  throw soonest;
}

function refusal(service, { status, headers, body }, now) {
  let problem = {};
  try {
    problem = JSON.parse(body.toString('utf8')) ?? {};
  } catch {
    // Not every error page comes from the service itself; the status says enough.
  }
  const detail = [problem.title, problem.detail].filter((part) => typeof part === 'string').join(': ');
  const message = `${service.host}: ${status} ${detail.slice(0, 300)}`.trim();
  return new HoldfastError(codeOf(status, problem), message, {
    status, retryAfter: parseRetryAfter(headers['retry-after'], now),
  });
}

function codeOf(status, problem) {
  if (typeof problem.type === 'string' && problem.type.endsWith('project-key-sent')) return 'PROJECT_KEY_SENT';
  if (status === 404) return 'NOT_FOUND';
  if (status === 429) return 'RATE_LIMITED';
  if (status >= 500) return 'UNAVAILABLE';
  return status >= 400 ? 'REFUSED' : 'BAD_ANSWER';
}

/** Milliseconds, from seconds or an HTTP date; undefined if there is none. Bounded: no service may park us for ever. */
export function parseRetryAfter(text, now) {
  if (typeof text !== 'string') return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - now) / 1_000;
  if (Number.isNaN(seconds)) return undefined;
  return Math.min(Math.max(0, seconds), kRetryAfterMaxSeconds) * 1_000;
}

function parseServices(discovery) {
  const list = Array.isArray(discovery) ? discovery : [discovery];
  if (discovery === undefined || list.length === 0) {
    throw new HoldfastError('BAD_OPTION', 'discovery: the URL of at least one discovery service is needed');
  }
  return list.map((text) => {
    let url;
    try {
      url = new URL(text);
    } catch (cause) {
      throw new HoldfastError('BAD_OPTION', `discovery: not a URL: ${text}`, { cause });
    }
    if (url.protocol !== 'https:') throw new HoldfastError('BAD_OPTION', `discovery: not https: ${text}`);
    return url;
  });
}

function parseKeyholder(keyholder, key) {
  if (keyholder === false) return null;
  return keyholder === undefined || keyholder === true ? keyholderOf(key) : parseKey(keyholder);
}

function parseToken(token) {
  if (typeof token === 'string' && /^[\x21-\x7e]{1,512}$/.test(token)) return token;
  throw new HoldfastError('BAD_OPTION', 'a token is a string without spaces');
}

function parseWait(wait = 0) {
  if (!Number.isInteger(wait) || wait < 0 || wait > kWaitMaxSeconds) {
    throw new HoldfastError('BAD_OPTION', `wait: whole seconds, 0 to ${kWaitMaxSeconds}`);
  }
  return wait;
}

/** Aborts after `ms` or with `parent`. release() must be called, or the timer keeps the process alive. */
export function timeoutSignal(ms, parent) {
  const controller = new AbortController();
  const late = new HoldfastError('UNREACHABLE', `no answer within ${ms} ms`);
  const timer = setTimeout(() => controller.abort(late), ms);
  const stop = () => controller.abort(aborted(parent));
  if (parent?.aborted) stop();
  else parent?.addEventListener('abort', stop, { once: true });
  controller.signal.release = () => {
    clearTimeout(timer);
    parent?.removeEventListener('abort', stop);
  };
  return controller.signal;
}
