import type { Manifest } from './manifest';
import type { TextSettings } from './model-version';
import { unfit } from './unfit';

/** What the Hugging Face files beside a text model say, parsed; absent files are empty objects. */
export interface TextFiles {
  readonly config: Readonly<Record<string, unknown>>;
  readonly tokenizerConfig: Readonly<Record<string, unknown>>;
}

/** How many tokens a text may have when no file says so. */
const DEFAULT_MAX_TOKENS = 512;
/** Tokenizers without a limit say 1e30; nothing of that kind is a number of tokens. */
const SANE_MAX_TOKENS = 1_000_000;
/** Their position embeddings begin after the padding's index, so two of them are never a token's. */
const OFFSET_POSITIONS = ['roberta', 'xlm-roberta', 'camembert', 'mpnet'];

/** Joins the manifest with the files beside the model. Truncation in tokenizer.json is a leftover of training, and not read. */
export function readTextSettings({ text, batching }: Manifest, files: TextFiles): TextSettings {
  return {
    // A text that alone is over the budget of a run would never run.
    maxTokens: Math.min(maxTokens(text.maxTokens, files), batching.maxTokens),
    classes: text.classes ?? readClasses(files.config),
    multiLabel: text.multiLabel ?? files.config.problem_type === 'multi_label_classification',
  };
}

/** Class names by index from `id2label`; empty without it. Throws model_load_failed when an index is missing. */
export function readClasses(config: TextFiles['config']): readonly string[] {
  const { id2label } = config;
  if (id2label === undefined || id2label === null) return [];
  const entries = Object.entries(id2label).map(([index, label]) => [Number(index), label] as const);
  const classes = entries.sort(([a], [b]) => a - b).map(([, label]) => label as unknown);
  const complete = entries.every(([index], position) => index === position);
  if (!complete || !classes.every((label) => typeof label === 'string')) {
    throw unfit('config.json: "id2label" must give a text for each of the indexes 0, 1, 2 and so on');
  }
  return classes;
}

function maxTokens(written: number | undefined, { config, tokenizerConfig }: TextFiles): number {
  const offset = OFFSET_POSITIONS.includes(String(config.model_type)) ? 2 : 0;
  const said = [written, tokenizerConfig.model_max_length, Number(config.max_position_embeddings) - offset];
  const sane = said.filter(
    (value): value is number => typeof value === 'number' && value >= 1 && value <= SANE_MAX_TOKENS,
  );
  return sane.length === 0 ? DEFAULT_MAX_TOKENS : Math.floor(Math.min(...sane));
}
