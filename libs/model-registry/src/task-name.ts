/** What a model does with its input, and so which routes serve it. */
export const TASKS = ['text-classification', 'embedding', 'tabular', 'tensors'] as const;

/** One of the tasks that Quayside serves. */
export type TaskName = (typeof TASKS)[number];
