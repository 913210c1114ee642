/**
 * A column of ascending row ids, of which the gaps are written: none where the rows follow each other, as the rows of a table
 * do that were all changed, else in as many bytes as the greatest gap asks for.
 *
 * @module
 */
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";

/** Writes ascending rows; not how many they are. */
export const writeRows = (writer: ByteWriter, rows: Uint32Array): void => {
  if (rows.length === 0) return;
  let greatest = 1;
  for (let k = 1; k < rows.length; k++) if (rows[k] - rows[k - 1] > greatest) greatest = rows[k] - rows[k - 1];
  const size = greatest === 1 ? 0 : greatest < 2 ** 8 ? 1 : greatest < 2 ** 16 ? 2 : 4;
  writer.byte(size);
  writer.whole(rows[0]);
  let to = writer.skip(size * (rows.length - 1));
  const { view } = writer;
  if (size === 1) {
    for (let k = 1; k < rows.length; k++) view.setUint8(to++, rows[k] - rows[k - 1]);
  } else if (size === 2) {
    for (let k = 1; k < rows.length; k++, to += 2) view.setUint16(to, rows[k] - rows[k - 1], true);
  } else if (size === 4) {
    for (let k = 1; k < rows.length; k++, to += 4) view.setUint32(to, rows[k] - rows[k - 1], true);
  }
};

/** Reads as many rows as there is room for. @throws {TypeError} If they are not there, or are no ascending row ids. */
export const readRows = (reader: ByteReader, into: Uint32Array): void => {
  if (into.length === 0) return;
  const size = reader.byte();
  let row = reader.whole();
  let from = reader.skip(size * (into.length - 1));
  const { view } = reader;
  into[0] = row;
  let least = 1;
  if (size === 0) {
    for (let k = 1; k < into.length; k++) into[k] = ++row;
  } else if (size === 1) {
    for (let k = 1; k < into.length; k++) {
      const gap = view.getUint8(from++);
      if (gap < least) least = gap;
      into[k] = row += gap;
    }
  } else if (size === 2) {
    for (let k = 1; k < into.length; k++, from += 2) {
      const gap = view.getUint16(from, true);
      if (gap < least) least = gap;
      into[k] = row += gap;
    }
  } else if (size === 4) {
    for (let k = 1; k < into.length; k++, from += 4) {
      const gap = view.getUint32(from, true);
      if (gap < least) least = gap;
      into[k] = row += gap;
    }
  } else {
    throw new TypeError("its rows must have a known size");
  }
  if (least === 0 || row >= 2 ** 32) throw new TypeError("its rows must be ascending ids");
};
