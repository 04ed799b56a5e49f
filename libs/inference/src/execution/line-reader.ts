import type { Clock } from '@app/core';

const LINE_LIMIT = 1000;
const LINES_PER_SECOND = 20;

/** Cuts an executor's output into lines and passes on the first few of each second; what it leaves out, it counts. */
export class LineReader {
  private rest = '';
  private second = -1;
  private passed = 0;
  private dropped = 0;

  constructor(
    private readonly onLine: (line: string) => void,
    private readonly clock: Clock,
  ) {}

  /** Takes the next bytes of output. */
  push(chunk: Uint8Array): void {
    const lines = (this.rest + Buffer.from(chunk).toString('utf8')).split('\n');
    this.rest = (lines.pop() ?? '').slice(0, LINE_LIMIT);
    for (const line of lines) if (line.trim() !== '') this.pass(line.slice(0, LINE_LIMIT));
  }

  private pass(line: string): void {
    this.turnSecond(Math.floor(this.clock.monotonicMs() / 1000));
    if (this.passed >= LINES_PER_SECOND) {
      this.dropped += 1;
      return;
    }
    this.passed += 1;
    this.onLine(line);
  }

  private turnSecond(second: number): void {
    if (second === this.second) return;
    const { dropped } = this;
    this.second = second;
    this.passed = 0;
    this.dropped = 0;
    if (dropped > 0) this.onLine(`(${dropped} lines left out)`);
  }
}
