import type { Signature } from '@app/core';
import type { Manifest } from './manifest';
import type { TaskName } from './task-name';

/** The files of one version, by role; paths are absolute and inside the version's folder. */
export interface ModelFiles {
  readonly directory: string;
  readonly onnx: string;
  readonly tokenizer?: string;
  readonly tokenizerConfig?: string;
  readonly config?: string;
  /** Every file that counts, manifests apart: its path relative to the folder, its size in bytes and its SHA-256 in hex. */
  readonly all: readonly { readonly path: string; readonly sizeBytes: number; readonly sha256: string }[];
}

/** What an ONNX file says of itself beside its graph. */
export interface OnnxMetadata {
  readonly producer: string;
  /** Opset version by domain; the default domain is `''`. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly properties: Readonly<Record<string, string>>;
}

/** What a text model needs to know beside its graph. */
export interface TextSettings {
  /** Most tokens of one text, special tokens included: the smallest sane value in the manifest and the config files. */
  readonly maxTokens: number;
  /** Class names by index, from `id2label`; empty for models without classes. */
  readonly classes: readonly string[];
  /** Independent classes (sigmoid) instead of exclusive ones (softmax). */
  readonly multiLabel: boolean;
}

/**
 * One version of a model with everything that is known without running it. Frozen: a changed file is another
 * `ModelVersion` with another digest, though it may have the same name.
 */
export interface ModelVersion {
  readonly model: string;
  readonly version: string;
  /**
   * SHA-256 in hex over the sorted list of (path, SHA-256) of its files. What its manifests say counts as one more file,
   * except for `versions` and `labels`, which concern the choice among versions and not the version.
   */
  readonly digest: string;
  readonly files: ModelFiles;
  readonly manifest: Manifest;
  readonly task: TaskName;
  /** Why it has this task: named by the manifest, or what was seen in the files. */
  readonly taskReason: string;
  /** From the ONNX file; once it was loaded, what the engine saw. */
  readonly signature: Signature;
  readonly metadata: OnnxMetadata;
  /** Present for the text tasks. */
  readonly text?: TextSettings;
}

/** A version's key: unique over models, versions and contents. */
export function versionKey(version: Pick<ModelVersion, 'model' | 'version' | 'digest'>): string {
  return `${version.model}@${version.version}#${version.digest.slice(0, 12)}`;
}
