import type { Config } from '@app/config';
import { type Log, createLog } from '@app/observability';

/** The number of the supervisor in the log. */
const PROC = 0;

/**
 * The log of the supervisor. A file of its own, as the library behind it takes longer to load than everything else in the
 * supervisor: the HTTP processes start meanwhile.
 */
export function openLog({ level }: Config['log']): Log {
  return createLog({ level, proc: PROC });
}
