// What a process in the zone of TZ reads and writes through the compiled library. argv: the URL of a database.
const { SystemClock } = require('../../dist/libs/core/src/index.js');
const { Database } = require('../../dist/libs/database/src/index.js');

const WRITTEN = '2026-03-08T02:30:00.123456Z';

async function main(url) {
  const database = new Database({ server: { kind: 'url', url } }, { clock: new SystemClock(), log: () => {} });
  database.start();
  await database.whenUp();
  const { rows } = await database.main.query(
    "select $1::timestamptz as moment, $1::timestamptz::text as text, date '2026-03-08' as day, '02:30'::time::text as time",
    [WRITTEN],
  );
  await database.close();
  const bigints = (_key, value) => (typeof value === 'bigint' ? `${value}n` : value);
  process.stdout.write(JSON.stringify({ offset: new Date(0).getTimezoneOffset(), rows }, bigints));
}

void main(process.argv[2]);
