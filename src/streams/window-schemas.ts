/**
 * Schemas of what windows emit, for sinks that encode by Schema.
 *
 * @module
 */
import * as Schema from "@effect/schema";
import type { Late, Window, WindowResult } from "../windows/window.ts";

const windowSchema: Schema.Codec<Window, unknown> = Schema.Struct({ start: Schema.Number, end: Schema.Number });

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
 * const result = { key: "ada", window: { start: 0, end: 60_000 }, value: 3, pane: 0, final: true };
 * assert.deepEqual(Schema.encodeSync(schema)(result), result);
 * ```
 */
export const windowResultSchema = <K, B>(
  key: Schema.Codec<K, unknown>,
  value: Schema.Codec<B, unknown>,
): Schema.Codec<WindowResult<K, B>, unknown> =>
  Schema.Struct({ key, window: windowSchema, value, pane: Schema.Number, final: Schema.Boolean });

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
 * const late = { value: { id: 7 }, key: "ada", timestamp: 5, window: { start: 0, end: 10 }, watermark: 20 };
 * assert.deepEqual(Schema.encodeSync(schema)(late), late);
 * ```
 */
export const lateSchema = <A, K>(
  value: Schema.Codec<A, unknown>,
  key: Schema.Codec<K, unknown>,
): Schema.Codec<Late<A, K>, unknown> =>
  Schema.Struct({ value, key, timestamp: Schema.Number, window: windowSchema, watermark: Schema.Number });
