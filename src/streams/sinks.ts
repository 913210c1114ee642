/**
 * Where flows end.
 *
 * @module
 */
export { console, type ConsoleOptions } from "./sinks/console.ts";
export { csv, type CsvColumn, type CsvSinkOptions } from "./sinks/csv.ts";
export { appendOnly, idempotent, type SinkOptions, transactional } from "./sinks/make.ts";
export { deadLetters, type DeadLettersOptions } from "./sinks/dead-letters.ts";
export { memory, type MemorySink } from "./sinks/memory.ts";
export { ndjson, type NdjsonSinkOptions } from "./sinks/ndjson.ts";
export { table, type TableMarker, type TableOptions } from "./sinks/table.ts";
export type {
  Acknowledged,
  AppendOnly,
  End,
  ForfeitedOutput,
  Idempotent,
  LiveOnly,
  Publication,
  Sink,
  SinkContext,
  SinkDriver,
  SinkFile,
  SinkOffset,
  SinkWriter,
  Transactional,
} from "../exactly-once/sink.ts";
export type { Kv, KvCheck, KvCommit, KvEntry, KvKey, KvMutation, KvProvider } from "../kv-state/kv.ts";
export {
  PublicationUnknown,
  PublicationUnknownBase,
  SinkError,
  SinkErrorBase,
  type SinkOpenError,
  StateBehindOutput,
  StateBehindOutputBase,
} from "../exactly-once/errors.ts";
