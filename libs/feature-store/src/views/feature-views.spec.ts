import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryDirectory } from '@app/testing';
import { FeatureViews, readFeatureViews } from './feature-views';
import { readViewDocument } from './view-document';

const USERS = `
kind: FeatureView
name: user_stats
version: 3
entities: [{ name: user_id, dtype: INT64 }, { name: country, dtype: STRING }]
max_age: 7d
features:
  - { name: visits, dtype: INT32 }
  - { name: avg_amount, dtype: FP32, default: 0.1, on_stale: default, pii: hash }
retention: { online: 30d, history: 400d }
owner: growth
`;

async function folder(files: Readonly<Record<string, string>>): Promise<FeatureViews> {
  const directory = await temporaryDirectory();
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(directory, name, '..'), { recursive: true });
    await writeFile(join(directory, name), text);
  }
  return readFeatureViews(directory);
}

const says = (views: FeatureViews): readonly string[] => views.faults.map((fault) => `${fault.at}: ${fault.says}`);

describe(readFeatureViews.name, () => {
  it('fills in every default and sorts join keys and features by name', async () => {
    const view = (await folder({ 'users.yaml': USERS })).find('user_stats', 3);
    expect(view).toMatchObject({
      entities: [
        { name: 'country', dtype: 'STRING' },
        { name: 'user_id', dtype: 'INT64' },
      ],
      maxAgeUs: 604_800_000_000n,
      features: [
        {
          name: 'avg_amount',
          default: Math.fround(0.1),
          onMissing: 'default',
          onStale: 'default',
          onTimeout: 'error',
          pii: 'hash',
        },
        { name: 'visits', onMissing: 'error', onStale: 'missing', onTimeout: 'error' },
      ],
      retention: { onlineUs: 2_592_000_000_000n, historyUs: 34_560_000_000_000n },
      owner: 'growth',
    });
  });

  it('takes Feast’s ttl for max_age', async () => {
    const views = await folder({ 'a.yaml': USERS.replace('max_age', 'ttl') });
    expect(views.find('user_stats', 3)?.maxAgeUs).toBe(604_800_000_000n);
  });

  it('reads several documents of a file, and files in folders', async () => {
    const next = USERS.replace('version: 3', 'version: 4').replace('7d', '8d');
    const views = await folder({ 'deep/users.yml': `${USERS}---${next}`, 'note.txt': 'no view' });
    expect(views.faults).toEqual([]);
    expect(views.versionsOf('user_stats').map(({ version }) => version)).toEqual([3, 4]);
    expect(views.newest('user_stats')?.version).toBe(4);
    expect(views.all()).toHaveLength(2);
  });

  it('has no views where there is no folder', async () => {
    expect((await readFeatureViews('/nowhere/at/all')).all()).toEqual([]);
  });

  it('lists all faults of all documents together, and keeps the views without one', async () => {
    const views = await folder({
      'a.yaml': USERS,
      'b.yaml': `
kind: FeatureView
name: b__c
version: 0
entities: [{ name: id, dtype: FP32 }]
max_age: 7 days
features: [{ name: x, dtype: DOUBLE, colour: red }]
`,
      'c.yaml': 'kind: [',
    });
    expect(views.find('user_stats', 3)).toBeDefined();
    expect(says(views).slice(0, -1)).toEqual([
      'b.yaml: name must be a name: a letter, then letters, digits and single "_"',
      'b.yaml: version must be >= 1',
      expect.stringContaining('b.yaml: entities[0].dtype must be one of BOOL, INT8'),
      'b.yaml: max_age must be a duration such as 7d, 12h, 30m, 10s or 500ms',
      'b.yaml: features[0] has an unknown key "colour"',
      expect.stringContaining('b.yaml: features[0].dtype must be one of'),
    ]);
    expect(says(views).at(-1)).toContain('c.yaml: cannot be read');
  });

  it('refuses what the schema cannot see', async () => {
    const views = await folder({
      'a.yaml': `
kind: FeatureView
name: a
version: 1
entities: [{ name: id, dtype: INT64 }]
max_age: 7d
ttl: 7d
features:
  - { name: id, dtype: FP32 }
  - { name: x, dtype: INT8, default: 300, on_missing: nan }
  - { name: x, dtype: INT8, on_missing: default, on_stale: default, default: null }
  - { name: big, dtype: FP32, shape: [65536, 2] }
retention: { online: 6d, history: 36501d }
`,
    });
    expect(says(views)).toEqual([
      'a.yaml: max_age and ttl say the same; write one of them',
      'a.yaml: features has "x" twice',
      'a.yaml: "id" is both entity and feature',
      'a.yaml: features[1].default is out of range (INT8 is -128 to 127)',
      'a.yaml: features[1].on_missing is nan, which only FP16, FP32 and FP64 have',
      'a.yaml: features[2].default must not be null; leave it out',
      'a.yaml: features[2].on_missing is default; it has none',
      'a.yaml: features[2].on_stale is default; it has none',
      'a.yaml: features[3].shape has more than 65536 elements',
      'a.yaml: retention.history must not be longer than 36500d',
      'a.yaml: retention.online must not be shorter than max_age: a stale row would look like none',
    ]);
  });

  it('refuses aliases, which grow without bound', async () => {
    const views = await folder({ 'a.yaml': 'a: &a [1]\nb: [*a, *a]\n' });
    expect(says(views)).toEqual([expect.stringContaining('a.yaml: cannot be read')]);
  });

  it('reads no file that is too large, and no more documents than a folder may have', async () => {
    const many = Array.from({ length: 1001 }, (_, at) => USERS.replace('user_stats', `v${at}`)).join('---');
    const views = await folder({ 'a.yaml': many, 'b.yaml': `# ${'x'.repeat(1024 * 1024)}` });
    expect(views.all()).toHaveLength(1000);
    expect(says(views)).toEqual([
      'a.yaml#1001: the folder declares more than 1000 views',
      'b.yaml: cannot be read: is larger than 1048576 bytes',
    ]);
  });

  it('waits for nothing that only looks like a file of views, such as a folder or a device', async () => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, 'a.yaml'));
    await symlink('/dev/zero', join(directory, 'b.yaml'));
    expect(says(await readFeatureViews(directory))).toEqual([
      'a.yaml: cannot be read: is not a file',
      'b.yaml: cannot be read: is not a file',
    ]);
  });

  it('keeps a feature’s type and a view’s join keys over all versions, in whichever order they are found', async () => {
    const views = await folder({
      'a.yaml': USERS.replace('version: 3', 'version: 5').replace('INT32', 'INT64'),
      'b.yaml': USERS,
      'c.yaml': USERS.replace('version: 3', 'version: 6').replace('country, dtype: STRING', 'city, dtype: STRING'),
    });
    expect(views.versionsOf('user_stats').map(({ version }) => version)).toEqual([3]);
    expect(says(views)).toEqual([
      expect.stringContaining('a.yaml: user_stats@5: "visits" is INT64, and was INT32'),
      expect.stringContaining('c.yaml: user_stats@6 has other entities than user_stats@3'),
    ]);
  });

  it('refuses one number twice, and one content under two numbers', async () => {
    const views = await folder({
      'a.yaml': USERS,
      'b.yaml': USERS.replace('growth', 'other'),
      'c.yaml': USERS.replace('version: 3', 'version: 4'),
    });
    expect(says(views)).toEqual([
      'b.yaml: user_stats@3 is declared twice',
      'c.yaml: user_stats@4 has the content of user_stats@3; write another number',
    ]);
  });
});

