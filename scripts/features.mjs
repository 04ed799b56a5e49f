// `npm run features`: plans and applies feature views, and pushes CSV files into them.
import { createRequire } from 'node:module';
import { buildIfStale } from './build-if-stale.mjs';

await buildIfStale({ onBuild: () => console.error('Building Quayside, which takes some seconds ...') });
const command = createRequire(import.meta.url)('../dist/apps/api/src/features/command/features-command.js');
// It waits by timers that do not keep a process alive.
const alive = setInterval(() => {}, 1000);
process.exitCode = await command.runFeaturesCommand(process.argv.slice(2), {
  // npm runs scripts in the folder of the package; a file is named from where the command was typed.
  cwd: process.env.INIT_CWD ?? process.cwd(),
  out: (line) => console.log(line),
  tell: (line) => console.error(line),
});
clearInterval(alive);
