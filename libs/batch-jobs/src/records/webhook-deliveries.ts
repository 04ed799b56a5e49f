import type { JobDatabase } from './job-database';

/** A message to a client's receiver. */
export interface WebhookDelivery {
  /** Goes out as `webhook-id`, the same in every try. */
  readonly id: string;
  readonly jobId: string;
  readonly type: string;
  readonly url: string;
  /** JSON, the same bytes in every try. */
  readonly body: string;
  /** How often it was taken to be sent, this time included. */
  readonly tries: number;
}

interface DeliveryRow {
  readonly id: string;
  readonly job_id: string;
  readonly type: string;
  readonly url: string;
  readonly body: string;
  readonly tries: number;
}

/** What came back: a status, or nothing. `ends`: there will be no other try. */
export interface WebhookOutcome {
  readonly id: string;
  readonly status: number | undefined;
  readonly ends: boolean;
}

/** The messages that jobs leave when they end. Every method throws database_unavailable. */
export class WebhookDeliveries {
  constructor(private readonly db: JobDatabase) {}

  /**
   * Takes messages that are due, each to be sent at once. The time of its next try is set before: whoever dies over one has
   * not lost it, and nobody else sends it meanwhile. `nextInMs` says when, from the number of this try on.
   */
  takeDue(limit: number, nextInMs: (tries: number) => number): Promise<readonly WebhookDelivery[]> {
    return this.db.transaction(async (tx) => {
      const { rows } = await tx.query<DeliveryRow>(
        `select id, job_id, type, url, body, tries + 1 as tries from webhook_delivery
         where done_at is null and next_at <= now() order by next_at limit $1 for update skip locked`,
        [limit],
      );
      await tx.query(
        `update webhook_delivery d set tries = taken.tries, next_at = now() + taken.wait_ms * interval '1 millisecond'
         from unnest($1::text[], $2::int[], $3::float8[]) as taken (id, tries, wait_ms) where d.id = taken.id`,
        [rows.map(({ id }) => id), rows.map(({ tries }) => tries), rows.map(({ tries }) => nextInMs(tries))],
      );
      return rows.map(({ job_id, ...row }) => ({ ...row, jobId: job_id }));
    });
  }

  /** Says what came of a message. */
  async settle({ id, status, ends }: WebhookOutcome): Promise<void> {
    await this.db.query(
      'update webhook_delivery set last_status = $2, done_at = case when $3 then now() end where id = $1',
      [id, status ?? null, ends],
    );
  }
}
