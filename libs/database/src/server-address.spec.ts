import { plainConnectionTo } from './server-address';

describe(plainConnectionTo.name, () => {
  it('makes connections of which one that breaks in use ends no process', () => {
    const { Client } = plainConnectionTo({ kind: 'url', url: 'postgres://somewhere/jobs' }, 'queue');
    const connection = Client && new Client();
    expect(connection?.emit('error', new Error('Connection terminated unexpectedly'))).toBe(true);
  });
});
