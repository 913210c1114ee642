/**
 * Where records come from.
 *
 * @module
 */
export { array } from "./sources/array.ts";
export { csv, type CsvSourceOptions, recordBytesMaxDefault } from "./sources/csv.ts";
export type { CsvRecord } from "./sources/formats/csv-records.ts";
export type { FileSourceOptions } from "./sources/files/file-source.ts";
export { type FollowOptions, pollIntervalMillisDefault } from "./sources/files/follow-options.ts";
export { fromStream, type FromStreamOptions } from "./sources/from-stream.ts";
export { generate, type GenerateOptions, paceBatchMillisMax, paceCatchUpMillisMax } from "./sources/generate.ts";
export {
  closeMillisMax,
  http,
  type HttpAddress,
  httpDefaults,
  type HttpSourceOptions,
  retryAfterSeconds,
} from "./sources/http.ts";
export { make, type ReplayEnd, type SourceOptions } from "./sources/make.ts";
export { type RetriedLetter, retries, type RetriesOptions } from "./sources/retries.ts";
export { lineBytesMaxDefault, ndjson, type NdjsonSourceOptions } from "./sources/ndjson.ts";
export {
  eventIdCharactersMax,
  reconnectAttemptsMax,
  reconnectBackoffMillisMax,
  reconnectMillisDefault,
  reconnectMillisMax,
  reconnectMillisMin,
  sse,
  type SseSourceOptions,
} from "./sources/sse.ts";
export { stdin, type StdinOptions } from "./sources/stdin.ts";
export {
  InPlaceOfRecord,
  type Position,
  PositionNotice,
  Rejected,
  rejectedBytesMax,
  type RejectedParts,
  type Source,
  type SourceBatch,
  WatermarkNotice,
} from "./source.ts";
export type { RecordParts } from "../actors/record-bytes.ts";
export { DecodeError, DecodeErrorBase, SourceError, SourceErrorBase } from "./errors.ts";
