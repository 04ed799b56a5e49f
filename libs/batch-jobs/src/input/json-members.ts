/** A member of a JSON object, as it is written. */
export interface JsonMember {
  readonly key: string;
  /** The JSON of its value. */
  readonly value: string;
  /** The JSON of both. */
  readonly text: string;
}

const SPACES = /[ \t\r\n]*/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;

/** The members of an object in valid JSON, in order, also those whose key stands twice. */
export function membersOf(json: string): readonly JsonMember[] {
  const members: JsonMember[] = [];
  let at = skip(SPACES, json, json.indexOf('{') + 1);
  while (json[at] === '"') {
    const keyEnd = skip(STRING, json, at);
    const valueStart = skip(SPACES, json, skip(SPACES, json, keyEnd) + 1);
    const valueEnd = endOfValue(json, valueStart);
    members.push({
      key: JSON.parse(json.slice(at, keyEnd)) as string,
      value: json.slice(valueStart, valueEnd),
      text: json.slice(at, valueEnd),
    });
    at = skip(SPACES, json, skip(SPACES, json, valueEnd) + 1);
  }
  return members;
}

/** The JSON of an object with these members. */
export function objectOfMembers(members: readonly JsonMember[]): string {
  return `{${members.map(({ text }) => text).join(',')}}`;
}

function skip(pattern: RegExp, json: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(json) ? pattern.lastIndex : at;
}

function endOfValue(json: string, start: number): number {
  let depth = 0;
  for (let at = start; at < json.length; at++) {
    const character = json[at];
    if (character === '"') at = skip(STRING, json, at) - 1;
    else if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') {
      if (depth-- === 0) return at;
    } else if (depth === 0 && (character === ',' || ' \t\r\n'.includes(character ?? ''))) return at;
  }
  return json.length;
}
