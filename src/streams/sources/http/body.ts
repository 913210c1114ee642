/**
 * What is in the body of a request: bytes within bounds, and records out of them.
 *
 * @module
 */
import type * as Schema from "@effect/schema";
import { Data, Effect, Stream } from "effect";
import { Rejected } from "../../source.ts";
import { blockBytes, Lines } from "../formats/lines.ts";
import { blank } from "../formats/records.ts";
import { lineDecoder } from "../formats/json-lines.ts";
import { parseJson, rejectedBytes, rejectedText, Undecodable, valueDecoder } from "../formats/value-decoder.ts";

/** How many bytes of a body that is too long are read and thrown away, so that its sender gets to read the answer. */
export const discardedBytesMax = 67_108_864;

/** How many records that cannot be decoded an answer tells of. */
export const rejectedToldMax = 100;

/** A request that is not taken. */
export class Refusal extends Data.TaggedError("Refusal")<{
  readonly status: number;
  readonly error: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly rejected?: ReadonlyArray<RejectedRecord>;
}> {}

/** A record that cannot be decoded, and where it stands: its line from 1, or its index in the array from 0. */
export interface RejectedRecord {
  readonly line?: number;
  readonly index?: number;
  readonly reason: string;
}

/** How the records of a body are written down. */
export type BodyFormat = "json" | "ndjson";

const formats: Readonly<Record<string, BodyFormat>> = {
  "application/json": "json",
  "application/x-ndjson": "ndjson",
  "application/ndjson": "ndjson",
  "application/jsonl": "ndjson",
};

/** How a request says that its body is to be read. */
export const formatOf = (headers: Headers): Effect.Effect<BodyFormat, Refusal> => {
  const contentType = headers.get("content-type") ?? "";
  const [type, ...parameters] = contentType.toLowerCase().split(";").map((part) => part.trim());
  const isUtf8 = parameters.every((parameter) => !/^charset=(?!"?utf-?8"?$)/.test(parameter));
  const isPlain = (headers.get("content-encoding") ?? "identity").toLowerCase() === "identity";
  const format = formats[type];
  if (format !== undefined && isUtf8 && isPlain) return Effect.succeed(format);
  const rule = format === undefined
    ? "its Content-Type must be application/json or application/x-ndjson"
    : !isUtf8
    ? "its body must be in UTF-8"
    : "its body must not have a Content-Encoding";
  const current = format === undefined || !isUtf8 ? contentType : headers.get("content-encoding");
  return Effect.fail(
    new Refusal({
      status: 415,
      error: `Cannot take the request as ${rule}: current value is ${current === "" ? "none" : `"${current}"`}`,
      headers: { "accept-post": "application/json, application/x-ndjson" },
    }),
  );
};

/**
 * The bytes of a body. Each piece of it is announced before it is kept: `reserve` says whether there is room.
 *
 * A body that is too long is read to its end and thrown away, up to a bound, as most clients read no answer before they
 * have sent it all.
 */
export const readBody = (
  request: Request,
  bytesMax: number,
  reserve: (bytes: number) => Effect.Effect<void, Refusal>,
): Effect.Effect<Uint8Array, Refusal> => {
  const tooLong = (bytes: string): Refusal =>
    new Refusal({
      status: 413,
      error: `Cannot take the request as its body must have at most ${bytesMax} bytes: current value is ${bytes}`,
    });
  const { body } = request;
  if (body === null) return Effect.succeed(new Uint8Array());
  return Effect.gen(function* () {
    const pieces: Array<Uint8Array> = [];
    const announced = Number(request.headers.get("content-length") ?? 0);
    let refusal = announced > bytesMax ? tooLong(String(announced)) : null;
    let length = 0;
    yield* Stream.fromReadableStream({ evaluate: () => body, onError: goneAway }).pipe(
      Stream.takeWhile(() => refusal === null || length <= discardedBytesMax),
      Stream.runForEach((piece) =>
        Effect.gen(function* () {
          length += piece.length;
          if (refusal === null && length > bytesMax) refusal = tooLong(`more than ${bytesMax}`);
          if (refusal !== null) return;
          yield* Effect.catch(reserve(piece.length), (full) => Effect.sync(() => void (refusal = full)));
          if (refusal === null) pieces.push(piece);
        })
      ),
    );
    if (refusal !== null) return yield* Effect.fail<Refusal>(refusal);
    const bytes = new Uint8Array(length);
    let offset = 0;
    for (const piece of pieces) {
      bytes.set(piece, offset);
      offset += piece.length;
    }
    return bytes;
  });
};

/** Nobody is there to read it. */
const goneAway = (): Refusal =>
  new Refusal({ status: 400, error: "Cannot take the request as its body must come to an end: current value is cut" });

/** The records of a body, in order. */
export interface BodyRecords<A> {
  readonly records: ReadonlyArray<A | Rejected>;
  /** How many of them cannot be decoded. */
  readonly rejectedCount: number;
  /** The first of those. */
  readonly rejected: ReadonlyArray<RejectedRecord>;
}

/** What decodes bodies by a Schema for their records. */
export const bodyDecoder = <A>(
  schema: Schema.ConstraintDecoder<A>,
  bytesMax: number,
): (format: BodyFormat, bytes: Uint8Array) => BodyRecords<A> => {
  const decodeLine = lineDecoder(schema, bytesMax);
  const { decodeValue } = valueDecoder(schema);

  const decodeLines = (bytes: Uint8Array): BodyRecords<A> => {
    const body = new CollectedRecords<A>();
    const lines = new Lines(0, bytesMax);
    let offset = 0;
    for (let line = 1; !lines.ended;) {
      for (; lines.next(); line++) {
        const record = decodeLine(lines);
        if (record !== blank) body.add(record, { line });
      }
      if (lines.ended) break;
      const piece = bytes.subarray(offset, offset + blockBytes);
      lines.space().set(piece);
      lines.filled(piece.length);
      offset += piece.length;
    }
    return body;
  };

  const decodeJson = (bytes: Uint8Array): BodyRecords<A> => {
    const body = new CollectedRecords<A>();
    let json: unknown;
    try {
      json = parseJson(utf8.decode(bytes));
    } catch {
      json = new Undecodable("is not UTF-8");
    }
    if (json instanceof Undecodable) {
      body.add(rejectedBytes(json.reason, bytes), { index: 0 });
      return body;
    }
    (Array.isArray(json) ? json : [json]).forEach((value, index) => {
      const record = decodeValue(value);
      body.add(record instanceof Undecodable ? rejectedText(record, textOf(value)) : record, { index });
    });
    return body;
  };
  return (format, bytes) => format === "json" ? decodeJson(bytes) : decodeLines(bytes);
};

class CollectedRecords<A> implements BodyRecords<A> {
  readonly records: Array<A | Rejected> = [];
  readonly rejected: Array<RejectedRecord> = [];
  rejectedCount = 0;

  add(record: A | Rejected, place: { readonly line?: number; readonly index?: number }): void {
    this.records.push(record);
    if (!(record instanceof Rejected)) return;
    if (this.rejectedCount++ < rejectedToldMax) this.rejected.push({ ...place, reason: record.reason });
  }
}

/** The JSON of a value that came out of JSON. */
const textOf = (value: unknown): string => {
  try {
    return JSON.stringify(value);
  } catch {
    return "nested too deeply to be shown"; // Reading JSON needs no stack, writing it does.
  }
};

// It removes a byte order mark.
const utf8 = new TextDecoder("utf-8", { fatal: true });
