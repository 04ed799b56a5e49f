import fc from 'fast-check';
import type { VersionPolicy } from './manifest';
import { type Candidate, chooseVersions, compareVersions, isOrdered } from './version-policy';

const proven = (version: string): Candidate => ({ version, trial: 'proven', ready: true });
const evicted = (version: string): Candidate => ({ version, trial: 'proven', ready: false });
const untried = (version: string): Candidate => ({ version, trial: 'untried', ready: false });
const failed = (version: string): Candidate => ({ version, trial: 'failed', ready: false });
const choose = (policy: VersionPolicy, ...candidates: readonly Candidate[]) =>
  chooseVersions({ policy, labels: {} }, candidates);

const integers = fc.bigInt({ min: 0n, max: 10n ** 20n }).map(String);
const numbers = fc.array(fc.nat(99), { minLength: 2, maxLength: 3 }).map((parts) => parts.join('.'));
const prereleases = fc
  .tuple(numbers, fc.constantFrom('', '-rc.1', '-rc.2', '-rc.10', '-alpha', '-1'))
  .map((parts) => parts.join(''));
const others = fc.constantFrom('main', 'v2', 'beta', '1.x', '2024-01');
const versions = fc.oneof(integers, prereleases, others);
const candidates = fc.uniqueArray(
  fc
    .record({ version: versions, trial: fc.constantFrom('untried', 'proven', 'failed'), ready: fc.boolean() })
    .map((candidate): Candidate => ({ ...candidate, ready: candidate.ready && candidate.trial === 'proven' })),
  { selector: ({ version }) => version },
);
const policies: fc.Arbitrary<VersionPolicy> = fc.oneof(
  fc.constant('all' as const),
  fc.integer({ min: 1, max: 4 }).map((latest) => ({ latest })),
  fc.array(versions).map((specific) => ({ specific })),
);

describe(compareVersions.name, () => {
  it('orders integers and semver by their numbers, others before them', () => {
    const sorted = [
      'beta',
      'main',
      '1',
      '1.4.0',
      '2.0.0-rc.1',
      '2.0.0-rc.2',
      '2.0.0-rc.10',
      '2.0.0',
      '9',
      '10',
      '10.1',
    ];
    expect(sorted.toReversed().sort(compareVersions)).toEqual(sorted);
    expect(sorted.filter((version) => !isOrdered(version))).toEqual(['beta', 'main']);
  });

  it('is a total order', () => {
    fc.assert(
      fc.property(versions, versions, versions, (a, b, c) => {
        expect(Math.sign(compareVersions(a, b))).toBe(0 - Math.sign(compareVersions(b, a)));
        expect(compareVersions(a, b) === 0).toBe(a === b);
        const [first = '', second = '', third = ''] = [a, b, c].sort(compareVersions);
        expect(compareVersions(first, third)).toBeLessThanOrEqual(0);
        expect(compareVersions(second, third)).toBeLessThanOrEqual(0);
      }),
    );
  });
});

describe(chooseVersions.name, () => {
  it('takes the newest by number, not by text', () => {
    expect(choose({ latest: 2 }, untried('9'), untried('10'), untried('2'))).toMatchObject({ wanted: ['9', '10'] });
  });

  it('passes over failed versions, so that the next newest serves', () => {
    expect(choose({ latest: 1 }, untried('1'), failed('2'))).toMatchObject({ wanted: ['1'], defaultVersion: '1' });
  });

  it('serves names without an order only where they are asked for', () => {
    expect(choose({ latest: 3 }, untried('beta'), untried('1')).wanted).toEqual(['1']);
    expect(choose('all', untried('beta'), untried('1')).wanted).toEqual(['beta', '1']);
    expect(choose({ specific: ['beta'] }, untried('beta'), untried('1')).wanted).toEqual(['beta']);
  });

  it('lets what serves stand in until as many wanted ones can', () => {
    expect(choose({ latest: 1 }, proven('1'), untried('2'))).toMatchObject({ standIns: ['1'], defaultVersion: '1' });
    expect(choose({ latest: 1 }, proven('1'), proven('2'))).toMatchObject({ standIns: [], defaultVersion: '2' });
    expect(choose({ latest: 2 }, proven('1'), proven('2'), untried('3')).standIns).toEqual(['1']);
    expect(choose({ specific: ['2'] }, proven('1'), failed('2'))).toMatchObject({
      standIns: ['1'],
      defaultVersion: '1',
    });
  });

  it('answers by a version that only lost its memory, and does not fall back for it', () => {
    expect(choose({ latest: 2 }, proven('1'), evicted('2')).defaultVersion).toBe('2');
    expect(choose({ latest: 1 }, evicted('2')).standIns).toEqual([]);
  });

  it('serves labelled versions too, without making them the default', () => {
    const choice = chooseVersions({ policy: { latest: 1 }, labels: { stable: '1' } }, [untried('1'), untried('2')]);
    expect(choice).toMatchObject({ wanted: ['2'], labelled: ['1'], defaultVersion: '2' });
  });

  it('serves nothing twice, nothing failed by default, and never more than it should', () => {
    fc.assert(
      fc.property(policies, candidates, (policy, found) => {
        const { wanted, standIns, labelled, defaultVersion } = choose(policy, ...found);
        const served = [...wanted, ...standIns, ...labelled];
        expect(new Set(served).size).toBe(served.length);
        expect(wanted).toEqual(wanted.toSorted(compareVersions));
        if (typeof policy === 'object' && 'latest' in policy) expect(wanted.length).toBeLessThanOrEqual(policy.latest);
        const trial = found.find(({ version }) => version === defaultVersion)?.trial;
        expect(trial).not.toBe('failed');
        const some = found.some(({ version, trial }) => served.includes(version) && trial !== 'failed');
        expect(defaultVersion !== undefined).toBe(some);
      }),
    );
  });

  it('does not depend on the order in which versions were found', () => {
    fc.assert(
      fc.property(policies, candidates, (policy, found) => {
        expect(choose(policy, ...found.toReversed())).toEqual(choose(policy, ...found));
      }),
    );
  });
});
