/**
 * Every error of this package. `code` is what a program reacts to (see index.d.ts), the message is for people.
 * `retryAfter`: milliseconds a service asked us to wait, if it did.
 */
export class HoldfastError extends Error {
  constructor(code, message, { cause, status, retryAfter } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'HoldfastError';
    this.code = code;
    if (status !== undefined) this.status = status;
    if (retryAfter !== undefined) this.retryAfter = retryAfter;
  }
}
