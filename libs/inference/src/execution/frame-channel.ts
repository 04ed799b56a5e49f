import type { Duplex } from 'node:stream';
import { type Frame, FrameReader, type FrameToSend, encodeFrame } from './frames';

/** What happens on a channel. */
export interface ChannelEvents {
  readonly onFrame: (frame: Frame) => void;
  /** The stream ended, broke or was corrupt; called once, and nothing else is called afterwards. */
  readonly onEnd: (reason: Error | undefined) => void;
}

/** Sends and receives frames over a stream socket. It owns the stream. */
export class FrameChannel {
  private readonly reader = new FrameReader();
  private ended = false;

  constructor(
    private readonly stream: Duplex,
    private readonly events: ChannelEvents,
  ) {
    stream.on('data', (chunk: Uint8Array) => this.receive(chunk));
    stream.on('error', (error) => this.finish(error));
    stream.on('close', () => this.finish(undefined));
    stream.on('end', () => this.finish(undefined));
  }

  /** Sends a frame; its parts must not be changed afterwards. Throws FrameError when it is over the limit. */
  send(frame: FrameToSend): void {
    const chunks = encodeFrame(frame);
    if (this.ended) return;
    // Corked, the parts leave in one system call.
    this.stream.cork();
    for (const chunk of chunks) this.stream.write(chunk);
    this.stream.uncork();
  }

  /** Ends the stream after what was sent; the other end sees it. */
  end(): void {
    this.stream.end();
  }

  private receive(chunk: Uint8Array): void {
    if (this.ended) return;
    try {
      for (const frame of this.reader.push(chunk)) this.events.onFrame(frame);
    } catch (error) {
      this.finish(error instanceof Error ? error : new Error(String(error)));
      this.stream.destroy();
    }
  }

  private finish(reason: Error | undefined): void {
    if (this.ended) return;
    this.ended = true;
    this.events.onEnd(reason);
  }
}
