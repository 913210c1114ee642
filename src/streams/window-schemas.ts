/**
 * Schemas of what windows emit, for sinks that encode by Schema.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import type { Late, Timing, Window, WindowChange, WindowResult } from "../windows/window.ts";

const windowSchema: Schema.Codec<Window, unknown> = Schema.Struct({ start: Schema.Number, end: Schema.Number });

const timingSchema: Schema.Codec<Timing, unknown> = Schema.Literals(["early", "on-time", "late"]);

/**
 * The Schema of a window's results, from those of their key and value.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Schema } from "effect";
 * import { Flow } from "@weir/streams";
 *
 * const schema = Flow.windowResultSchema(Schema.String, Schema.Number);
 * const result = { key: "ada", window: { start: 0, end: 60_000 }, value: 3, pane: 0, timing: "on-time" as const, final: true };
 * assert.deepEqual(Schema.encodeSync(schema)(result), result);
 * ```
 */
export const windowResultSchema = <K, B>(
  key: Schema.Codec<K, unknown>,
  value: Schema.Codec<B, unknown>,
): Schema.Codec<WindowResult<K, B>, unknown> =>
  Schema.Struct({ key, window: windowSchema, value, pane: Schema.Number, timing: timingSchema, final: Schema.Boolean });

/**
 * The Schema of what a window says whose panes retract each other.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Schema } from "effect";
 * import { Flow } from "@weir/streams";
 *
 * const schema = Flow.windowChangeSchema(Schema.String, Schema.Number);
 * const window = { start: 0, end: 60_000 };
 * const said = { key: "ada", window, value: 3, pane: 0, timing: "early", final: false, change: "add" } as const;
 * assert.deepEqual(Schema.encodeSync(schema)(said), said);
 * ```
 */
export const windowChangeSchema = <K, B>(
  key: Schema.Codec<K, unknown>,
  value: Schema.Codec<B, unknown>,
): Schema.Codec<WindowChange<K, B>, unknown> =>
  Schema.Struct({
    key,
    window: windowSchema,
    value,
    pane: Schema.Number,
    timing: timingSchema,
    final: Schema.Boolean,
    change: Schema.Literals(["add", "retract"]),
  });

/**
 * The Schema of a window's late records, from those of the records and their key.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Schema } from "effect";
 * import { Flow } from "@weir/streams";
 *
 * const schema = Flow.lateSchema(Schema.Struct({ id: Schema.Number }), Schema.String);
 * const late = { value: { id: 7 }, key: "ada", timestamp: 5, window: { start: 0, end: 10 }, watermark: 20, delay: 15 };
 * assert.deepEqual(Schema.encodeSync(schema)(late), late);
 * ```
 */
export const lateSchema = <A, K>(
  value: Schema.Codec<A, unknown>,
  key: Schema.Codec<K, unknown>,
): Schema.Codec<Late<A, K>, unknown> =>
  Schema.Struct({
    value,
    key,
    timestamp: Schema.Number,
    window: windowSchema,
    watermark: Schema.Number,
    delay: Schema.Number,
  });
