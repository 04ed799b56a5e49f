import { JSON_LIMITS, type Signature, type TensorSpec } from '@app/core';
import type { TaskName } from './task-name';

/** What is seen in a version's files, as far as it tells the task. */
export interface TaskEvidence {
  readonly signature: Signature;
  /** Whether `tokenizer.json` is there. */
  readonly hasTokenizer: boolean;
  /** How many classes `id2label` names; 0 without it. */
  readonly classCount: number;
}

/** A task, and the sentence that says why. */
export interface TaskDecision {
  readonly task: TaskName;
  readonly reason: string;
}

/** A row is one JSON object with a key per column, so a model with more columns than that takes tensors alone. */
export const MAX_COLUMNS = JSON_LIMITS.maxKeys;

const TEXT_INPUTS = ['input_ids', 'attention_mask', 'token_type_ids', 'position_ids'];

/** Decides what a model does from its files, for models whose manifest does not say. */
export function decideTask(evidence: TaskEvidence): TaskDecision {
  return (
    decideText(evidence) ?? decideTabular(evidence.signature) ?? tensors('its inputs and outputs fit no other task')
  );
}

function decideText({ signature, hasTokenizer, classCount }: TaskEvidence): TaskDecision | undefined {
  const { inputs, outputs } = signature;
  if (!hasTokenizer || !inputs.some((input) => input.name === 'input_ids')) return undefined;
  const strange = inputs.find((input) => !TEXT_INPUTS.includes(input.name));
  if (strange) return tensors(`it has a tokenizer, but its input "${strange.name}" does not come from text`);
  const output = outputs.find(({ shape }) => shape.length === 2 || shape.length === 3);
  if (output?.shape.length === 3) return decideTokenVectors(output);
  if (output && isScores(output, classCount)) {
    return because(
      'text-classification',
      `tokenizer.json, an input "input_ids", and id2label for the output "${output.name}"`,
    );
  }
  return tensors('it has a tokenizer, but neither an output per token nor id2label with its classes');
}

/** A vector per token is an embedding, unless its name says that it scores classes or words for every token. */
function decideTokenVectors({ name }: TensorSpec): TaskDecision {
  if (name === 'logits') return tensors('its output "logits" scores every token, which no task serves');
  return because('embedding', `tokenizer.json, an input "input_ids", and a vector per token in the output "${name}"`);
}

/** `config.json` of any model may name two classes by default, so their number has to fit as well. */
function isScores({ shape }: TensorSpec, classCount: number): boolean {
  const columns = shape[1];
  return classCount > 0 && (typeof columns === 'string' || columns === classCount);
}

function decideTabular({ inputs }: Signature): TaskDecision | undefined {
  const [only] = inputs;
  if (inputs.length > MAX_COLUMNS) return undefined;
  if (inputs.length === 1 && only && isMatrix(only)) {
    return because('tabular', `one numeric input "${only.name}" with ${only.shape[1]} columns`);
  }
  if (inputs.length > 0 && inputs.every(isColumn))
    return because('tabular', `every input is a column: ${inputs.length} of [rows, 1]`);
  return undefined;
}

function isMatrix(input: TensorSpec): boolean {
  const width = Number(input.shape[1]);
  return input.dtype !== 'BYTES' && isRows(input) && width > 0 && width <= MAX_COLUMNS;
}

function isColumn(input: TensorSpec): boolean {
  return isRows(input) && input.shape[1] === 1;
}

function isRows({ shape }: TensorSpec): boolean {
  return shape.length === 2 && typeof shape[0] === 'string' && typeof shape[1] === 'number';
}

function because(task: TaskName, seen: string): TaskDecision {
  return { task, reason: `Decided from the files: ${seen}.` };
}

function tensors(seen: string): TaskDecision {
  return because('tensors', seen);
}
