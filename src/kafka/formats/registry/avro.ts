/**
 * How Avro's values are values of JavaScript: what `avsc` is told, and what it does not do by itself.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type avsc from "avsc";
import { jsonDepthMax, Undecodable } from "../../../streams/sources/formats/value-decoder.ts";
import { errorLine } from "../../../windows/error-words.ts";
import { inWords } from "../../../windows/in-words.ts";

/** `avsc`, once it is loaded. */
export type Avsc = typeof avsc;

/** What we use of a type of `avsc`. Which parts a type has says its name. */
export interface AvroType {
  readonly typeName: string;
  readonly fields?: ReadonlyArray<{ readonly type: AvroType }>;
  readonly itemsType?: AvroType;
  readonly valuesType?: AvroType;
  readonly types?: ReadonlyArray<AvroType>;
  readonly size?: number;
  readonly fromBuffer: (bytes: Buffer) => unknown;
  readonly toBuffer: (value: unknown) => Buffer;
  readonly isValid: (
    value: unknown,
    options: { readonly errorHook: (path: ReadonlyArray<string>, value: unknown, type: unknown) => void },
  ) => boolean;
}

/**
 * How `avsc` is to read a schema: fast, or with every `long` exact. It notes the names of a schema's types in the options, so
 * each schema has options of its own.
 */
export const avroOptions = (
  avro: Avsc,
  precision: "fast" | "exact",
): {
  // Written out: where `exactOptionalPropertyTypes` is off, what would be inferred is no dictionary of types.
  readonly registry: { [name: string]: avsc.Type };
  readonly typeHook: ReturnType<typeof wrappingNumbers>;
} => ({
  registry: precision === "fast" ? {} : { long: exactLong(avro) },
  typeHook: wrappingNumbers(avro),
});

/**
 * From here on, to both sides of zero, what `avsc` alone makes of a `long` may be wrong: it takes -(2 ** 52) - 1 for
 * 2 ** 52. What is larger than a number can be it refuses.
 */
const largeMin = 2 ** 52;

/** A number where it is exact, otherwise a bigint. It takes ten times as long as what `avsc` does alone. */
const exactLong = (avro: Avsc) =>
  avro.types.LongType.__with({
    fromBuffer: (bytes: Buffer): number | bigint => {
      const number = bytes.readInt32LE(4) * 2 ** 32 + bytes.readUInt32LE(0);
      return Number.isSafeInteger(number) ? number : bytes.readBigInt64LE(0);
    },
    toBuffer: (long: number | bigint): Buffer => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(long));
      return bytes;
    },
    fromJSON: (long: number): number => long,
    toJSON: (long: number | bigint): number => Number(long),
    isValid: (long: unknown): boolean =>
      typeof long === "bigint" ? BigInt.asIntN(64, long) === long : Number.isSafeInteger(long),
    compare: (a: number | bigint, b: number | bigint): number => a === b ? 0 : a < b ? -1 : 1,
  });

const numbers: ReadonlyArray<unknown> = ["int", "long", "float", "double"];

/**
 * Has a union with several kinds of numbers say which is meant, as `avsc` does with other branches that look the same. It
 * does not see that our long is a number, and would refuse to write.
 */
const wrappingNumbers = ({ Type, types }: Avsc) => {
  const Union = types.WrappedUnionType as unknown as new (
    branches: ReadonlyArray<unknown>,
    options: object,
  ) => avsc.Type;
  // deno-lint-ignore no-explicit-any -- `avsc` says no more of a schema
  return (schema: any, options: any): avsc.Type | undefined => {
    if (!Array.isArray(schema)) return undefined;
    const kinds = schema.filter((branch) => numbers.includes(typeof branch === "string" ? branch : branch?.type));
    return kinds.length < 2 ? undefined : new Union(schema.map((branch) => Type.forSchema(branch, options)), options);
  };
};

/** A schema as `avsc` has read it with both kinds of options. */
export interface AvroTypes {
  readonly fast: AvroType;
  readonly exact: AvroType;
}

