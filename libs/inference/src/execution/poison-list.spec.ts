import { aModelVersion } from '@app/testing';
import type { TaskInput } from '../tasks/task';
import { PoisonList } from './poison-list';

const version = aModelVersion({ model: 'm' });
const call = (value: number, more: Partial<TaskInput> = {}): TaskInput => ({
  rows: 1,
  splittable: true,
  tensors: { x: { dtype: 'UINT8', shape: [1], bytes: Uint8Array.of(value) } },
  parameters: {},
  outputs: [],
  ...more,
});

describe(PoisonList.name, () => {
  it('knows a question again by its contents, for as long as it is told to', () => {
    const list = new PoisonList(1000);
    list.add({ version, calls: [call(1)] }, 0);
    expect(list.has({ version, calls: [call(1)] }, 999)).toBe(true);
    expect(list.has({ version, calls: [call(1)] }, 1000)).toBe(false);
  });

  it('knows a call among others of its batch', () => {
    const list = new PoisonList(1000);
    list.add({ version, calls: [call(1)] }, 0);
    expect(list.has({ version, calls: [call(2), call(1)] }, 0)).toBe(true);
  });

  it('knows a row among others of its call, whichever way they came', () => {
    const rows = (...values: number[]): TaskInput =>
      call(0, {
        rows: values.length,
        tensors: { x: { dtype: 'UINT8', shape: [values.length], bytes: Uint8Array.from(values) } },
      });
    const list = new PoisonList(1000);
    list.add({ version, calls: [call(1)] }, 0);
    expect(list.has({ version, calls: [rows(2, 1)] }, 0)).toBe(true);
    expect(list.has({ version, calls: [rows(2, 3)] }, 0)).toBe(false);
    expect(list.has({ version, calls: [{ ...rows(2, 1), splittable: false }] }, 0)).toBe(false);
  });

  it('takes nothing else for it: not other bytes, parameters or versions', () => {
    const list = new PoisonList(1000);
    list.add({ version, calls: [call(1)] }, 0);
    const others = [
      { version, calls: [call(2)] },
      { version, calls: [call(1, { parameters: { top_k: 1 } })] },
      { version: aModelVersion({ model: 'other' }), calls: [call(1)] },
    ];
    expect(others.map((other) => list.has(other, 0))).toEqual([false, false, false]);
  });
});
