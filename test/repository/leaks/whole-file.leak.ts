import { opened } from '@app/testing';

beforeAll(() => {
  opened('pool of the file');
});

it('passes', () => {});
