import { spawn } from 'node:child_process';

it('starts a process and forgets it', () => {
  spawn(process.execPath, ['-e', 'setTimeout(() => {}, 5000)'], { stdio: 'ignore' });
});
