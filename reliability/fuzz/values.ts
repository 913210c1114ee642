/**
 * Values of every kind that a pipeline, a file or a person may come up with.
 *
 * @module
 */
import type { Key } from "../../src/kv-state/key.ts";
import type { Draw } from "./draw.ts";

const texts = [
  "",
  "a",
  "id",
  "n",
  "__proto__",
  "constructor",
  "toString",
  "\0",
  "\0s",
  "\ud800",
  "\udc00x",
  "é",
  "\u{1f600}",
  "\u2028",
  "\uFEFF",
  "NaN",
  "1e999",
  "-0",
  "a\nb",
  "\r\n",
  '"',
  ",",
] as const;

/** A short text; lone surrogates, names that objects have by birth and control characters are among them. */
export const text = (draw: Draw): string => {
  if (!draw.once(3)) return draw.oneOf(texts);
  let drawn = "";
  for (let k = draw.below(12); k > 0; k--) {
    drawn += String.fromCharCode(draw.once(4) ? draw.below(65_536) : 32 + draw.below(95));
  }
  return drawn;
};

const numbers = [
  0,
  -0,
  1,
  -1,
  2,
  7,
  0.5,
  -1.5,
  255,
  256,
  65_535,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  8.64e15,
  -8.64e15,
  8.64e15 + 1,
  1e300,
  -1e308,
  5e-324,
  NaN,
  Infinity,
  -Infinity,
] as const;

const float = new Float64Array(1);
const floatWords = new Uint32Array(float.buffer);

/** A number: the ends of every range, NaN and the other zero are among them. */
export const number = (draw: Draw): number => {
  switch (draw.below(4)) {
    case 0:
      return draw.below(100);
    case 1:
      floatWords[0] = draw.word();
      floatWords[1] = draw.word();
      return float[0];
    default:
      return draw.oneOf(numbers);
  }
};

/** An event time: mostly close to others, now and then at an end of the range. */
export const time = (draw: Draw): number =>
  draw.once(12) ? draw.oneOf([0, -1, -8.64e15, 8.64e15, 253_402_300_799_999]) : draw.below(2_000) - 200;

/** A key of a flow. */
export const key = (draw: Draw, depth = 3): Key => {
  switch (draw.below(depth > 0 ? 9 : 8)) {
    case 0:
    case 1:
    case 2:
      return text(draw);
    case 3:
    case 4:
      return number(draw);
    case 5:
      return BigInt(draw.oneOf(["0", "1", "-1", "18446744073709551616", String(draw.word())]));
    case 6:
      return draw.below(2) === 0;
    case 7:
      return draw.bytes(6);
    default:
      return draw.list(3, () => key(draw, depth - 1));
  }
};

/** Something that JSON has a form for. */
export const json = (draw: Draw, depth = 3): unknown => {
  switch (draw.below(depth > 0 ? 8 : 6)) {
    case 0:
      return null;
    case 1:
      return draw.below(2) === 0;
    case 2:
    case 3: {
      const drawn = number(draw);
      return Number.isFinite(drawn) ? drawn : 1;
    }
    case 4:
    case 5:
      return text(draw);
    case 6:
      return draw.list(4, () => json(draw, depth - 1));
    default:
      return Object.fromEntries(draw.list(4, () => [text(draw), json(draw, depth - 1)]));
  }
};

/** Anything that the structured clone algorithm copies. */
export const clonable = (draw: Draw, depth = 3): unknown => {
  switch (draw.below(depth > 0 ? 12 : 8)) {
    case 0:
      return undefined;
    case 1:
      return number(draw);
    case 2:
      return text(draw);
    case 3:
      return BigInt(draw.word()) << BigInt(draw.below(80));
    case 4:
      return draw.bytes(8);
    case 5:
      return new Date(number(draw));
    case 6:
      return Float64Array.from(draw.list(3, () => number(draw)));
    case 8:
      return new Map(draw.list(3, () => [clonable(draw, depth - 1), clonable(draw, depth - 1)] as const));
    case 9:
      return new Set(draw.list(3, () => clonable(draw, depth - 1)));
    case 10:
      return draw.list(4, () => clonable(draw, depth - 1));
    default:
      return json(draw, depth);
  }
};

/** Anything at all that somebody may pass to an option. */
export const anything = (draw: Draw): unknown => {
  switch (draw.below(8)) {
    case 0:
      return Symbol("junk");
    case 1:
      return () => "junk";
    case 2:
      return Object.create(null);
    case 3:
      return [number(draw), number(draw)];
    case 4:
      return {
        [draw.oneOf(["seconds", "minutes", "hours", "millis", "days", "_tag", "_id"])]: draw.oneOf([
          number(draw),
          text(draw),
          null,
        ]),
      };
    case 5:
      return `${number(draw)}${draw.oneOf([" ", "", "  "])}${
        draw.oneOf(["second", "seconds", "millis", "minutes", "hours", "days", "weeks", "nanos", "years", "s"])
      }`;
    default:
      return clonable(draw);
  }
};
