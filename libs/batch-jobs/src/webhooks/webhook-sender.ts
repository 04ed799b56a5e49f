import type { Clock } from '@app/core';
import type { WebhookDeliveries, WebhookDelivery } from '../records/webhook-deliveries';
import { type Resolve, checkedAddresses } from './address-guard';
import { postWebhook } from './webhook-post';
import { webhookEnds, webhookWaitMs } from './webhook-schedule';
import { signWebhook } from './webhook-signature';

/** What a sender is made of. */
export interface WebhookSenderParts {
  readonly deliveries: Pick<WebhookDeliveries, 'takeDue' | 'settle'>;
  readonly clock: Clock;
  /** One key or two, from `parseWebhookSecrets`. */
  readonly keys: readonly Buffer[];
  /** Receivers, by host or `host:port`, that may be anywhere and without https. */
  readonly allowedHosts: ReadonlySet<string>;
  /** 0 to 1. */
  chance(): number;
  /** Default: the system's resolver. */
  readonly resolve?: Resolve;
  /** That a message did not arrive, and why. */
  log(line: {
    readonly event: string;
    readonly webhookId: string;
    readonly reason: string;
    readonly msg: string;
  }): void;
}

const AT_ONCE = 8;

/** Sends the messages that jobs leave, at least once each: signed, guarded, and again by the schedule until one is taken. */
export class WebhookSender {
  constructor(private readonly parts: WebhookSenderParts) {}

  /** Sends a few of those that are due. Gives how many: as long as that is not 0, more may be due. Throws database_unavailable. */
  async sendDue(): Promise<number> {
    const { deliveries, chance } = this.parts;
    const due = await deliveries.takeDue(AT_ONCE, (tries) => webhookWaitMs(tries, chance()));
    await Promise.all(due.map((delivery) => this.send(delivery)));
    return due.length;
  }

  private async send(delivery: WebhookDelivery): Promise<void> {
    const { id, tries } = delivery;
    const status = await this.post(delivery).catch((fault: unknown) => {
      const reason = fault instanceof Error ? fault.message : String(fault);
      this.parts.log({ event: 'webhook_failed', webhookId: id, reason, msg: 'A webhook did not arrive.' });
      return undefined;
    });
    await this.parts.deliveries.settle({ id, status, ends: webhookEnds(status, tries) });
  }

  private async post({ id, url: text, body }: WebhookDelivery): Promise<number> {
    const { clock, keys } = this.parts;
    const url = new URL(text);
    const addresses = await checkedAddresses(url, this.parts);
    const timestamp = Math.floor(clock.epochMs() / 1000);
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'Quayside',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signWebhook({ id, timestamp, body }, keys),
    };
    return postWebhook({ url, addresses, headers, body }, clock);
  }
}
