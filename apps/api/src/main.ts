import { type Config, ConfigError, parseConfig } from '@app/config';
import { StartFault } from '../../common/src/start-fault';
import { PROCESS_ARGUMENTS } from '../../common/src/supervisor-messages';

/** One entry for three roles, each of which loads only what it needs: the supervisor knows no Nest application. */
async function main(): Promise<void> {
  const [, , role, slot] = process.argv;
  if (role === PROCESS_ARGUMENTS.http) {
    const { serveSupervised } = await import('./supervised-process.js');
    return serveSupervised(Number(slot));
  }
  try {
    await serve(parseConfig());
  } catch (fault) {
    if (!(fault instanceof ConfigError || fault instanceof StartFault)) throw fault;
    process.stderr.write(`Quayside cannot start. ${fault.message}\n`);
    process.exit(1);
  }
}

async function serve(config: Config): Promise<void> {
  if (config.http.processes === 0) {
    const { servePlainly } = await import('./plain-process.js');
    return servePlainly(config);
  }
  const { supervise } = await import('./supervisor.js');
  return supervise(config);
}

void main();
