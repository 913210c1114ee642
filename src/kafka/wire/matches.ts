/**
 * Finds what was there before: the search of Snappy and LZ4 for repeated bytes.
 *
 * @module
 */

/** The least bytes that are worth a reference. */
const matchBytesMin = 4;

/** How many places are remembered at most, as a power of two: of few bytes there are fewer, as forgetting takes its time. */
const placesBitsMax = 14;

/** After how many places without a match, as a power of two, the search goes one byte faster. */
const patienceBits = 6;

/** How far back and how near the end a match may be. */
export interface MatchRules {
  /** How many bytes back it may begin. */
  readonly backMax: number;
  /** How many bytes at the end must not be part of a match. */
  readonly lastBytes: number;
  /** How many bytes before the end the last match must begin. */
  readonly beginsBefore: number;
}

/** Told of every match: the bytes from `from` to `to` are new, and the next `length` ones stand `back` before `to`. */
export type OnMatch = (from: number, to: number, back: number, length: number) => void;

/** Finds matches in some bytes, from the front to the back. Says from where on there are none. */
export const findMatches = (
  bytes: Uint8Array,
  { backMax, lastBytes, beginsBefore }: MatchRules,
  onMatch: OnMatch,
): number => {
  const shift = Math.max(32 - placesBitsMax, Math.min(31, Math.clz32(bytes.length)));
  const places = new Int32Array(2 ** (32 - shift)).fill(-1);
  const end = bytes.length - lastBytes;
  const last = Math.min(bytes.length - beginsBefore, end - matchBytesMin);
  let from = 0;
  let misses = 0;
  for (let at = 0; at <= last;) {
    const place = Math.imul(wordAt(bytes, at), 0x9e3779b1) >>> shift;
    const before = places[place];
    places[place] = at;
    if (before === -1 || at - before > backMax || wordAt(bytes, before) !== wordAt(bytes, at)) {
      at += 1 + (misses++ >>> patienceBits);
      continue;
    }
    let length = matchBytesMin;
    while (at + length < end && bytes[before + length] === bytes[at + length]) length++;
    onMatch(from, at, at - before, length);
    at += length;
    from = at;
    misses = 0;
  }
  return from;
};

const wordAt = (bytes: Uint8Array, at: number): number =>
  bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
