/**
 * Dead letters: records that could not be handled, to be listed, shown, retried and discarded.
 *
 * @module
 */
export {
  DeadLetterError,
  DeadLetterErrorBase,
  type DeadLettersError,
  type DeadLetterStore,
  open,
} from "./dead-letter-store.ts";
export {
  type LetterCounts,
  type LetterFilter,
  letterGroupsMax,
  type LetterPage,
  pageLettersDefault,
  pageLettersMax,
  type PageOptions,
  type RetryOutcome,
  type StoredLetter,
} from "./stored-letter.ts";
export type { Coordinates } from "./dead-letter-layout.ts";
export type { RawForm, RecordParts } from "../actors/record-bytes.ts";
export { KvError, KvErrorBase, StateCorrupted, StateCorruptedBase } from "../kv-state/errors.ts";
export type { Kv, KvCheck, KvCommit, KvEntry, KvKey, KvMutation, KvProvider } from "../kv-state/kv.ts";
