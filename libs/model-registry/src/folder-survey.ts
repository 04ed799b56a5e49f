import type { BigIntStats, Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MODEL_NAME_PATTERN } from '@app/core';
import { isOrdered } from './version-policy';

/** What a models folder holds, as far as names, sizes and times tell; no file is opened. */
export interface Survey {
  /** By `model/version`: a stamp that changes when any file of the version, or the model's own manifest, does. */
  readonly stamps: ReadonlyMap<string, string>;
  /** Models whose folder could not be read: nothing is known of their versions. */
  readonly unreadable: readonly string[];
  /** What lies there and is no model, with what to do about it. */
  readonly problems: readonly string[];
}

/** Looks at `<root>/<model>/<version>/`. Throws when the root cannot be read. */
export async function surveyFolder(root: string): Promise<Survey> {
  const stamps = new Map<string, string>();
  const unreadable: string[] = [];
  const problems: string[] = [];
  for (const folder of await visible(root)) {
    const problem = await explain(root, folder);
    if (problem !== undefined) problems.push(problem);
    if (problem !== undefined || !folder.isDirectory()) continue;
    try {
      const versions = await surveyModel(join(root, folder.name));
      for (const [version, stamp] of versions) stamps.set(`${folder.name}/${version}`, stamp);
    } catch {
      unreadable.push(folder.name);
      problems.push(`The folder of the model "${folder.name}" cannot be read`);
    }
  }
  return { stamps, unreadable, problems };
}

async function explain(root: string, folder: Dirent): Promise<string | undefined> {
  const { name } = folder;
  if (folder.isSymbolicLink()) return `"${name}" in the models folder is a symbolic link, and links are not followed`;
  if (!folder.isDirectory()) return undefined;
  if (name === 'stats' || !MODEL_NAME_PATTERN.test(name))
    return `"${name}" in the models folder is not a name that a model may have`;
  const misplaced = await stampOf(join(root, name, 'model.onnx'));
  return misplaced === ''
    ? undefined
    : `"${name}/model.onnx" belongs into a folder of its version, such as "${name}/1/model.onnx"`;
}

async function surveyModel(directory: string): Promise<ReadonlyMap<string, string>> {
  const versions = new Map<string, string>();
  const manifest = await stampOf(join(directory, 'model.yaml'));
  for (const folder of await visible(directory)) {
    if (!MODEL_NAME_PATTERN.test(folder.name) || folder.isFile()) continue;
    const stamp = await stampFolder(join(directory, folder.name));
    // A folder such as `assets` is none of ours; one that is called `3` is surely meant to be a version.
    const isVersion = isOrdered(folder.name) || stamp.some((line) => line.startsWith('model.onnx '));
    if (isVersion) versions.set(folder.name, [manifest, ...stamp].join('\n'));
  }
  return versions;
}

async function stampFolder(directory: string): Promise<readonly string[]> {
  const self = await lstat(directory).catch(() => undefined);
  // A link is told apart by its own stamp, and never followed.
  if (!self?.isDirectory()) return [`not a folder ${await stampOf(directory)}`];
  const files = await visible(directory).catch(() => []);
  const lines = files.map(async ({ name }) => `${name} ${await stampOf(join(directory, name))}`);
  return (await Promise.all(lines)).sort();
}

async function visible(directory: string): Promise<Dirent[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  return entries.filter(({ name }) => !name.startsWith('.'));
}

/** Size and times of a file or link itself; empty when it is not there. */
async function stampOf(path: string): Promise<string> {
  try {
    const stats: BigIntStats = await lstat(path, { bigint: true });
    return `${stats.ino} ${stats.mode} ${stats.nlink} ${stats.size} ${stats.mtimeNs}`;
  } catch {
    return '';
  }
}
