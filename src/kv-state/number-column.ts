/**
 * A column of numbers in as few bytes as the range of its values asks for.
 *
 * Counts, sums of whole numbers and instants lie close together: of each, only the distance to the least of them is
 * written, in one, two or four bytes. What has a fraction, or lies too far apart, takes its eight bytes.
 *
 * @module
 */
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";

/** How many bytes a number takes that is written as it is. */
const asItIs = 8;

/** Writes `count` numbers of which one lies every `stride` places, from `first` on. */
export const writeNumbers = (
  writer: ByteWriter,
  numbers: Float64Array,
  first: number,
  stride: number,
  count: number,
): void => {
  const end = first + count * stride;
  let least = Infinity;
  let greatest = -Infinity;
  for (let at = first; at < end; at += stride) {
    const number = numbers[at];
    // Neither a fraction nor NaN is its own floor.
    if (number !== Math.floor(number)) {
      greatest = NaN;
      break;
    }
    if (number < least) least = number;
    if (number > greatest) greatest = number;
  }
  if (least <= 0 && greatest >= 0 && hasNegativeZero(numbers, first, stride, end)) greatest = NaN;
  const size = sizeOf(greatest - least);
  writer.byte(size);
  if (size === asItIs) {
    let to = writer.skip(8 * count);
    const { view } = writer;
    for (let at = first; at < end; at += stride, to += 8) view.setFloat64(to, numbers[at], true);
    return;
  }
  writer.number(least);
  let to = writer.skip(size * count);
  const { view } = writer;
  if (size === 1) {
    for (let at = first; at < end; at += stride) view.setUint8(to++, numbers[at] - least);
  } else if (size === 2) {
    for (let at = first; at < end; at += stride, to += 2) view.setUint16(to, numbers[at] - least, true);
  } else if (size === 4) {
    for (let at = first; at < end; at += stride, to += 4) view.setUint32(to, numbers[at] - least, true);
  }
};

/** How many bytes the distances to the least number take when the greatest of them is `range`: none where all are equal. */
const sizeOf = (range: number): number =>
  range === 0 ? 0 : range < 2 ** 8 ? 1 : range < 2 ** 16 ? 2 : range < 2 ** 32 ? 4 : asItIs;

const hasNegativeZero = (numbers: Float64Array, first: number, stride: number, end: number): boolean => {
  for (let at = first; at < end; at += stride) if (numbers[at] === 0 && 1 / numbers[at] < 0) return true;
  return false;
};

/** The fewest bytes that a column takes, however many numbers it has. */
export const numbersBytesMin = 9;

/** Reads `count` numbers to every `stride`th place, from `first` on. @throws {TypeError} If they are not there. */
export const readNumbers = (
  reader: ByteReader,
  numbers: Float64Array,
  first: number,
  stride: number,
  count: number,
): void => {
  const end = first + count * stride;
  const size = reader.byte();
  if (size === asItIs) {
    let from = reader.skip(8 * count);
    const { view } = reader;
    for (let at = first; at < end; at += stride, from += 8) numbers[at] = view.getFloat64(from, true);
    return;
  }
  const least = reader.number();
  let from = reader.skip(size * count);
  const { view } = reader;
  if (size === 0) {
    for (let at = first; at < end; at += stride) numbers[at] = least;
  } else if (size === 1) {
    for (let at = first; at < end; at += stride) numbers[at] = least + view.getUint8(from++);
  } else if (size === 2) {
    for (let at = first; at < end; at += stride, from += 2) numbers[at] = least + view.getUint16(from, true);
  } else if (size === 4) {
    for (let at = first; at < end; at += stride, from += 4) numbers[at] = least + view.getUint32(from, true);
  } else {
    throw new TypeError("its numbers must have a known size");
  }
};
