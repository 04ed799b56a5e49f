import { Client, DatabaseError } from 'pg';
import { connectionTo } from '../server-address';
import { CLUSTER_LOGIN, clusterPaths } from './cluster-paths';
import { EmbeddedPostgresFault } from './embedded-fault';

const TIMEOUT_MS = 2000;
const STARTING_UP = '57P03';
/** Nothing listens: no socket, or one that its postmaster has left behind. */
const ABSENT: ReadonlySet<unknown> = new Set(['ENOENT', 'ECONNREFUSED']);
/** Somebody else was faster. */
const EXISTS_ALREADY: ReadonlySet<unknown> = new Set(['42P04', '23505']);
/** Held by who is about to stop the server, so that of two that leave at once one sees that it is the last. */
const LEAVING = "hashtextextended('quayside leaves', 0)";
const OTHERS = `select count(*)::int as others from pg_stat_activity
  where backend_type = 'client backend' and pid <> pg_backend_pid() and application_name like 'quayside%'`;
/** Sessions of processes that have just ended take a moment to go. */
const PATIENCE_TRIES = 20;
const PATIENCE_SECONDS = 0.05;

/**
 * One connection to an embedded cluster, held for as long as its keeper lives: by it other keepers see that somebody is
 * there, and this one sees when the server is lost.
 */
export class Presence {
  /** Resolves when the connection has ended, whoever ended it. */
  readonly lost: Promise<void>;

  private constructor(private readonly client: Client) {
    this.lost = new Promise((resolve) => client.once('end', () => resolve()));
  }

  /**
   * Connects to the cluster of a data folder. `absent`: nothing listens; `starting`: it will. Throws what else is wrong,
   * `EmbeddedPostgresFault` when another cluster answers.
   */
  static async find(directory: string): Promise<Presence | 'absent' | 'starting'> {
    const server = { kind: 'embedded', directory } as const;
    const client = new Client({
      ...connectionTo(server, 'keeper'),
      // There is always this one.
      database: 'postgres',
      connectionTimeoutMillis: TIMEOUT_MS,
      query_timeout: TIMEOUT_MS,
    });
    client.on('error', () => {});
    try {
      await client.connect();
      await refuseOtherCluster(client, directory);
      await createDatabase(client);
      return new Presence(client);
    } catch (fault) {
      void client.end().catch(() => {});
      const code = (fault as { readonly code?: unknown }).code;
      if (ABSENT.has(code)) return 'absent';
      if (code === STARTING_UP) return 'starting';
      throw fault;
    }
  }

  /** Whether other processes of Quayside are connected. True when the server does not say. */
  async othersAreThere(): Promise<boolean> {
    try {
      await this.client.query(`select pg_advisory_lock(${LEAVING})`);
      for (let tries = 0; tries < PATIENCE_TRIES; tries += 1) {
        const { rows } = await this.client.query<{ others: number }>(OTHERS);
        if (rows[0]?.others === 0) return false;
        await this.client.query('select pg_stat_clear_snapshot(), pg_sleep($1)', [PATIENCE_SECONDS]);
      }
      return true;
    } catch {
      return true;
    }
  }

  /** Ends the connection. */
  async leave(): Promise<void> {
    // A frozen server never acknowledges it.
    const frozen = new Promise<void>((resolve) => setTimeout(resolve, TIMEOUT_MS).unref());
    await Promise.race([this.client.end().catch(() => {}), frozen]);
  }
}

async function refuseOtherCluster(client: Client, directory: string): Promise<void> {
  const { rows } = await client.query<{ data_directory: string }>('show data_directory');
  const { cluster, socketDirectory } = clusterPaths(directory);
  if (rows[0]?.data_directory === cluster) return;
  throw new EmbeddedPostgresFault(
    `The socket in ${socketDirectory} belongs to another database: stop that one, or set DATA_DIR to another folder.`,
  );
}

async function createDatabase(client: Client): Promise<void> {
  const { database } = CLUSTER_LOGIN;
  const { rowCount } = await client.query('select from pg_database where datname = $1', [database]);
  if (rowCount) return;
  await client.query(`create database ${database}`).catch((fault: unknown) => {
    if (!(fault instanceof DatabaseError && EXISTS_ALREADY.has(fault.code))) throw fault;
  });
}
