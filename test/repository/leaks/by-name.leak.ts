import { opened } from '@app/testing';

const closing: (() => void)[] = [];
let shared: () => void;

beforeAll(() => {
  shared = opened('shared pool');
});
afterEach(() => closing.splice(0).forEach((close) => close()));
afterAll(() => shared());

it('leaves a pool open', () => {
  opened('forgotten pool');
});

it('closes in afterEach', () => {
  closing.push(opened('closed pool'));
});

it('uses what the file opened', () => {});
