import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { json } from 'node:stream/consumers';

/** The server said no, in its own words; `code` is one of docs/errors.md. */
export class Refusal extends Error {
  constructor(status, { code = `http_${status}`, message = `The server answered ${status}.`, ...rest } = {}) {
    super(`${message} (${code})`);
    Object.assign(this, { status, code, details: rest.details ?? [] });
    this.retryAfterMs = rest.retryable ? (rest.retry_after_ms ?? 1000) : undefined;
  }

  /** What is wrong in particular, a sentence each. */
  get particulars() {
    const sentences = this.details.map(({ message }) => message).filter((said) => said && !this.message.includes(said));
    return [...new Set(sentences)];
  }
}

/** Nobody answered, or the connection broke. */
export class Silence extends Error {
  constructor(url, cause) {
    const fault = cause?.cause ?? cause;
    super(`${url} does not answer (${fault?.code ?? fault?.message ?? 'unknown'}).`, { cause });
  }
}

/** The routes under /v1/jobs of one server. Everything throws `Refusal` and `Silence`, and the signal's reason. */
export class JobsApi {
  #base;

  constructor(url) {
    this.#base = url.replace(/\/+$/, '');
  }

  get url() {
    return this.#base;
  }

  /** The job and its tag; undefined when it is still as the tag says. Waits for a change for up to `waitSeconds`. */
  async read(id, { tag, waitSeconds, signal } = {}) {
    const headers = tag === undefined ? {} : { 'if-none-match': tag };
    const answer = await this.#ask(`/v1/jobs/${encodeURIComponent(id)}`, {
      query: { wait: waitSeconds },
      headers,
      signal,
    });
    if (answer.status === 304) return undefined;
    return { job: await this.#body(answer), tag: answer.headers.get('etag') ?? undefined };
  }

  async list(query, signal) {
    return this.#body(await this.#ask('/v1/jobs', { query, signal }));
  }

  /** `cancel` or `retry`; gives the job. */
  async act(id, verb, signal) {
    return this.#body(await this.#ask(`/v1/jobs/${encodeURIComponent(id)}/${verb}`, { method: 'POST', signal }));
  }

  async remove(id, signal) {
    await this.#ask(`/v1/jobs/${encodeURIComponent(id)}`, { method: 'DELETE', signal });
  }

  /** A page of result lines as it arrives, with what its headers say of it. */
  async results(id, { query, signal }) {
    const answer = await this.#ask(`/v1/jobs/${encodeURIComponent(id)}/results`, { query, signal });
    return {
      bytes: this.#chunks(answer.body, signal),
      status: answer.headers.get('x-job-status'),
      next: answer.headers.get('x-next-cursor') ?? undefined,
      isComplete: answer.headers.get('x-results-complete') === 'true',
    };
  }

  /**
   * Sends an input as it is read and gives the job. Not by fetch: it gives up on a server that has read for 300 s without a
   * word, as with a large file it may.
   */
  async submit({ query, headers, body, signal }) {
    const url = this.#address('/v1/jobs', query);
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, { method: 'POST', headers, signal });
    const answer = Promise.withResolvers();
    request.once('response', answer.resolve);
    // A server that refuses early closes the connection: its answer, which then came first, says more than the broken pipe.
    pipeline(body, request).catch(answer.reject);
    try {
      const response = await answer.promise;
      if (response.statusCode < 300) return await json(response);
      throw new Refusal(response.statusCode, (await json(response).catch(() => ({}))).error);
    } catch (fault) {
      throw this.#told(fault, signal);
    } finally {
      // What is left of an input that was refused is not sent.
      request.destroy();
    }
  }

  async #ask(path, { query, signal, ...init }) {
    const answer = await fetch(this.#address(path, query), { ...init, signal }).catch((fault) => {
      throw this.#told(fault, signal);
    });
    if (answer.ok || answer.status === 304) return answer;
    throw new Refusal(answer.status, (await answer.json().catch(() => ({}))).error);
  }

  async #body(answer) {
    return answer.json().catch((fault) => {
      throw this.#told(fault);
    });
  }

  async *#chunks(body, signal) {
    try {
      yield* body;
    } catch (fault) {
      throw this.#told(fault, signal);
    }
  }

  #address(path, query = {}) {
    const url = new URL(this.#base + path);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
    return url;
  }

  #told(fault, signal) {
    if (fault instanceof Refusal || signal?.aborted) return fault;
    // Of this machine: a file that cannot be read, not a server that cannot be reached.
    return fault.path === undefined ? new Silence(this.#base, fault) : fault;
  }
}
