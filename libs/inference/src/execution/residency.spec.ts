import { type Newcomer, type Resident, type RoomPlan, expectedBytes, planRoom } from './residency';
import fc from 'fast-check';

const resident = (key: string, more: Partial<Resident> = {}): Resident => ({
  key,
  model: key,
  bytes: 10,
  pinned: false,
  lastUse: 0,
  busy: false,
  ...more,
});
const limits = { maxCached: 3, budgetBytes: 100 };

describe('planRoom', () => {
  const a = resident('a', { lastUse: 3 });
  const b = resident('b', { lastUse: 1 });
  const c = resident('c', { lastUse: 2 });

  it.each<{ what: string; residents: Resident[]; newcomer: Newcomer; plan: RoomPlan }>([
    { what: 'an empty house', residents: [], newcomer: { model: 'n', bytes: 100 }, plan: { room: 'yes', evict: [] } },
    {
      what: 'room for one more',
      residents: [a, b],
      newcomer: { model: 'n', bytes: 5 },
      plan: { room: 'yes', evict: [] },
    },
    {
      what: 'too many: the least recently used goes',
      residents: [a, b, c],
      newcomer: { model: 'n', bytes: 5 },
      plan: { room: 'yes', evict: ['b'] },
    },
    {
      what: 'too many bytes: as many go as it takes, in order of use',
      residents: [a, b, c],
      newcomer: { model: 'n', bytes: 85 },
      plan: { room: 'yes', evict: ['b', 'c'] },
    },
    {
      what: 'a pinned one stays',
      residents: [a, { ...b, pinned: true }, c],
      newcomer: { model: 'n', bytes: 5 },
      plan: { room: 'yes', evict: ['c'] },
    },
    {
      what: 'a busy one stays',
      residents: [a, { ...b, busy: true }, { ...c, busy: true }],
      newcomer: { model: 'n', bytes: 5 },
      plan: { room: 'yes', evict: ['a'] },
    },
    {
      what: 'none can go',
      residents: [
        { ...a, busy: true },
        { ...b, busy: true },
        { ...c, pinned: true },
      ],
      newcomer: { model: 'n', bytes: 5 },
      plan: { room: 'later' },
    },
    {
      what: 'those that can go are not enough',
      residents: [{ ...a, bytes: 60, busy: true }, b],
      newcomer: { model: 'n', bytes: 50 },
      plan: { room: 'later' },
    },
    {
      what: 'larger than everything',
      residents: [],
      newcomer: { model: 'n', bytes: 101 },
      plan: { room: 'never' },
    },
    {
      what: 'a new version of a resident model may exceed the count',
      residents: [a, b, c],
      newcomer: { model: 'a', bytes: 5 },
      plan: { room: 'yes', evict: [] },
    },
    {
      what: 'but not the bytes',
      residents: [{ ...a, bytes: 60, busy: true }],
      newcomer: { model: 'a', bytes: 60 },
      plan: { room: 'later' },
    },
  ])('$what', ({ residents, newcomer, plan }) => {
    expect(planRoom(residents, newcomer, limits)).toEqual(plan);
  });

  it('never exceeds the budget, never takes a pinned or busy one, and takes no more than it must', () => {
    const some = fc.record({
      bytes: fc.integer({ min: 1, max: 60 }),
      pinned: fc.boolean(),
      busy: fc.boolean(),
      lastUse: fc.nat(100),
    });
    fc.assert(
      fc.property(fc.array(some, { maxLength: 6 }), fc.integer({ min: 1, max: 120 }), (drafts, bytes) => {
        const residents = drafts.map((draft, at) => resident(`m${at}`, draft));
        const plan = planRoom(residents, { model: 'n', bytes }, limits);
        if (plan.room !== 'yes') return;
        const staying = residents.filter(({ key }) => !plan.evict.includes(key));
        const sum = (list: readonly Resident[]): number => list.reduce((total, each) => total + each.bytes, bytes);
        const fits = (list: readonly Resident[]): boolean =>
          list.length < limits.maxCached && sum(list) <= limits.budgetBytes;
        const last = residents.find(({ key }) => key === plan.evict.at(-1));
        expect(fits(staying)).toBe(true);
        expect(residents.filter(({ key }) => plan.evict.includes(key)).some(({ pinned, busy }) => pinned || busy)).toBe(
          false,
        );
        if (last) expect(fits([...staying, last])).toBe(false);
      }),
    );
  });
});

describe('expectedBytes', () => {
  it('counts the graph twice and what stands beside it once', () => {
    const files = [
      { path: 'model.onnx', sizeBytes: 100 },
      { path: 'weights.bin', sizeBytes: 1000 },
    ];
    expect(expectedBytes(files)).toBe(1200);
  });
});
