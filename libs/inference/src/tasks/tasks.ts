import type { TaskName } from '@app/model-registry';
import type { Task } from './task';
import { tensors } from './tensors';

const TASKS: Partial<Record<TaskName, Task>> = { tensors };

/** The task of this name. */
export function taskOf(name: TaskName): Task {
  return TASKS[name] ?? tensors;
}
