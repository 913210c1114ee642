/**
 * The Schemas of side outputs and results, as files of them are read back.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import { Result } from "effect";
import assert from "node:assert/strict";
import { Flow, type Source } from "@weir/streams";
import type { Draw } from "../draw.ts";
import type { Target } from "../target.ts";
import { json, text } from "../values.ts";

/** An object of JSON with a value of another kind here and there, or one too few. */
const mixedUp = (draw: Draw, sound: Record<string, unknown>): unknown => {
  if (draw.once(20)) return json(draw);
  const mixed = { ...sound };
  for (let k = draw.below(3); k > 0; k--) {
    const names = Object.keys(mixed);
    const name = names[draw.below(names.length)];
    if (draw.once(3)) delete mixed[name];
    else if (draw.once(6)) mixed[text(draw)] = json(draw);
    else mixed[name] = json(draw, 2);
  }
  return mixed;
};

/** Decodes; what is accepted is encoded and decoded again to the same. */
const check = (draw: Draw, schema: Schema.Codec<unknown, unknown>, sound: Record<string, unknown>): string => {
  const stored = JSON.parse(draw.note("json", JSON.stringify(mixedUp(draw, sound))));
  const decoded = Schema.decodeUnknownResult(schema)(stored);
  if (Result.isFailure(decoded)) return "refused by the schema";
  const encoded = Schema.encodeUnknownSync(schema)(decoded.success);
  assert.deepEqual(Schema.decodeUnknownSync(schema)(JSON.parse(JSON.stringify(encoded))), decoded.success);
  return "accepted";
};

/** What a dead letter says of its record besides the value. */
const parts = (draw: Draw): Source.RecordParts => {
  const key = draw.once(2) ? null : draw.bytes(12);
  const headers = Array.from(
    { length: draw.below(3) },
    () => [text(draw).toWellFormed(), draw.once(3) ? null : draw.bytes(12)] as const,
  );
  return {
    key,
    keyLength: key === null ? 0 : key.length + draw.below(3),
    headers,
    headerCount: headers.length + draw.below(3),
    offset: draw.oneOf([null, 0, 7]),
    timestamp: draw.oneOf([null, 0, 7]),
  };
};

/** Dead letters as JSON. */
export const deadLetters: Target = {
  name: "dead-letters",
  about: "JSON to Flow.deadLetterSchema, and dead letters to JSON and back",
  rejects: [],
  check: (draw) => {
    const raw = draw.bytes(12);
    if (draw.once(4)) {
      const letter: Flow.DeadLetter<unknown> = {
        source: "s",
        split: text(draw).toWellFormed(),
        position: draw.oneOf([0, 7, "cursor"]),
        operator: "o",
        reason: text(draw).toWellFormed(),
        error: null,
        raw,
        rawLength: raw.length + draw.below(3),
        rawForm: draw.oneOf(["bytes", "json", "words", "none"]),
        ...parts(draw),
      };
      const line = JSON.stringify(Schema.encodeSync(Flow.deadLetterSchema)(letter));
      assert.deepEqual(Schema.decodeUnknownSync(Flow.deadLetterSchema)(JSON.parse(line)), letter);
      return "accepted";
    }
    return check(draw, Flow.deadLetterSchema, {
      source: "s",
      split: "p",
      position: draw.oneOf([5, "x"]),
      operator: "o",
      reason: "r",
      ...draw.oneOf([{ raw: "text" }, { rawBase64: "AAE=" }, { rawBase64: text(draw) }, {}]),
      rawLength: 4,
      ...draw.oneOf([{}, { rawForm: "json" }, { rawForm: "none" }]),
      ...draw.oneOf([{}, { key: "text" }, { keyBase64: "AAE=", keyLength: 2 }, { keyLength: 4 }]),
      ...draw.oneOf([{}, { headers: [{ name: "h", value: "v" }, { name: text(draw) }], headerCount: 2 }]),
      ...draw.oneOf([{}, { offset: 4, timestamp: 5 }]),
    });
  },
};

const window = { start: 0, end: 60_000 };
const result = { key: "k", window, value: 3, pane: 0, timing: "on-time", final: true };

const schemas = [
  [Flow.windowResultSchema(Schema.String, Schema.Number), result],
  [Flow.windowChangeSchema(Schema.String, Schema.Number), { ...result, change: "add" }],
  [
    Flow.lateSchema(Schema.Struct({ id: Schema.Number }), Schema.String),
    { value: { id: 7 }, key: "k", timestamp: 5, window, watermark: 20, delay: 15 },
  ],
] as const;

/** Results, corrections and late records as JSON. */
export const windowSchemas: Target = {
  name: "window-schemas",
  about: "JSON to the Schemas of results, corrections and late records",
  rejects: [],
  check: (draw) => {
    const [schema, sound] = draw.oneOf(schemas);
    return check(draw, schema as Schema.Codec<unknown, unknown>, sound);
  },
};
