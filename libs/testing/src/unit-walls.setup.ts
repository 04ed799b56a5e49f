import childProcess from 'node:child_process';
import net from 'node:net';

/**
 * Jest's `setupFilesAfterEnv`: a unit test, `*.spec.ts` beside the code, reaches nothing outside its process. Starting a
 * child process, connecting or listening throws there; in `test/` all of it is allowed.
 */
const WALLED: readonly (readonly [owner: object, name: string])[] = [
  ...['spawn', 'spawnSync', 'fork', 'exec', 'execSync', 'execFile', 'execFileSync'].map(
    (name) => [childProcess, name] as const,
  ),
  [net.Socket.prototype, 'connect'],
  [net.Server.prototype, 'listen'],
];

const { testPath = '' } = expect.getState();

if (/[\\/](apps|libs)[\\/].*\.spec\.ts$/.test(testPath)) {
  const doors = WALLED.map(([owner, name]) => ({ owner, name, open: Reflect.get(owner, name) as unknown }));
  beforeAll(() => doors.forEach(({ owner, name }) => Reflect.set(owner, name, wall(name))));
  // The worker runs other files after this one.
  afterAll(() => doors.forEach(({ owner, name, open }) => Reflect.set(owner, name, open)));
}

function wall(name: string) {
  return (): never => {
    throw new Error(`A unit test may not ${name}: use a fake, or move the test to test/integration.`);
  };
}