describe('the content hash', () => {
  const hash = (text: (yaml: string) => string): Promise<string | undefined> =>
    folder({ 'a.yaml': text(USERS) }).then((views) => views.find('user_stats', 3)?.contentHash);

  it('is that of the canonical JSON, for ever', async () => {
    expect(await hash((yaml) => yaml)).toMatchInlineSnapshot(
      `"eb4204a66f3f78bd75e6cceeff90e5b71fd0e95d0155dfcc1a693cce4a642009"`,
    );
  });

  it.each([
    ['owner', 'owner: growth', 'owner: other'],
    ['retention', '30d', '31d'],
    ['pii', 'pii: hash', 'pii: drop'],
    ['a default that is written out', 'dtype: INT32', 'dtype: INT32, on_stale: missing'],
    ['the unit of a duration', '7d', '168h'],
    ['the way a number is written', 'default: 0.1', 'default: 1e-1'],
  ])('does not change with %s', async (_what, from, to) => {
    expect(await hash((yaml) => yaml.replace(from, to))).toBe(await hash((yaml) => yaml));
  });

  it('does not change with the order of features', async () => {
    const reordered = USERS.replace(/( {2}- \{ name: visits.*\n)( {2}- .*\n)/, '$2$1');
    expect(reordered).not.toBe(USERS);
    expect(await hash(() => reordered)).toBe(await hash((yaml) => yaml));
  });

  it.each([
    ['a dtype', 'INT32', 'INT64'],
    ['a name', 'visits', 'visit_count'],
    ['a default', 'default: 0.1', 'default: 0.2'],
    ['a policy', 'on_stale: default', 'on_stale: serve'],
    ['max_age', '7d', '8d'],
    ['a join key', 'country', 'city'],
    ['a shape', 'dtype: INT32', 'dtype: INT32, shape: [2]'],
  ])('changes with %s', async (_what, from, to) => {
    const changed = await hash((yaml) => yaml.replace(from, to));
    expect(changed).toBeDefined();
    expect(changed).not.toBe(await hash((yaml) => yaml));
  });
});

describe(FeatureViews.name, () => {
  const views = new FeatureViews(
    [1, 2].map((version) => {
      const document = {
        entities: [{ name: 'id', dtype: 'INT64' }],
        features: [{ name: `f${version}`, dtype: 'FP32' }],
      };
      const read = readViewDocument({ kind: 'FeatureView', name: 'users', version, ...document });
      if ('faults' in read) throw new Error(read.faults.join());
      return read.view;
    }),
  );

  it('finds what a reference names', () => {
    expect(views.resolve('users@1').version).toBe(1);
  });

  it.each([
    ['users', 'feature_view_version_not_found', '"users" names no version. Pin one: the newest is users@2.'],
    ['users@latest', 'feature_view_version_not_found', '"users" names no version. Pin one: the newest is users@2.'],
    ['users@01', 'feature_view_version_not_found', '"users" has no version 01. Versions: 1, 2.'],
    ['users@7', 'feature_view_version_not_found', '"users" has no version 7. Versions: 1, 2.'],
    ['user@1', 'feature_view_not_found', 'No feature view is called "user". There are: users.'],
  ])('says of %s what there is', (reference, code, message) => {
    expect(() => views.resolve(reference)).toThrow(expect.objectContaining({ code, message }));
  });

  it('knows the features of all versions together', () => {
    expect([...views.featuresOf('users').keys()]).toEqual(['f1', 'f2']);
    expect(views.featuresOf('nobody').size).toBe(0);
  });
});
