/**
 * How deltas are packed into the blocks of a segment: what is said once per delta, then the columns of all of them, down to
 * the bytes. Nothing is written row by row.
 *
 * @module
 */
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { type Delta, inRowOrder } from "./delta.ts";
import { numbersBytesMin, readNumbers, writeNumbers } from "./number-column.ts";
import { readRows, writeRows } from "./row-column.ts";
import { blockBytesMax, blockRowsMax, type Chunk, type SegmentPacker } from "./segment.ts";
import { readValues, writeValues } from "./value-column.ts";

/** The most numbers that the rows of one block have, but for a single row that has more. */
export const blockNumbersMax = 524_288;

/** What a delta's header says besides numbers: its namespace was dropped; its table is that of the delta before. */
const droppedFlag = 1;
const sameTableFlag = 2;
/** All of them together. */
const flagsMax = droppedFlag + sameTableFlag;

/** Writes deltas, whose rows ascend, as one block. */
const writeBlock = (writer: ByteWriter, deltas: ReadonlyArray<Delta>): void => {
  writer.whole(deltas.length);
  let table: string | null = null;
  for (const delta of deltas) {
    writer.byte((delta.dropped ? droppedFlag : 0) + (delta.table === table ? sameTableFlag : 0));
    if (delta.table !== table) writer.text(table = delta.table);
    writer.whole(delta.partition);
    writer.number(delta.namespace);
    writer.whole(delta.firstNewRow);
    writer.whole(delta.newKeys.length);
    writer.whole(delta.rows.length);
    writer.whole(delta.width);
    writer.whole(delta.objects.length);
    writer.whole(delta.removed.length);
  }
  for (const { rows, width, numbers, removed } of deltas) {
    writeRows(writer, rows);
    if (rows.length > 0) { for (let c = 0; c < width; c++) writeNumbers(writer, numbers, c, width, rows.length); }
    writeRows(writer, removed);
  }
  for (const group of byTable(deltas)) {
    writeValues(writer, all(group, (delta) => delta.newKeys));
    writeValues(writer, all(group, (delta) => delta.objects));
  }
};

/** Runs of deltas of one table, as their values are alike. */
function* byTable<A extends { readonly table: string }>(deltas: ReadonlyArray<A>): Generator<ReadonlyArray<A>, void> {
  for (let at = 0; at < deltas.length;) {
    const from = at;
    while (at < deltas.length && deltas[at].table === deltas[from].table) at++;
    yield deltas.slice(from, at);
  }
}

/** The lists of all deltas in one; itself where it is a single one. */
const all = <A>(deltas: ReadonlyArray<Delta>, of: (delta: Delta) => ReadonlyArray<A>): ReadonlyArray<A> => {
  if (deltas.length === 1) return of(deltas[0]);
  const values: Array<A> = [];
  for (const delta of deltas) for (const value of of(delta)) values.push(value);
  return values;
};

const malformed = (rule: string): never => {
  throw new TypeError(rule);
};

/** What the header of a delta says. */
interface Header extends Pick<Delta, "table" | "partition" | "namespace" | "dropped" | "firstNewRow" | "width"> {
  readonly keys: number;
  readonly rows: number;
  readonly objects: number;
  readonly removed: number;
}

const readHeader = (reader: ByteReader, before: Header | undefined): Header => {
  const flags = reader.byte();
  if (flags > flagsMax) malformed("the flags of its headers must be known");
  if ((flags & sameTableFlag) !== 0 && before === undefined) malformed("its first header must name a table");
  const header: Header = {
    table: (flags & sameTableFlag) === 0 ? reader.text() : before!.table,
    partition: reader.whole(),
    namespace: reader.number(),
    dropped: (flags & droppedFlag) !== 0,
    firstNewRow: reader.whole(),
    keys: reader.whole(),
    rows: reader.whole(),
    width: reader.whole(),
    objects: reader.whole(),
    removed: reader.whole(),
  };
  if (!Number.isFinite(header.namespace)) malformed("its headers must name tables");
  if (header.objects > 0 && header.objects !== header.rows) malformed("each of its rows must have its objects");
  return header;
};

/** How much the columns of a block hold, at most as much as a block may. */
const sizesOf = (headers: ReadonlyArray<Header>, bytesLeft: number) => {
  const sizes = { keys: 0, rows: 0, numbers: 0, removed: 0 };
  for (const { keys, rows, width, removed } of headers) {
    sizes.keys += keys;
    sizes.rows += rows;
    if (rows > 0 && width > bytesLeft / numbersBytesMin) malformed("it must not end early");
    sizes.numbers += rows * width;
    sizes.removed += removed;
  }
  const isBounded = sizes.keys + sizes.rows + sizes.removed <= blockRowsMax &&
    (sizes.numbers <= blockNumbersMax || sizes.rows === 1);
  return isBounded ? sizes : malformed("it must not hold more than a block does");
};

