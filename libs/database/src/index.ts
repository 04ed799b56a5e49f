export { Database } from './database';
export type { DatabaseOptions, DatabaseParts, DatabaseStatus } from './database';
export { DatabasePool } from './database-pool';
export type { PoolLimits, QueryResult, Queryable } from './database-pool';
export type { DatabaseServer } from './server-address';
export { DatabaseModule } from './database.module';
