/**
 * The NDJSON source: every line is a record, a rejection or blank, and it can be read on after any of them.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { Effect, Stream } from "effect";
import assert from "node:assert/strict";
import { Source } from "@weir/streams";
import type { Draw } from "../draw.ts";
import type { Target } from "../target.ts";
import { linesOf, someLines } from "./lines.ts";

const schema = Schema.Struct({ id: Schema.NullOr(Schema.String), n: Schema.Unknown });

/** The file that inputs are written to, one for each thread. */
let path: string | null = null;

const blank = /^[ \t\r]*$/;

interface Read {
  readonly position: unknown;
  readonly record: unknown;
}

const readFrom = async (
  source: Source.Source<unknown, unknown, unknown, unknown>,
  split: string,
  position: number | null,
): Promise<Array<Read>> => {
  const read: Array<Read> = [];
  const batches = source.read(split, position, 7) as Stream.Stream<Source.SourceBatch<unknown>, Source.SourceError>;
  await Effect.runPromise(
    Stream.runForEach(
      batches,
      ({ records, positions }) =>
        Effect.sync(() => records.forEach((record, k) => read.push({ position: positions[k], record }))),
    ),
  );
  return read;
};

/** What a record is to the eye: rejections are objects of their own. */
const shown = ({ position, record }: Read): unknown =>
  record instanceof Source.Rejected
    ? [position, "rejected", record.reason, record.rawLength, record.raw.toHex()]
    : [position, record];

const check = async (draw: Draw): Promise<string> => {
  const bytes = draw.note("bytes", someLines(draw));
  const lineBytesMax = draw.oneOf([40, 1_048_576]);
  path ??= await Deno.makeTempFile({ suffix: ".ndjson" });
  await Deno.writeFile(path, bytes);
  const source = Source.ndjson("fuzzed", { paths: path, schema, lineBytesMax });
  const all = await readFrom(source, path, null);
  let rejected = 0;
  for (const { record } of all) {
    if (!(record instanceof Source.Rejected)) continue;
    rejected++;
    assert.ok(record.reason.length > 0);
    assert.ok(record.raw.length <= Source.rejectedBytesMax && record.raw.length <= record.rawLength);
  }
  const expected = linesOf(bytes).filter(({ bytes: line, position }) =>
    // A byte order mark is no content where the file begins.
    !blank.test(
      new TextDecoder("utf-8", { ignoreBOM: position !== 0 && line.byteOffset !== bytes.byteOffset }).decode(line),
    ) ||
    line.length > lineBytesMax
  );
  assert.deepEqual(all.map(({ position }) => position), expected.map(({ position }) => position));
  if (all.length > 0) {
    const from = draw.below(all.length);
    const rest = await readFrom(source, path, all[from].position as number);
    assert.deepEqual(rest.map(shown), all.slice(from + 1).map(shown));
  }
  return rejected === 0 ? "accepted" : "accepted, with rejected lines";
};

/** Files of lines to `Source.ndjson`. */
export const ndjson: Target = {
  name: "ndjson",
  about: "files of lines, to Source.ndjson, from the beginning and from any of its positions",
  rejects: [],
  share: 0.25,
  check,
};