/**
 * The deltas of a block, in the order in which they were packed. Their arrays share the block's memory.
 *
 * @throws {TypeError} If it is no such block: what its headers promise must be there, and nothing else.
 */
export const unpackDeltas = (block: Uint8Array): Array<Delta> => {
  const reader = new ByteReader(block);
  const count = reader.whole();
  if (count > blockRowsMax) malformed("it must not hold more than a block does");
  const headers: Array<Header> = [];
  for (let k = 0; k < count; k++) headers.push(readHeader(reader, headers[k - 1]));
  const sizes = sizesOf(headers, reader.left);
  const rows = new Uint32Array(sizes.rows + sizes.removed);
  const numbers = new Float64Array(sizes.numbers);
  let rowsAt = 0;
  let numbersAt = 0;
  const columns = headers.map((header) => {
    const own = {
      rows: rows.subarray(rowsAt, rowsAt += header.rows),
      numbers: numbers.subarray(numbersAt, numbersAt += header.rows * header.width),
      removed: rows.subarray(rowsAt, rowsAt += header.removed),
    };
    readRows(reader, own.rows);
    if (header.rows > 0) {
      for (let c = 0; c < header.width; c++) readNumbers(reader, own.numbers, c, header.width, header.rows);
    }
    readRows(reader, own.removed);
    return own;
  });
  const deltas: Array<Delta> = [];
  for (const group of byTable(headers)) {
    const keys = readValues(reader, sum(group, (header) => header.keys));
    const objects = readValues(reader, sum(group, (header) => header.objects));
    if (!objects.every(Array.isArray)) malformed("its objects must be lists");
    let keysAt = 0;
    let objectsAt = 0;
    for (const { table, partition, namespace, dropped, firstNewRow, width, ...own } of group) {
      deltas.push({
        table,
        partition,
        namespace,
        dropped,
        firstNewRow,
        newKeys: keys.slice(keysAt, keysAt += own.keys),
        width,
        ...columns[deltas.length],
        objects: objects.slice(objectsAt, objectsAt += own.objects) as Array<Array<unknown>>,
      });
    }
  }
  if (reader.left > 0) malformed("it must end where its columns do");
  return deltas;
};

const sum = (headers: ReadonlyArray<Header>, of: (header: Header) => number): number =>
  headers.reduce((total, header) => total + of(header), 0);

/** The order of deltas in a segment: by table and keyed partition, so that segments can be merged as streams. */
export const compareDeltas = (a: Delta, b: Delta): number =>
  a.table < b.table ? -1 : a.table > b.table ? 1 : a.partition - b.partition;

const noRows = new Uint32Array(0);

/** How many entries a delta has; one for the delta itself. */
export const weightOf = (delta: Delta): number => 1 + delta.rows.length + delta.newKeys.length + delta.removed.length;

/** Collects deltas into blocks of bounded size and packs these into a segment. Deltas must come in their order. */
export class DeltaPacker {
  readonly #packer: SegmentPacker;
  readonly #writer = new ByteWriter();
  #pending: Array<Delta> = [];
  #weight = 0;

  /** Packs into `packer`. */
  constructor(packer: SegmentPacker) {
    this.#packer = packer;
  }

  /** Takes one delta, and yields the chunks of every block that is full. */
  *add(unordered: Delta): Generator<Chunk, void> {
    const delta = inRowOrder(unordered);
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
    const numbers = deltas.reduce((sum, delta) => sum + delta.numbers.length, 0);
    const block = numbers <= blockNumbersMax ? this.#write(deltas) : null;
    if (block !== null && block.byteLength <= blockBytesMax) return yield* this.#packer.cut(block);
    const parts = deltas.length > 1 ? deltas : splitDelta(deltas[0], Math.max(1, (weightOf(deltas[0]) - 1) >>> 1));
    if (parts.length < 2) return yield* this.#packer.cut(block ?? this.#write(deltas));
    const middle = parts.length >>> 1;
    yield* this.#pack(parts.slice(0, middle));
    yield* this.#pack(parts.slice(middle));
  }

  /** The bytes of a block, until the next one is written. */
  #write(deltas: ReadonlyArray<Delta>): Uint8Array {
    this.#writer.clear();
    writeBlock(this.#writer, deltas);
    return this.#writer.written;
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
  // Where rows bring their keys with them, all are cut like old ones.
  const oldRowsEnd = newKeys.length === 0 ? Infinity : firstNewRow;
  while (at < rows.length && rows[at] < oldRowsEnd) {
    let end = at;
    while (end < rows.length && end - at < weightMax && rows[end] < oldRowsEnd) end++;
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
