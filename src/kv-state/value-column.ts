/**
 * A column of values of any kind.
 *
 * Where all of them are numbers, objects of one shape, or lists of one length, they are cut into columns again, so that names
 * are written once. What is left is written as the structured clone algorithm does it. That two values were one object need
 * not be kept, but what many share is written once.
 *
 * @module
 */
import { deserialize, serialize } from "node:v8";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { readNumbers, writeNumbers } from "./number-column.ts";

/** How values are written: not at all, in one of the ways above, or as clones. */
const kind = { none: 0, numbers: 1, clones: 2, lists: 3, objects: 4 } as const;

/** How many values there must be for objects to be cut into columns: each column costs something of its own. */
const shapedValuesMin = 8;
/** How deep columns are cut into columns. */
const columnDepthMax = 4;
/** How many values all columns of one column may have together. */
const columnCellsMax = 262_144;

/** What is left of the limits above. Whoever writes and whoever reads count alike. */
interface Room {
  cells: number;
}

const takeRoom = (room: Room, cells: number): boolean => {
  if (cells > room.cells) return false;
  room.cells -= cells;
  return true;
};

/**
 * Writes values; not how many they are.
 *
 * @throws {Error} If one of them cannot be cloned.
 */
export const writeValues = (writer: ByteWriter, values: ReadonlyArray<unknown>): void =>
  write(writer, values, 0, { cells: columnCellsMax });

const write = (writer: ByteWriter, values: ReadonlyArray<unknown>, depth: number, room: Room): void => {
  if (values.length === 0) return writer.byte(kind.none);
  if (isNumbers(values)) {
    writer.byte(kind.numbers);
    const numbers = new Float64Array(values.length);
    for (let at = 0; at < values.length; at++) numbers[at] = values[at];
    return writeNumbers(writer, numbers, 0, 1, values.length);
  }
  if (values.length >= shapedValuesMin && depth < columnDepthMax && !areShared(values)) {
    const length = lengthOf(values);
    if (length > 0 && takeRoom(room, length * values.length)) {
      writer.byte(kind.lists);
      writer.whole(length);
      for (let k = 0; k < length; k++) write(writer, partsOf(values as ReadonlyArray<List>, k), depth + 1, room);
      return;
    }
    const names = namesOf(values);
    if (names !== null && takeRoom(room, names.length * values.length)) {
      writer.byte(kind.objects);
      writer.whole(names.length);
      for (const name of names) writer.text(name);
      const lists = values.map((value) => Object.values(value as Shaped));
      for (let k = 0; k < names.length; k++) write(writer, partsOf(lists, k), depth + 1, room);
      return;
    }
  }
  writer.byte(kind.clones);
  writer.bytes(serialize(values));
};

/** Whether neighbours are one object: clones are written once for all of them, columns would be as often as it is met. */
const areShared = (values: ReadonlyArray<unknown>): boolean => {
  for (let at = 1; at < values.length; at++) {
    if (values[at] === values[at - 1] && typeof values[at] === "object" && values[at] !== null) return true;
  }
  return false;
};

type List = ReadonlyArray<unknown>;
type Shaped = Record<string, unknown>;

/** What each of the lists has in one place. */
const partsOf = (lists: ReadonlyArray<List>, place: number): ReadonlyArray<unknown> => {
  const parts: Array<unknown> = [];
  for (let at = 0; at < lists.length; at++) parts.push(lists[at][place]);
  return parts;
};

const isNumbers = (values: ReadonlyArray<unknown>): values is ReadonlyArray<number> => {
  for (const value of values) if (typeof value !== "number") return false;
  return true;
};

/** The length of lists that all have the same, and nothing but their items; else 0. */
const lengthOf = (values: ReadonlyArray<unknown>): number => {
  const [first] = values;
  if (!Array.isArray(first) || first.length === 0) return 0;
  const { length } = first;
  const last = String(length - 1);
  for (const value of values) {
    if (!Array.isArray(value) || value.length !== length) return 0;
    // Indices come first, in ascending order: if the last name is the last index, there is no gap and nothing else.
    const names = Object.keys(value);
    if (names.length !== length || names[length - 1] !== last) return 0;
  }
  return length;
};

/** The names of the properties of plain objects that all have the same, in the same order; else null. */
const namesOf = (values: ReadonlyArray<unknown>): ReadonlyArray<string> | null => {
  const [first] = values;
  if (!isPlain(first)) return null;
  const names = Object.keys(first);
  if (names.length === 0 || names.includes("__proto__")) return null;
  for (const value of values) {
    if (!isPlain(value)) return null;
    let k = 0;
    for (const name in value) if (name !== names[k++]) return null;
    if (k !== names.length) return null;
  }
  return names;
};

const isPlain = (value: unknown): value is Shaped =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;

const malformed = (rule: string): never => {
  throw new TypeError(rule);
};

/** Reads `count` values. @throws {TypeError} If they are not there. */
export const readValues = (reader: ByteReader, count: number): ReadonlyArray<unknown> =>
  read(reader, count, 0, { cells: columnCellsMax });

const read = (reader: ByteReader, count: number, depth: number, room: Room): ReadonlyArray<unknown> => {
  switch (reader.byte()) {
    case kind.none:
      return count === 0 ? [] : malformed("its values must be as many as its headers say");
    case kind.numbers: {
      const numbers = new Float64Array(count);
      readNumbers(reader, numbers, 0, 1, count);
      return Array.from(numbers);
    }
    case kind.clones: {
      const values = clonesFrom(reader.bytes());
      if (!Array.isArray(values) || values.length !== count) malformed("its values must be as many as its headers say");
      return values as Array<unknown>;
    }
    case kind.lists: {
      const columns = readColumns(reader, count, depth, room, reader.whole());
      const lists: Array<Array<unknown>> = [];
      for (let at = 0; at < count; at++) {
        const list: Array<unknown> = [];
        for (const column of columns) list.push(column[at]);
        lists.push(list);
      }
      return lists;
    }
    case kind.objects: {
      const names: Array<string> = [];
      for (let left = reader.whole(); left > 0; left--) names.push(reader.text());
      const columns = readColumns(reader, count, depth, room, names.length);
      const objects: Array<Shaped> = [];
      for (let at = 0; at < count; at++) {
        const value: Shaped = {};
        for (let k = 0; k < names.length; k++) value[names[k]] = columns[k][at];
        objects.push(value);
      }
      return objects;
    }
    default:
      return malformed("its values must be of a known kind");
  }
};

const readColumns = (
  reader: ByteReader,
  count: number,
  depth: number,
  room: Room,
  length: number,
): ReadonlyArray<ReadonlyArray<unknown>> => {
  if (depth === columnDepthMax || count === 0 || !takeRoom(room, length * count)) {
    malformed("its columns must not be more than are written");
  }
  const columns: Array<ReadonlyArray<unknown>> = [];
  for (let k = 0; k < length; k++) columns.push(read(reader, count, depth + 1, room));
  return columns;
};

/** Values that the structured clone algorithm wrote. */
const clonesFrom = (bytes: Uint8Array): unknown => {
  try {
    return deserialize(bytes);
  } catch (error) {
    return malformed(`its values must be readable: ${String(error)}`);
  }
};
