import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';

describe('a unit test', () => {
  it('may not start a process', () => {
    expect(() => spawn('true')).toThrow('A unit test may not spawn');
  });

  it('may not listen', () => {
    expect(() => createServer().listen(0)).toThrow('A unit test may not listen');
  });

  it('may not connect, nor fetch', async () => {
    expect(() => connect(1, '127.0.0.1')).toThrow('A unit test may not connect');
    await expect(fetch('http://127.0.0.1:8081')).rejects.toMatchObject({
      cause: { message: expect.stringContaining('A unit test may not connect') },
    });
  });
});
