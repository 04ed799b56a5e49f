import type { TaskName } from '@app/model-registry';
import { embedding } from './embedding';
import { tabular } from './tabular';
import type { Task } from './task';
import { tensors } from './tensors';
import { textClassification } from './text-classification';

const TASKS: Readonly<Record<TaskName, Task>> = {
  'text-classification': textClassification,
  embedding,
  tabular,
  tensors,
};

/** The task of this name. */
export function taskOf(name: TaskName): Task {
  return TASKS[name];
}
