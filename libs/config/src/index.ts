export { ConfigError, parseConfig } from './config';
export type { Config, ConfigProblem, Variable } from './config';
export { printConfiguration } from './print';
