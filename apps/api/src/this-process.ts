/** Which of the server's HTTP processes this is. A class, so that it is its own injection token. */
export class ThisProcess {
  /** @param number as `proc` in its log lines, from 1. */
  constructor(readonly number: number) {}
}