/** What reads and writes by an Avro schema. */
export const avroReading = ({ fast, exact }: AvroTypes): {
  readonly read: (body: Uint8Array) => unknown;
  readonly write: (value: unknown) => Uint8Array;
} => {
  const names = typeNamesIn(fast, new Set(), new Set());
  const check = names.has("array") || names.has("map") ? skipping(fast, new Map()) : null;
  const holdsBytes = names.has("bytes") || names.has("fixed");
  const holdsLongs = names.has("long");
  const readFast = (buffer: Buffer): unknown => {
    const plain = new Plain();
    try {
      const value = plain.of(fast.fromBuffer(buffer), jsonDepthMax);
      return plain.isLarge && holdsLongs ? undefined : value;
    } catch (error) {
      if (holdsLongs) return undefined;
      throw error;
    }
  };
  return {
    read: (body) => {
      try {
        check?.(new Cursor(body));
        const buffer = bufferOf(body);
        const value = readFast(buffer);
        return value === undefined ? new Plain().of(exact.fromBuffer(buffer), jsonDepthMax) : value;
      } catch (error) {
        return new Undecodable(`does not fit its Avro schema: ${errorLine(error)}`);
      }
    },
    write: (value) => {
      let prepared = value;
      let type = exact;
      try {
        if (holdsBytes) prepared = withBuffers(value);
        type = holdsLongs && isLarge(value) ? exact : fast;
        return type.toBuffer(prepared);
      } catch (cause) {
        const what = misfit(type, prepared) ?? errorLine(cause);
        throw new TypeError(`Cannot encode a value as it must fit its Avro schema: current value is ${what}`, {
          cause,
        });
      }
    },
  };
};

/** The same bytes as a buffer of Node. */
const bufferOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

/** The names of all types that a type consists of. */
const typeNamesIn = (type: AvroType, names: Set<string>, seen: Set<AvroType>): Set<string> => {
  if (seen.has(type)) return names;
  seen.add(type);
  names.add(type.typeName);
  for (const part of partsOf(type)) typeNamesIn(part, names, seen);
  return names;
};

const partsOf = ({ fields = [], types = [], itemsType, valuesType }: AvroType): ReadonlyArray<AvroType> => [
  ...fields.map((field) => field.type),
  ...types,
  ...[itemsType, valuesType].filter((part) => part !== undefined),
];

/** What makes a plain value of what `avsc` has read. */
class Plain {
  /** Whether it has seen a number that is too large to be believed of `avsc` alone. */
  isLarge = false;

  /**
   * Plain objects in the place of the classes of `avsc`, and bytes of their own in the place of pieces of its pool, which a
   * structured clone would copy as a whole. What `avsc` has made is ours, so arrays are changed where they are.
   */
  of(value: unknown, depthLeft: number): unknown {
    if (typeof value === "number" && isLargeNumber(value)) this.isLarge = true;
    if (typeof value !== "object" || value === null) return value;
    if (depthLeft === 0) throw new RangeError(`it is nested more than ${jsonDepthMax} levels deep`);
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) value[i] = this.of(value[i], depthLeft - 1);
      return value;
    }
    if (value instanceof Uint8Array) return new Uint8Array(value);
    const object: Record<string, unknown> = {};
    for (const name of Object.keys(value)) object[name] = this.of((value as typeof object)[name], depthLeft - 1);
    return object;
  }
}

const isLargeNumber = (number: number): boolean => number >= largeMin || number <= -largeMin;

/** Whether a value has a bigint in it, or a number that is too large to be left to `avsc` alone. */
const isLarge = (value: unknown): boolean => {
  if (typeof value === "number") return isLargeNumber(value);
  if (typeof value !== "object" || value === null) return typeof value === "bigint";
  if (value instanceof Uint8Array) return false;
  if (Array.isArray(value)) return value.some(isLarge);
  for (const name in value) if (isLarge((value as Record<string, unknown>)[name])) return true;
  return false;
};

/** A value with buffers of Node in the place of its bytes: `avsc` takes no others. */
const withBuffers = (value: unknown): unknown => {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) return bufferOf(value);
  if (Array.isArray(value)) return value.map(withBuffers);
  const object: Record<string, unknown> = {};
  for (const name of Object.keys(value)) object[name] = withBuffers((value as typeof object)[name]);
  return object;
};

/** The first part of a value that does not fit, in words. */
const misfit = (type: AvroType, value: unknown): string | null => {
  const found: Array<string> = [];
  try {
    type.isValid(value, {
      errorHook: (path, part) =>
        found.push(path.length === 0 ? inWords(part) : `${inWords(part)} at ${path.join(".")}`),
    });
  } catch (error) {
    // A value that contains itself, for one: what was thrown first says so.
    if (!(error instanceof Error)) throw error;
  }
  return found[0] ?? null;
};

