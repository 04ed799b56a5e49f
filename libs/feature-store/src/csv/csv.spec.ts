import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FakeFeatureRows, FakeFeatureViewStore, ManualClock, featureViews, temporaryDirectory } from '@app/testing';
import { type CsvProgress, pushCsv } from './push-csv';
import { CsvFault, type CsvTarget, readCsv } from './read-csv';

const VIEWS = featureViews({
  name: 'people',
  version: 1,
  entities: [
    { name: 'person', dtype: 'STRING' },
    { name: 'shop', dtype: 'INT64' },
  ],
  features: [
    { name: 'big', dtype: 'INT64' },
    { name: 'small', dtype: 'INT8' },
    { name: 'share', dtype: 'FP32' },
    { name: 'is_new', dtype: 'BOOL' },
    { name: 'note', dtype: 'STRING' },
    { name: 'vector', dtype: 'FP32', shape: [2] },
  ],
});
const NOW_MS = Date.UTC(2026, 5, 1);
const MOMENT = '2026-05-01T00:00:00Z';

async function fileOf(content: string | Uint8Array): Promise<string> {
  const file = join(await temporaryDirectory(), 'rows.csv');
  writeFileSync(file, content);
  return file;
}

async function all<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function lines(content: string | Uint8Array, more: Partial<CsvTarget> = {}): Promise<readonly unknown[]> {
  return all(readCsv(await fileOf(content), { views: VIEWS, view: 'people', ...more }));
}

/** A store over a fake, and what became of a file that was pushed into it. */
function stage() {
  const clock = new ManualClock(NOW_MS);
  const rows = new FakeFeatureRows();
  const store = new FakeFeatureViewStore(VIEWS, clock, rows);
  const push = async (content: string, salt?: string) => {
    const rejected: [number, string][] = [];
    const progress: CsvProgress[] = [];
    const total = await pushCsv(await fileOf(content), {
      view: 'people',
      views: VIEWS,
      store,
      ...(salt !== undefined && { salt }),
      rejected: (line, says) => rejected.push([line, says]),
      progress: (so) => progress.push(so),
    });
    return { total, rejected, progress };
  };
  return { rows, push };
}

const HEAD = 'person,shop,event_timestamp,big,small,share,is_new,note,vector';

