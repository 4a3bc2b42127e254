/// <reference types="node" />
import { EventEmitter } from 'node:events';
import { Duplex } from 'node:stream';

/** 32 bytes, 64 hex digits, or 52 z-base-32 characters. */
export type Key = Uint8Array | string;

/**
 * What a program may want to react to:
 *  - `BAD_KEY`, `BAD_OPTION`: the call is wrong; thrown at once.
 *  - `NOT_FOUND`: no service knows a node for this project.
 *  - `PROJECT_KEY_SENT`: a service says that what it was asked for is a project key (treat it as leaked).
 *  - `UNREACHABLE`, `UNAVAILABLE`, `RATE_LIMITED`, `NO_ENDPOINT`, `BAD_ANSWER`: may pass; tried again until the deadline.
 *  - `UNTRUSTED`: the certificate is neither the pinned one nor signed by a trusted authority.
 *  - `REFUSED`: the service says that the request is wrong.
 *  - `BAD_RECORD`, `UNPROVEN`: an endpoint of an answer failed the checks (in `rejected`).
 *  - `WRONG_NODE`: something else than the registered replicator answered.
 *  - `ABORTED`, `CLOSED`: the caller ended it.
 */
export type ErrorCode =
  | 'BAD_KEY' | 'BAD_OPTION' | 'NOT_FOUND' | 'PROJECT_KEY_SENT' | 'UNREACHABLE' | 'UNAVAILABLE' | 'RATE_LIMITED'
  | 'NO_ENDPOINT' | 'BAD_ANSWER' | 'UNTRUSTED' | 'REFUSED' | 'BAD_RECORD' | 'UNPROVEN' | 'WRONG_NODE' | 'ABORTED' | 'CLOSED';

export class HoldfastError extends Error {
  readonly code: ErrorCode;
  /** HTTP status, if a service answered. */
  readonly status?: number;
  /** Milliseconds a service asked us to wait. */
  readonly retryAfter?: number;
}

export interface DiscoveryOptions {
  /** URL of a discovery service, or several: they are asked in turn until one answers with a usable endpoint. */
  discovery: string | URL | (string | URL)[];
  /** PEM of the authorities to trust instead of the system's. */
  ca?: string | Buffer | (string | Buffer)[];
  /** SHA-256 of the service's certificate (DER), in hex. Takes the place of every other check of the certificate. */
  pin?: string;
  /** Seconds (0 to 60) a service may hold the request while a node takes the project on. Default 0. */
  wait?: number;
  /** For services that take new projects only from those who know a token. */
  token?: string;
  /** Preferred region of the node. */
  region?: string;
  /**
   * Whose proofs count. Default: the public key derived from the project key, so that only nodes that know the
   * project are used. `false`: no proof is asked for or checked.
   */
  keyholder?: Key | boolean;
  /**
   * True: nodes without a proof are used too (proven ones first), and are handed the project's core keys.
   * Whoever has a core key can read the core unless it is encrypted: meant for encrypted cores. Default false.
   */
  volunteers?: boolean;
  signal?: AbortSignal;
  /** Full jitter: random(0, min(cap, base * 2^failures)) ms. Default base 250, cap 30000. */
  backoff?: { base?: number; cap?: number; random?: () => number };
}

export interface LookupOptions extends DiscoveryOptions {
  /** Milliseconds for everything, all tries included. Default 30000. */
  timeout?: number;
}

export interface RegistrationRecord {
  id: Buffer;
  /** Unix ms. */
  seq: number;
  addresses: { transport: 'tcp' | 'ws'; host: string; port: number; url?: string }[];
  region: string;
  group: string;
  /** Projects; 0: not stated. */
  capacity: number;
  accept: 'listed' | 'assigned';
  software: string;
}

export interface Endpoint {
  /** The replicator's id: its Ed25519 public key in hex, and the static key of its Noise handshake. */
  replicator: string;
  host: string;
  port: number;
  transport: 'tcp' | 'ws';
  url?: string;
  region: string;
  /** Unix ms until which the node promised to accept connections. */
  expiresAt: number;
  /** The node has proven that it knows the project key. */
  proven: boolean;
  /** What the replicator signed; the signature was checked. */
  record: RegistrationRecord;
}

export interface LookupResult {
  /** The service that answered. */
  service: string;
  discoveryKey: Buffer;
  /** At least one, proven ones first, else in the service's order. */
  endpoints: Endpoint[];
  /** Why other endpoints of the answer were left out. */
  rejected: HoldfastError[];
}

/** Asks where a project is hosted. Only the discovery key leaves this machine. Throws HoldfastError. */
export function lookup(key: Key, options: LookupOptions): Promise<LookupResult>;

/** The parts of a Corestore (6 or 7) that are used. */
export interface CorestoreLike {
  get(options: { key: Buffer }): unknown;
  replicate(stream: unknown): unknown;
}

export interface ConnectOptions extends DiscoveryOptions {
  /** Keys of further cores of the project; the node is told of them (blind-peer `cores` message). */
  cores?: Iterable<Key | { key: Key }>;
  /** Static Noise key pair of this app. Default: a fresh one for each connection, which links nothing. */
  keyPair?: { publicKey: Buffer; secretKey: Buffer };
  /** Milliseconds for TCP and Noise to complete per endpoint. Default 10000. */
  dialTimeout?: number;
}

/**
 * A connection that is kept: found, dialled, pinned, replicated, and found again when it breaks.
 *
 * Events: `connection` (endpoint, stream), `disconnected` (endpoint), `error` (HoldfastError: never final, and no
 * listener is needed), `close`.
 */
export class Session extends EventEmitter {
  readonly key: Buffer;
  readonly discoveryKey: Buffer;
  /** In use now. */
  readonly endpoint: Endpoint | null;
  /** Resolves when there is a connection; rejects with CLOSED. */
  connected(): Promise<Endpoint>;
  /** Adds to `options.cores`. */
  addCores(cores: Iterable<Key | { key: Key }>): void;
  /** Resolves when the connection has ended and nothing of the store is in use. The store stays open. */
  close(): Promise<void>;
  on(event: 'connection', listener: (endpoint: Endpoint, stream: Duplex) => void): this;
  on(event: 'disconnected', listener: (endpoint: Endpoint) => void): this;
  on(event: 'error', listener: (error: HoldfastError) => void): this;
  on(event: 'close', listener: () => void): this;
  on(event: string, listener: (...values: unknown[]) => void): this;
}

/**
 * Keeps `store` in sync with a node that hosts the project `key`, until `close()` or `signal`.
 * Everything the store has open and the node hosts is replicated, both ways. Throws HoldfastError for a wrong call.
 */
export function connect(store: CorestoreLike, key: Key, options: ConnectOptions): Session;

export function parseKey(key: Key): Buffer;
export function discoveryKeyOf(key: Key): Buffer;
/** Public half of the pair that nodes of this project prove themselves with. */
export function keyholderOf(key: Key): Buffer;
