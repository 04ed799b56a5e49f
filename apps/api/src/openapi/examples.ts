/** Requests to the models of the default install, with the answers that they get. A test sends every one of them. */
export const EXAMPLES = {
  predict: {},
  embed: {},
  predictModel: {},
} as const;