describe(readCsv.name, () => {
  it('reads cells by the types of the view, wherever their columns stand', async () => {
    const [row] = await lines(
      `note,${HEAD.replace(',note', '')}\nhi,"a, b",7,${MOMENT},9007199254740993,-5,1e-3,TRUE,"[1, 2]"\n`,
    );
    expect(row).toEqual({
      line: 2,
      row: {
        entities: { person: 'a, b', shop: '7' },
        event_ts: MOMENT,
        features: { big: '9007199254740993', small: -5, share: 0.001, is_new: true, note: 'hi', vector: [1, 2] },
      },
    });
  });

  it('takes an empty cell for no value, and an empty text in quotes for an empty text', async () => {
    const found = await lines(`person,shop,event_ts,note,small\na,1,${MOMENT},,\nb,1,${MOMENT},"",\n`);
    expect(found).toMatchObject([{ row: { features: {} } }, { row: { features: { note: '' } } }]);
  });

  it('counts lines as an editor does, through quoted line breaks, empty lines and a byte order mark', async () => {
    const found = await lines(
      `\uFEFFperson,shop,event_ts,note\r\n\r\na,1,${MOMENT},"x\r\ny"\r\nb,1,${MOMENT},z\r\nc,1\r\n`,
    );
    expect(found).toMatchObject([
      { line: 4, row: { features: { note: 'x\r\ny' } } },
      { line: 5 },
      { line: 6, says: 'has 2 cells, and the first line has 4' },
    ]);
  });

  it('gives all rows one moment where the file has none', async () => {
    const found = await lines('person,shop,note\na,1,x\n', { eventTs: MOMENT });
    expect(found).toMatchObject([{ row: { event_ts: MOMENT } }]);
  });

  it.each([
    ['', 'The file is empty: its first line must name the columns.'],
    ['person,shop,event_ts,__proto__\n', 'The column "__proto__" is nothing of the view.'],
    ['person,shop,event_ts,note,note\n', 'The column "note" is there twice.'],
    ['person,event_ts,note\n', 'The file has no column "shop", which is a join key.'],
    ['person,shop,note\n', 'The file has no column event_timestamp'],
    ['person,event_ts,shop,event_timestamp\n', 'The columns event_ts and event_timestamp both say when'],
    [`person,shop,event_ts\na,1,${MOMENT}\n"a"b,1,x\n`, 'Line 3 is no CSV'],
    [Buffer.from([...Buffer.from('person,shop,event_ts\n'), 0xff, 0x0a]), 'The file is not UTF-8.'],
  ])('refuses %j', async (content, says) => {
    const fault = await lines(content).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(CsvFault);
    expect((fault as Error).message).toContain(says);
  });

  it('refuses one moment for all rows where the file has moments', async () => {
    const read = lines(`person,shop,event_ts\na,1,${MOMENT}\n`, { eventTs: MOMENT });
    await expect(read).rejects.toThrow('The column event_ts says when a row was true; leave --event-ts out');
  });

  it('refuses a view that is not declared, and a file that is not there', async () => {
    await expect(lines('', { view: 'nobody' })).rejects.toMatchObject({ code: 'feature_view_not_found' });
    const read = all(readCsv('/nowhere/at/all.csv', { views: VIEWS, view: 'people' }));
    await expect(read).rejects.toThrow('The file cannot be read: ENOENT.');
  });
});

describe(pushCsv.name, () => {
  it('writes what is right, and tells each wrong line with its number, in order', async () => {
    const { rows, push } = stage();
    const { total, rejected } = await push(
      [
        HEAD,
        `a,1,${MOMENT},1,1,1,true,x,`,
        `b,1,${MOMENT},one,200,1,perhaps,x,`,
        `c,1,2026-05-01T00:00:00,1,1,1,true,x,`,
        'd,1',
        `,1,${MOMENT},1,1,1,true,x,`,
        `e,1,2026-06-02T00:00:00Z,1,1,1,true,x,"[1"`,
      ].join('\n'),
    );
    expect(total).toEqual({ rows: 6, written: 1, skippedOlder: 0, known: 0, rejected: 5 });
    expect(rejected.map(([line]) => line)).toEqual([3, 4, 5, 6, 7]);
    expect(rejected[0]?.[1]).toMatch(/^big .* is_new .* small /);
    expect(rejected[1]?.[1]).toMatch(/^event_ts /);
    expect(rejected[3]?.[1]).toMatch(/^person is missing/);
    expect(rows.online.size).toBe(1);
  });

  it('goes chunk by chunk, and tells how far it is', async () => {
    const { rows, push } = stage();
    const many = Array.from({ length: 4500 }, (_, at) => `p${at},1,${MOMENT},${at}`);
    const { progress } = await push(['person,shop,event_ts,big', ...many].join('\n'));
    expect(progress.map(({ rows: done, written }) => [done, written])).toEqual([
      [2000, 2000],
      [4000, 4000],
      [4500, 4500],
    ]);
    expect(rows.pushes.size).toBe(3);
  });

  it('pushes equal rows once, whatever the file is called, unless it is told to push them again', async () => {
    const { rows, push } = stage();
    const content = `person,shop,event_ts,big\na,1,${MOMENT},1\n`;
    await push(content);
    expect((await push(content)).total).toMatchObject({ written: 0, known: 1 });
    expect([rows.pushes.size, rows.history.length]).toEqual([1, 1]);
    await push(content, 'again');
    expect([rows.pushes.size, rows.history.length]).toEqual([2, 2]);
  });
});