/** Goes over some bytes, and throws where they cannot be what they should be. */
type Skip = (cursor: Cursor) => void;

/** How many items without any bytes (nulls, empty records) the arrays of a record may have beside those with bytes. */
const emptyItemsMax = 100_000;

/** The bit of a byte that says that its number goes on. */
const moreBit = 0x80;
/** How many bytes a number has at most. */
const numberBytesMax = 10;

const protoKey = new TextEncoder().encode("__proto__");

/** A place in some bytes. */
class Cursor {
  #at = 0;
  #itemsLeft: number;

  constructor(readonly bytes: Uint8Array) {
    this.#itemsLeft = bytes.length + emptyItemsMax;
  }

  /** Goes on by so many bytes, and says where they begin. */
  skip(count: number): number {
    const from = this.#at;
    if (!(count >= 0 && count <= this.bytes.length - from)) throw new RangeError("truncated buffer");
    this.#at += count;
    return from;
  }

  /** A whole number, which may be rounded above 2 ** 53. */
  number(): number {
    let sum = 0;
    for (let k = 0; k < numberBytesMax; k++) {
      const byte = this.bytes[this.skip(1)];
      sum += (byte & ~moreBit) * 2 ** (7 * k);
      if (byte < moreBit) return sum % 2 === 0 ? sum / 2 : -(sum + 1) / 2;
    }
    throw new RangeError(`a number has more than ${numberBytesMax} bytes`);
  }

  /** How many items come next; 0 at the end. A block that says its size has a negative count. */
  count(): number {
    let count = this.number();
    if (count < 0) {
      count = -count;
      this.number();
    }
    this.#itemsLeft -= count;
    if (this.#itemsLeft < 0) throw new RangeError(`it claims more items than its ${this.bytes.length} bytes can hold`);
    return count;
  }

  /** Goes over a text that is a key. An object of JavaScript cannot have every one. */
  key(): void {
    const length = this.number();
    const from = this.skip(length);
    if (length === protoKey.length && protoKey.every((byte, k) => this.bytes[from + k] === byte)) {
      throw new RangeError('a map has the key "__proto__"');
    }
  }
}

/**
 * What goes over the bytes of a type before `avsc` reads them, where it has arrays or maps: `avsc` believes whatever count it
 * reads, and looks only at the end whether there were so many bytes, so a few broken bytes can take all memory.
 */
const skipping = (type: AvroType, made: Map<AvroType, Skip>): Skip => {
  const known = made.get(type);
  if (known !== undefined) return known;
  let skip: Skip = () => {};
  // A type may consist of itself.
  made.set(type, (cursor) => skip(cursor));
  const { typeName, fields = [], types = [], itemsType, valuesType, size = 0 } = type;
  if (typeName === "boolean") skip = (cursor) => cursor.skip(1);
  else if (typeName === "float") skip = (cursor) => cursor.skip(4);
  else if (typeName === "double") skip = (cursor) => cursor.skip(8);
  else if (typeName === "fixed") skip = (cursor) => cursor.skip(size);
  else if (typeName === "bytes" || typeName === "string") skip = (cursor) => cursor.skip(cursor.number());
  else if (typeName === "int" || typeName === "enum" || typeName === "long") skip = (cursor) => cursor.number();
  else if (itemsType !== undefined || valuesType !== undefined) {
    const item = skipping((itemsType ?? valuesType)!, made);
    skip = (cursor) => {
      for (let count = cursor.count(); count > 0; count = cursor.count()) {
        for (; count > 0; count--) {
          if (valuesType !== undefined) cursor.key();
          item(cursor);
        }
      }
    };
  } else if (typeName.startsWith("union")) {
    const branches = types.map((branch) => skipping(branch, made));
    skip = (cursor) => {
      const index = cursor.number();
      if (!(index in branches)) throw new RangeError(`a union has no branch ${index}`);
      branches[index](cursor);
    };
  } else if (fields.length > 0) {
    const parts = fields.map((field) => skipping(field.type, made));
    skip = (cursor) => {
      for (const part of parts) part(cursor);
    };
  }
  return skip;
};
