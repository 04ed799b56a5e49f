// `npm run jobs`: gives files of rows to a server as jobs, follows them, fetches their results. It only speaks HTTP to the
// server, so it runs wherever the server can be reached; no build, no settings of the server.
import { runJobsCommand } from './jobs/command.mjs';

const interrupt = new AbortController();
// Once: whoever presses Ctrl-C a second time ends this process at once.
process.once('SIGINT', () => interrupt.abort());

// A reader that has seen enough, such as `head`, closes the pipe.
process.stdout.on('error', (fault) => process.exit(fault.code === 'EPIPE' ? 0 : 1));

process.exitCode = await runJobsCommand(process.argv.slice(2), {
  // npm runs scripts in the folder of the package; a file is named from where the command was typed.
  cwd: process.env.INIT_CWD ?? process.cwd(),
  defaultUrl: process.env.QUAYSIDE_URL || 'http://127.0.0.1:8080',
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: interrupt.signal,
});
