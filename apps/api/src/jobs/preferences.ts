const LONGEST_WAIT_SECONDS = 60;
const WAIT = /^wait\s*=\s*(?:"(\d{1,9})"|(\d{1,9}))$/i;

/**
 * How many seconds a client prefers to wait, at most 60; undefined where it does not say. RFC 7240: what cannot be understood of
 * a `Prefer` header is passed over, and of a preference that stands twice the first one counts.
 */
export function preferredWait(header: string | readonly string[] | undefined): number | undefined {
  for (const preference of [header ?? []].flat().join(',').split(',')) {
    const [, quoted, plain] = WAIT.exec(preference.split(';')[0]?.trim() ?? '') ?? [];
    const seconds = quoted ?? plain;
    if (seconds !== undefined) return Math.min(Number(seconds), LONGEST_WAIT_SECONDS);
  }
  return undefined;
}

const TAG = /^(?:W\/)?"(\d{1,15})"$/;

/** The version in an `If-None-Match` header; undefined where it names none, or several. */
export function knownVersion(header: string | undefined): number | undefined {
  const version = TAG.exec(header?.trim() ?? '')?.[1];
  return version === undefined ? undefined : Number(version);
}

/** Whether an `If-None-Match` header names a version, among others or as `*`. RFC 9110, section 13.1.2: compared weakly. */
export function isKnown(header: string | undefined, version: number): boolean {
  if (header === undefined) return false;
  return header.split(',').some((tag) => tag.trim() === '*' || knownVersion(tag) === version);
}
