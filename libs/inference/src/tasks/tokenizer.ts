import { readFile } from 'node:fs/promises';
import { QuaysideError } from '@app/core';
import type { ModelFiles } from '@app/model-registry';

/** Token ids of one text with the type of each; the two lists are equally long. */
export interface TokenIds {
  readonly ids: readonly number[];
  readonly typeIds: readonly number[];
}

/** The tokens of one text, special tokens included. */
export interface Encoding extends TokenIds {
  /** Whether tokens of the text were left out. */
  readonly truncated: boolean;
}

/** How a tokenizer cuts and pads. */
export interface TokenizerSettings {
  /** Most tokens of one text, special tokens included. */
  readonly maxTokens: number;
  readonly truncationSide: Side;
  readonly paddingSide: Side;
  readonly padId: number;
}

type Side = 'left' | 'right';

/** What is used of the package's class. Its own types do not resolve under Node's module resolution. */
interface HuggingFaceTokenizer {
  encode(
    text: string,
    options: { readonly add_special_tokens: boolean; readonly return_token_type_ids: true },
  ): { readonly ids: readonly (number | undefined)[]; readonly token_type_ids?: readonly number[] };
  token_to_id(token: string): number | undefined;
}

/**
 * Texts to token ids, by a model's `tokenizer.json`. The package knows neither truncation nor padding: cutting is done
 * here, padding belongs to a run, which knows its longest text. It is loaded with the first tokenizer, so that a process
 * that opens none never pays for it.
 */
export class Tokenizer {
  private constructor(
    private readonly encoder: HuggingFaceTokenizer,
    readonly settings: TokenizerSettings,
    /** How many special tokens stand before and after a single text. */
    private readonly specials: { readonly before: number; readonly after: number },
  ) {}

  /** Reads a version's tokenizer files. Throws model_load_failed when there is none, or one that is not understood. */
  static async open(files: ModelFiles, maxTokens: number): Promise<Tokenizer> {
    if (!files.tokenizer) throw unreadable('The model has no tokenizer.json, which its task needs.');
    try {
      const definition = await readJson(files.tokenizer);
      const config = files.tokenizerConfig === undefined ? {} : await readJson(files.tokenizerConfig);
      const { Tokenizer: Encoder } = await import('@huggingface/tokenizers');
      const encoder = new Encoder(definition, config) as HuggingFaceTokenizer;
      return new Tokenizer(encoder, settingsOf({ encoder, definition, config, maxTokens }), specialsOf(encoder));
    } catch (cause) {
      throw unreadable('The tokenizer files of the model are not understood.', cause);
    }
  }

  /** Encodes one text, cut to `maxTokens`: special tokens stay, the last (or first) of the text's own tokens go. */
  encode(text: string): Encoding {
    const { ids, typeIds } = idsOf(this.encoder, text);
    const { maxTokens, truncationSide } = this.settings;
    if (ids.length <= maxTokens) return { ids, typeIds, truncated: false };
    const { before, after } = this.specials;
    const kept = Math.max(0, maxTokens - before - after);
    const from = truncationSide === 'right' ? before : ids.length - after - kept;
    const cut = (all: readonly number[]): number[] =>
      [...all.slice(0, before), ...all.slice(from, from + kept), ...all.slice(all.length - after)].slice(0, maxTokens);
    return { ids: cut(ids), typeIds: cut(typeIds), truncated: true };
  }
}

/** As the Rust package does, a token without an id (in vocabularies that have no unknown token) is left out. */
function idsOf(encoder: HuggingFaceTokenizer, text: string, add_special_tokens = true): TokenIds {
  const encoded = encoder.encode(text, { add_special_tokens, return_token_type_ids: true });
  const [ids, typeIds]: [number[], number[]] = [[], []];
  encoded.ids.forEach((id, index) => {
    if (id === undefined) return;
    ids.push(id);
    typeIds.push(encoded.token_type_ids?.[index] ?? 0);
  });
  return { ids, typeIds };
}

/** Where a text's own tokens begin among the special ones, seen on one letter. */
function specialsOf(encoder: HuggingFaceTokenizer): { before: number; after: number } {
  const own = idsOf(encoder, 'a', false).ids;
  const all = idsOf(encoder, 'a').ids;
  const before = all.findIndex((_, start) => own.every((id, offset) => all[start + offset] === id));
  return { before: Math.max(0, before), after: all.length - own.length - Math.max(0, before) };
}

interface Definition {
  readonly encoder: HuggingFaceTokenizer;
  readonly definition: Record<string, unknown>;
  readonly config: Record<string, unknown>;
  readonly maxTokens: number;
}

function settingsOf({ encoder, definition, config, maxTokens }: Definition): TokenizerSettings {
  const padding = (definition['padding'] ?? {}) as { pad_id?: number; direction?: string };
  const padToken = contentOf(config['pad_token']);
  const padId = padToken === undefined ? undefined : encoder.token_to_id(padToken);
  return {
    maxTokens,
    truncationSide: config['truncation_side'] === 'left' ? 'left' : 'right',
    paddingSide: (config['padding_side'] ?? padding.direction?.toLowerCase()) === 'left' ? 'left' : 'right',
    padId: padId ?? padding.pad_id ?? 0,
  };
}

/** A token of `tokenizer_config.json` is its text, or an object that holds it. */
function contentOf(token: unknown): string | undefined {
  if (typeof token === 'string') return token;
  return (token as { content?: string } | null | undefined)?.content;
}

async function readJson(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
}

function unreadable(message: string, cause?: unknown): QuaysideError {
  return new QuaysideError('model_load_failed', message, { cause });
}
