// Starts and stops a PostgreSQL through the compiled library, as whoever runs this. argv: the data folder.
const { EmbeddedPostgres, embeddedUrl } = require('../../dist/libs/database/src');
const { Client } = require('pg');

const [, , directory] = process.argv;
const events = [];

// The keeper waits by timers that keep no process alive.
const alive = setInterval(() => {}, 1000);

async function main() {
  const keeper = new EmbeddedPostgres({
    directory,
    settings: { fsync: 'off' },
    log: (_, { event }) => events.push(event),
  });
  await keeper.start();
  const client = new Client({ connectionString: embeddedUrl(directory) });
  await client.connect();
  await client.query('create table if not exists kept (at timestamptz)');
  const { rows } = await client.query(
    'insert into kept values (now()) returning (select count(*)::int from kept) as before',
  );
  await client.end();
  await keeper.stop();
  process.stdout.write(JSON.stringify({ uid: process.getuid(), before: rows[0].before, events }));
}

void main().finally(() => clearInterval(alive));
