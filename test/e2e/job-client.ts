import { eventually } from '@app/testing';

/** A job as the API shows it, as far as tests look at it. */
export interface JobJson {
  readonly id: string;
  readonly status: string;
  readonly version: number;
  readonly attempt: number;
  readonly model: { readonly name: string; readonly version: string; readonly digest: string };
  readonly counts: {
    readonly total: number | null;
    readonly succeeded: number;
    readonly failed: number;
    readonly remaining: number | null;
  };
  readonly progress: { readonly percent: number | null };
  readonly started_at: string | null;
  readonly finished_at: string | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** A result line. */
export interface ResultLine {
  readonly index: number;
  readonly id: string;
  readonly output?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}

/** A submitter of jobs who knows only the API. */
export class JobClient {
  constructor(private readonly url: string) {}

  /** Streams rows as NDJSON, and gives the job of the 202. `options` go into the query. */
  async submit(rows: readonly object[], options: Readonly<Record<string, string>>): Promise<JobJson> {
    const response = await this.post(rows, options);
    if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`);
    return (await response.json()) as JobJson;
  }

  /** The same, whatever the answer is. */
  post(
    rows: readonly object[],
    options: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    return fetch(`${this.url}/v1/jobs?${new URLSearchParams(options).toString()}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', ...headers },
      body: rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
    });
  }

  /** One job. Throws unless it is there. */
  async show(id: string): Promise<JobJson> {
    const response = await fetch(`${this.url}/v1/jobs/${id}`);
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    return (await response.json()) as JobJson;
  }

  /** Resolves with the job once this holds; an answer that cannot be had is asked for again. */
  async until(id: string, holds: (job: JobJson) => boolean): Promise<JobJson> {
    let last: JobJson | undefined;
    const reached = await eventually(async () => {
      last = await this.show(id);
      return holds(last) && last;
    }).catch((cause: unknown) => {
      throw new Error(`The job did not come that far: ${JSON.stringify(last)}`, { cause });
    });
    return reached;
  }

  /** Resolves with the job once it has ended. */
  ended(id: string): Promise<JobJson> {
    return this.until(id, ({ finished_at: finishedAt }) => finishedAt !== null);
  }

  /** All result lines that there are, as text. */
  async resultText(id: string, query = ''): Promise<string> {
    const response = await fetch(`${this.url}/v1/jobs/${id}/results${query}`);
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    return response.text();
  }

  /** All result lines that there are. */
  async results(id: string, query = ''): Promise<readonly ResultLine[]> {
    const lines = (await this.resultText(id, query)).split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as ResultLine);
  }

  /** Cancels, retries. */
  act(id: string, what: 'cancel' | 'retry'): Promise<Response> {
    return fetch(`${this.url}/v1/jobs/${id}/${what}`, { method: 'POST' });
  }
}
