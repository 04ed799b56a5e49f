import type { VersionPolicy } from './manifest';

/** One version as the policy sees it. */
export interface Candidate {
  readonly version: string;
  /**
   * `untried` until its checks have passed once, `proven` from then on, `failed` when they did not pass or it broke
   * since.
   */
  readonly trial: 'untried' | 'proven' | 'failed';
  /** Whether it serves at this moment. */
  readonly ready: boolean;
}

/** What a model's manifest says about its versions. */
export interface Rules {
  readonly policy: VersionPolicy;
  /** Version by label. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Which versions of a model are served. All lists are newest last. */
export interface Choice {
  /** What the policy wants served. */
  readonly wanted: readonly string[];
  /** Older ones that go on serving until what is wanted can. */
  readonly standIns: readonly string[];
  /** Served because a label names them. */
  readonly labelled: readonly string[];
  /** What answers when no version is named. */
  readonly defaultVersion: string | undefined;
}

const INTEGER = /^\d+$/;
const SEMVER = /^(\d+)\.(\d+)(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?$/;

/** Whether a version's name has an order, so that "the newest" can mean it: an integer, or semver. */
export function isOrdered(version: string): boolean {
  return INTEGER.test(version) || SEMVER.test(version);
}

/**
 * Orders versions, oldest first: integers and semver by their numbers (2 < 10, 1.0.0-rc.1 < 1.0.0, and 1 = 1.0.0), other
 * names before all of them. Equal ones are ordered by their text, so that the order is total.
 */
export function compareVersions(a: string, b: string): number {
  return comparePrecedence(a, b) || compareTexts(a, b);
}

/**
 * Chooses what serves. Failed versions are passed over by `latest`, so that the next newest serves instead; and what
 * serves now stays until as many wanted ones can serve.
 */
export function chooseVersions({ policy, labels }: Rules, candidates: readonly Candidate[]): Choice {
  const sorted = [...candidates].sort((a, b) => compareVersions(a.version, b.version));
  const wanted = select(policy, sorted);
  const standIns = selectStandIns(wanted, sorted);
  const named = new Set(Object.values(labels));
  const serving = new Set([...wanted, ...standIns]);
  const labelled = sorted.filter((candidate) => named.has(candidate.version) && !serving.has(candidate));
  return {
    wanted: wanted.map(nameOf),
    standIns: standIns.map(nameOf),
    labelled: labelled.map(nameOf),
    defaultVersion: selectDefault(sorted.filter((candidate) => serving.has(candidate)))?.version,
  };
}

function select(policy: VersionPolicy, sorted: readonly Candidate[]): readonly Candidate[] {
  if (policy === 'all') return sorted;
  if ('specific' in policy) return sorted.filter(({ version }) => policy.specific.includes(version));
  return sorted.filter(({ version, trial }) => isOrdered(version) && trial !== 'failed').slice(-policy.latest);
}

function selectStandIns(wanted: readonly Candidate[], sorted: readonly Candidate[]): readonly Candidate[] {
  const untried = wanted.filter(({ trial, ready }) => trial === 'untried' && !ready).length;
  const count = Math.max(untried, wanted.some(({ trial }) => trial === 'proven') ? 0 : 1);
  const others = sorted.filter((candidate) => candidate.ready && !wanted.includes(candidate));
  return count === 0 ? [] : others.slice(-count);
}

/** The newest that is known to work, else the newest that may. */
function selectDefault(serving: readonly Candidate[]): Candidate | undefined {
  return serving.findLast(({ trial }) => trial === 'proven') ?? serving.findLast(({ trial }) => trial === 'untried');
}

const nameOf = ({ version }: Candidate): string => version;

function comparePrecedence(a: string, b: string): number {
  const [left, right] = [numbersOf(a), numbersOf(b)];
  if (!left || !right) return Number(Boolean(left)) - Number(Boolean(right));
  for (const [index, value] of left.numbers.entries()) {
    const other = right.numbers[index] ?? 0n;
    if (value !== other) return value < other ? -1 : 1;
  }
  return comparePrereleases(left.prerelease, right.prerelease);
}

function numbersOf(version: string): { readonly numbers: readonly bigint[]; readonly prerelease: string } | undefined {
  if (INTEGER.test(version)) return { numbers: [BigInt(version), 0n, 0n], prerelease: '' };
  const [, major, minor, patch, prerelease] = SEMVER.exec(version) ?? [];
  if (major === undefined) return undefined;
  return { numbers: [major, minor ?? '0', patch ?? '0'].map(BigInt), prerelease: prerelease ?? '' };
}

/** https://semver.org/#spec-item-11: a pre-release comes before its release; parts are compared one by one, numbers before texts. */
function comparePrereleases(a: string, b: string): number {
  if (a === '' || b === '') return Number(a === '') - Number(b === '');
  const [left, right] = [a.split('.'), b.split('.')];
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const order = compareParts(left[index], right[index]);
    if (order !== 0) return order;
  }
  return 0;
}

function compareParts(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return Number(b === undefined) - Number(a === undefined);
  const [left, right] = [INTEGER.test(a), INTEGER.test(b)];
  if (left !== right) return left ? -1 : 1;
  if (!left || BigInt(a) === BigInt(b)) return left ? 0 : compareTexts(a, b);
  return BigInt(a) < BigInt(b) ? -1 : 1;
}

function compareTexts(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
