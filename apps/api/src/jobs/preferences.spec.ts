import { isKnown, knownVersion, preferredWait } from './preferences';

describe(preferredWait.name, () => {
  it.each([
    ['wait=10', 10],
    ['Wait = 10', 10],
    ['wait="10"', 10],
    ['respond-async, wait=10; foo=bar', 10],
    [['handling=lenient', 'wait=5'], 5],
    ['wait=10, wait=20', 10],
    ['wait=0', 0],
    ['wait=3600', 60],
  ])('finds it in %j', (header, seconds) => {
    expect(preferredWait(header)).toBe(seconds);
  });

  it.each([undefined, '', 'wait', 'wait=', 'wait=-1', 'wait=1.5', 'wait=soon', 'await=10', 'wait="10', 'wait=1e3'])(
    'finds none in %j',
    (header) => {
      expect(preferredWait(header)).toBeUndefined();
    },
  );
});

describe(knownVersion.name, () => {
  it.each([
    ['"17"', 17],
    [' W/"17" ', 17],
    ['17', undefined],
    ['"a"', undefined],
    ['"1", "2"', undefined],
    ['*', undefined],
    [undefined, undefined],
  ])('reads %j', (header, version) => {
    expect(knownVersion(header)).toBe(version);
  });
});

describe(isKnown.name, () => {
  it.each([
    ['"17"', true],
    ['"16", W/"17"', true],
    ['*', true],
    ['"16"', false],
    ['17', false],
    ['', false],
    [undefined, false],
  ])('compares %j', (header, is) => {
    expect(isKnown(header, 17)).toBe(is);
  });
});
