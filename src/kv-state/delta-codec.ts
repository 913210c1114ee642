/**
 * How deltas are packed into the blocks of a segment: in columns shared by all deltas of a block, because one typed
 * array costs the serializer more than a hundred numbers in it.
 *
 * @module
 */
import { serialize } from "node:v8";
import type { Delta } from "./delta.ts";
import { blockBytesMax, blockRowsMax, type Chunk, type SegmentPacker } from "./segment.ts";

/**
 * A block: what is said once per delta, then the columns of all of them, one after the other.
 *
 * A header is table, partition, namespace, 1 if dropped, first new row, then the number of new keys, rows, numbers per
 * row, objects and removed rows.
 */
type Block = [
  headers: Array<string | number>,
  keys: ReadonlyArray<unknown>,
  rows: Uint32Array,
  numbers: Float64Array,
  objects: ReadonlyArray<unknown>,
  removed: Uint32Array,
];
const headerFields = 10;

/** Serializes deltas as one block. */
const packBlock = (deltas: ReadonlyArray<Delta>): Uint8Array => {
  const headers: Array<string | number> = [];
  let rowCount = 0;
  let numberCount = 0;
  let removedCount = 0;
  for (const delta of deltas) {
    headers.push(delta.table, delta.partition, delta.namespace, delta.dropped ? 1 : 0, delta.firstNewRow);
    headers.push(delta.newKeys.length, delta.rows.length, delta.width, delta.objects.length, delta.removed.length);
    rowCount += delta.rows.length;
    numberCount += delta.numbers.length;
    removedCount += delta.removed.length;
  }
  const keys: Array<unknown> = [];
  const rows = new Uint32Array(rowCount);
  const numbers = new Float64Array(numberCount);
  const objects: Array<unknown> = [];
  const removed = new Uint32Array(removedCount);
  let rowsAt = 0;
  let numbersAt = 0;
  let removedAt = 0;
  for (const delta of deltas) {
    for (const key of delta.newKeys) keys.push(key);
    rows.set(delta.rows, rowsAt);
    rowsAt += delta.rows.length;
    numbers.set(delta.numbers, numbersAt);
    numbersAt += delta.numbers.length;
    for (const list of delta.objects) objects.push(list);
    removed.set(delta.removed, removedAt);
    removedAt += delta.removed.length;
  }
  const block: Block = [headers, keys, rows, numbers, objects, removed];
  return serialize(block);
};

const isCount = (value: unknown): boolean => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

const malformed = (what: string): never => {
  throw new TypeError(what);
};

/** Checks that a value has the form of a {@link Block}, column by column. */
const checkBlock = (block: unknown): Block => {
  if (!Array.isArray(block)) return malformed("it must hold a list of columns");
  const [headers, keys, rows, numbers, objects, removed] = block;
  if (!Array.isArray(headers) || headers.length % headerFields > 0) malformed("its first column must hold headers");
  if (!Array.isArray(keys) || !Array.isArray(objects)) malformed("its keys and objects must be lists");
  if (!(rows instanceof Uint32Array) || !(removed instanceof Uint32Array)) malformed("its rows must be whole numbers");
  if (!(numbers instanceof Float64Array)) malformed("its numbers must be numbers");
  return block as Block;
};

/**
 * The deltas of a block, in the order in which they were packed. Their arrays share the block's memory.
 *
 * @throws {TypeError} If it is no such block: what its headers promise must be there, and nothing else.
 */
export const unpackDeltas = (block: unknown): Array<Delta> => {
  const [headers, keys, rows, numbers, objects, removed] = checkBlock(block);
  const deltas: Array<Delta> = [];
  let keysAt = 0;
  let rowsAt = 0;
  let numbersAt = 0;
  let objectsAt = 0;
  let removedAt = 0;
  for (let at = 0; at < headers.length; at += headerFields) {
    const [partition, namespace, dropped, firstNewRow, keyCount, rowCount, width, objectCount, removedCount] = headers
      .slice(at + 1, at + headerFields) as Array<number>;
    if (typeof headers[at] !== "string" || !Number.isFinite(namespace)) malformed("its headers must name tables");
    const counts = [partition, dropped, firstNewRow, keyCount, rowCount, width, objectCount, removedCount];
    if (!counts.every(isCount)) malformed("its headers must hold whole numbers");
    if (objectCount > 0 && objectCount !== rowCount) malformed("each of its rows must have its objects");
    deltas.push({
      table: headers[at] as string,
      partition,
      namespace,
      dropped: dropped === 1,
      firstNewRow,
      newKeys: keys.slice(keysAt, keysAt += keyCount),
      rows: rows.subarray(rowsAt, rowsAt += rowCount),
      width,
      numbers: numbers.subarray(numbersAt, numbersAt += rowCount * width),
      objects: objects.slice(objectsAt, objectsAt += objectCount) as Array<Array<unknown>>,
      removed: removed.subarray(removedAt, removedAt += removedCount),
    });
  }
  const isWhole = keysAt === keys.length && rowsAt === rows.length && numbersAt === numbers.length &&
    objectsAt === objects.length && removedAt === removed.length;
  if (!isWhole) malformed("its columns must be as long as its headers say");
  return deltas;
};

