import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, parseConfig } from './config';
import { printConfiguration } from './print';

describe(parseConfig.name, () => {
  let folder: string;
  let folders: Readonly<Record<string, string>>;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'quayside-config-'));
    folders = { MODEL_DIR: folder, DATA_DIR: join(folder, 'data') };
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  function problemsOf(env: Readonly<Record<string, string>>): string[] {
    try {
      parseConfig({ ...folders, ...env });
    } catch (error) {
      if (error instanceof ConfigError)
        return error.problems.map(({ variable, sentence }) => `${variable} ${sentence}`);
      throw error;
    }
    return [];
  }

  it('gives every setting its default, in frozen slices', () => {
    const config = parseConfig(folders);
    expect(config.http).toMatchObject({ host: '127.0.0.1', port: 8080, corsOrigins: [], bodyLimitBytes: 1_048_576 });
    expect(config.executor.count).toBeUndefined();
    expect(config.model).toMatchObject({ dir: folder, maxCached: 10, allowEmpty: false });
    expect(Object.isFrozen(config) && Object.isFrozen(config.http)).toBe(true);
  });

  it('passes on what executors need of the environment, and nothing else', () => {
    const env = { ...folders, TZ: 'Asia/Kolkata', LD_LIBRARY_PATH: '/opt/lib', DATABASE_PASSWORD: 'secret' };
    expect(parseConfig(env).inherited).toEqual({ TZ: 'Asia/Kolkata', LD_LIBRARY_PATH: '/opt/lib' });
  });

  it('takes an empty variable as unset', () => {
    expect(parseConfig({ ...folders, HTTP_PORT: '', EXECUTOR_COUNT: '' }).http.port).toBe(8080);
  });

  it('reports every wrong variable together, with its rule and its sentence', () => {
    const problems = problemsOf({ HTTP_PORT: '80x', LOG_LEVEL: 'loud', MODEL_ALLOW_EMPTY: 'yes', EXECUTOR_COUNT: '0' });
    expect(problems).toEqual([
      'HTTP_PORT must be a whole number from 0 to 65535. Port to listen on; 0 takes a free one.',
      expect.stringMatching(/^LOG_LEVEL must be one of trace, .*silent\. /),
      expect.stringMatching(/^MODEL_ALLOW_EMPTY must be true or false\. /),
      expect.stringMatching(/^EXECUTOR_COUNT must be a whole number from 1 to 256\. /),
    ]);
  });

  it.each(['1.5', '-1', '0x10', ' 1', '1e3', '65536', 'NaN'])('refuses %p as a port', (port) => {
    expect(problemsOf({ HTTP_PORT: port })).toHaveLength(1);
  });

  it.each(['null', 'https://a.example/', 'a.example', '*,https://a.example', 'https://A.example', 'ftp://a.example'])(
    'refuses %p as origins',
    (origins) => expect(problemsOf({ HTTP_CORS_ORIGINS: origins })).toHaveLength(1),
  );

  it('reads origins between commas, and the star alone', () => {
    const read = (origins: string) => parseConfig({ ...folders, HTTP_CORS_ORIGINS: origins }).http.corsOrigins;
    expect(read('https://a.example, http://localhost:3000')).toEqual(['https://a.example', 'http://localhost:3000']);
    expect(read('*')).toEqual(['*']);
  });

  it('takes a Redis by URL, and shows none that is wrong: it may hold a password', () => {
    const url = 'rediss://user:secret@redis.example:6380/2';
    expect(parseConfig({ ...folders, REDIS_URL: url }).redis.url).toBe(url);
    expect(parseConfig(folders).redis.url).toBeUndefined();
    const problems = ['http://:secret@a.example', 'redis://a:secret@:x', 'a:secret'].flatMap((wrong) =>
      problemsOf({ REDIS_URL: wrong }),
    );
    expect(problems).toHaveLength(3);
    expect(problems.join()).not.toContain('secret');
  });

  it('names a model folder that is missing or is a file, and creates the data folder', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(problemsOf({ MODEL_DIR: join(folder, 'none') })).toEqual([expect.stringContaining('none: no such folder')]);
    expect(problemsOf({ MODEL_DIR: join(folder, 'file') })).toEqual([expect.stringContaining('file is not a folder')]);
    expect(problemsOf({ DATA_DIR: join(folder, 'file', 'data') })).toEqual([expect.stringContaining('not a folder')]);
    expect(parseConfig(folders).data.dir).toBe(join(folder, 'data'));
  });

  it('refuses a variable that is one slip away from a setting, and ignores strangers', () => {
    expect(problemsOf({ HTTP_PROT: '1', HTTP_PORTS: '1', MODEL_DI: 'x', HTTP_PROXY: 'http://proxy' })).toEqual([
      'HTTP_PROT is not a setting. Did you mean HTTP_PORT?',
      'HTTP_PORTS is not a setting. Did you mean HTTP_PORT?',
      'MODEL_DI is not a setting. Did you mean MODEL_DIR?',
    ]);
  });

  it.each(['Jobs', '1jobs', 'my-jobs', 'jobs ', 'a'.repeat(41)])('refuses %p as a namespace', (namespace) => {
    expect(problemsOf({ JOB_NAMESPACE: namespace })).toHaveLength(1);
  });

  it('creates the folder of blobs where one is named', () => {
    expect(parseConfig(folders).blob.dir).toBeUndefined();
    expect(parseConfig({ ...folders, BLOB_DIR: join(folder, 'blobs') }).blob.dir).toBe(join(folder, 'blobs'));
  });

  it('takes one webhook secret or two, and shows none that is wrong', () => {
    const [first, second] = [1, 2].map((byte) => `whsec_${Buffer.alloc(24, byte).toString('base64')}`);
    const read = (secrets: string) => parseConfig({ ...folders, JOB_WEBHOOK_SECRET: secrets }).job.webhookSecret;
    expect(read(`${first},${second}`)).toBe(`${first},${second}`);
    const problems = [`${first},${second},${first}`, 'whsec_c2VjcmV0', 'secret'].flatMap((wrong) =>
      problemsOf({ JOB_WEBHOOK_SECRET: wrong }),
    );
    expect(problems).toHaveLength(3);
    expect(problems.join()).not.toMatch(/c2VjcmV0|must be secret|AQEB/);
  });

  it('takes hosts of webhooks with or without a port', () => {
    const read = (hosts: string) => parseConfig({ ...folders, JOB_WEBHOOK_ALLOW_HOSTS: hosts }).job.webhookAllowHosts;
    expect(read('hooks.internal, 10.0.0.7:8080')).toEqual(['hooks.internal', '10.0.0.7:8080']);
    expect(problemsOf({ JOB_WEBHOOK_ALLOW_HOSTS: 'https://hooks.internal' })).toHaveLength(1);
  });

  it('refuses a lease that two signs of life do not fit into', () => {
    expect(problemsOf({ JOB_LEASE_MS: '9999' })).toEqual([
      expect.stringContaining('JOB_LEASE_MS must be at least twice JOB_HEARTBEAT_MS'),
    ]);
  });

  it('refuses a grace that leaves no time to stop', () => {
    expect(problemsOf({ SHUTDOWN_GRACE_MS: '30000' })).toEqual([
      expect.stringContaining('SHUTDOWN_TIMEOUT_MS must be longer than SHUTDOWN_GRACE_MS'),
    ]);
  });
});

describe(printConfiguration.name, () => {
  it('prints docs/configuration.md as it is', () => {
    const page = readFileSync(join(__dirname, '../../../docs/configuration.md'), 'utf8');
    expect(page).toBe(printConfiguration());
  });
});