/** The order of deltas in a segment: by table and keyed partition, so that segments can be merged as streams. */
export const compareDeltas = (a: Delta, b: Delta): number =>
  a.table < b.table ? -1 : a.table > b.table ? 1 : a.partition - b.partition;

const noRows = new Uint32Array(0);

/** How many entries a delta has; one for the delta itself. */
export const weightOf = (delta: Delta): number => 1 + delta.rows.length + delta.newKeys.length + delta.removed.length;

/** Collects deltas into blocks of bounded size and packs these into a segment. Deltas must come in their order. */
export class DeltaPacker {
  readonly #packer: SegmentPacker;
  #pending: Array<Delta> = [];
  #weight = 0;

  /** Packs into `packer`. */
  constructor(packer: SegmentPacker) {
    this.#packer = packer;
  }

  /** Takes one delta, and yields the chunks of every block that is full. */
  *add(delta: Delta): Generator<Chunk, void> {
    const weight = weightOf(delta);
    if (weight > blockRowsMax) {
      for (const part of splitDelta(delta, blockRowsMax - 1)) yield* this.add(part);
      return;
    }
    if (this.#weight + weight > blockRowsMax) yield* this.end();
    this.#pending.push(delta);
    this.#weight += weight;
  }

  /** Yields the chunks of the last block. */
  *end(): Generator<Chunk, void> {
    const deltas = this.#pending;
    this.#pending = [];
    this.#weight = 0;
    if (deltas.length > 0) yield* this.#pack(deltas);
  }

  *#pack(deltas: ReadonlyArray<Delta>): Generator<Chunk, void> {
    const block = packBlock(deltas);
    if (block.byteLength <= blockBytesMax) return yield* this.#packer.cut(block);
    const halves = deltas.length > 1 ? deltas : splitDelta(deltas[0], Math.ceil(weightOf(deltas[0]) / 2));
    if (halves.length < 2) return yield* this.#packer.cut(block);
    const middle = halves.length >>> 1;
    yield* this.#pack(halves.slice(0, middle));
    yield* this.#pack(halves.slice(middle));
  }
}

/**
 * Cuts a delta into parts of at most about `weightMax` entries that give the same state when they are applied in order:
 * first the changes of old rows, then new rows in the order of their ids, each with its key, and removals last.
 */
export const splitDelta = (delta: Delta, weightMax: number): Array<Delta> => {
  const { rows, width, numbers, objects, firstNewRow, newKeys, removed } = inRowOrder(delta);
  const parts: Array<Delta> = [];
  let at = 0;
  /** Adds a part with the next rows up to `end`, and the new keys between two positions. */
  const part = (end: number, keysFrom: number, keysTo: number, removing: Uint32Array = noRows): void => {
    parts.push({
      ...delta,
      firstNewRow: firstNewRow + keysFrom,
      newKeys: newKeys.slice(keysFrom, keysTo),
      rows: rows.subarray(at, end),
      numbers: numbers.subarray(at * width, end * width),
      objects: objects.slice(at, end),
      removed: removing,
    });
    at = end;
  };
  while (at < rows.length && rows[at] < firstNewRow) {
    let end = at;
    while (end < rows.length && end - at < weightMax && rows[end] < firstNewRow) end++;
    part(end, 0, 0);
  }
  // A new row counts twice: its key and its entry.
  const keysPerPart = Math.max(1, weightMax >>> 1);
  for (let key = 0; key < newKeys.length; key += keysPerPart) {
    const keyEnd = Math.min(key + keysPerPart, newKeys.length);
    let end = at;
    while (end < rows.length && rows[end] < firstNewRow + keyEnd) end++;
    part(end, key, keyEnd);
  }
  if (at < rows.length) {
    throw new RangeError(`Cannot split a delta as each of its rows needs a key: row ${rows[at]} has none`);
  }
  for (let from = 0; from < removed.length; from += weightMax) {
    part(at, newKeys.length, newKeys.length, removed.subarray(from, from + weightMax));
  }
  return parts;
};

/** The same delta with its rows in ascending order; itself if they are already, as they usually are. */
const inRowOrder = (delta: Delta): Delta => {
  const { rows, width, numbers, objects } = delta;
  if (rows.every((row, i) => i === 0 || rows[i - 1] < row)) return delta;
  const order = Uint32Array.from(rows.keys()).sort((a, b) => rows[a] - rows[b]);
  const sorted = new Float64Array(numbers.length);
  order.forEach((from, to) => sorted.set(numbers.subarray(from * width, (from + 1) * width), to * width));
  return {
    ...delta,
    rows: order.map((index) => rows[index]),
    numbers: sorted,
    objects: objects.length === 0 ? objects : Array.from(order, (index) => objects[index]),
  };
};
