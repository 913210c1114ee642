/**
 * Dead letters as they are kept, listed and counted.
 *
 * @module
 */
import type { RawForm, RecordParts } from "../actors/record-bytes.ts";
import type { Coordinates, LetterBody } from "./dead-letter-layout.ts";

/** How many letters a page holds unless it is told otherwise. */
export const pageLettersDefault = 100;
/** How many letters a page may hold. */
export const pageLettersMax = 1_000;
/** How many groups of one operator and one reason are told apart; letters beyond are counted as `others`. */
export const letterGroupsMax = 1_000;

/** A dead letter as it is kept. */
export interface StoredLetter extends RecordParts {
  /** Its number: the letters of a store are counted from 1, the oldest first. */
  readonly number: number;
  /** The name of the source that its record came from; that of a `Source.retries` when it is the letter of a retry. */
  readonly source: string;
  /** The split that it came from. */
  readonly split: string;
  /** Where to read on after it in the split. */
  readonly position: number | string;
  /** The name of the operator that refused it. */
  readonly operator: string;
  /** What went wrong, in words. */
  readonly reason: string;
  /** The record's bytes, of one that has a key and headers those of its value; see `rawForm`. */
  readonly raw: Uint8Array;
  /** How many bytes there are of it in all. */
  readonly rawLength: number;
  /** What `raw` is: the bytes that the source read, or none; the record as JSON, or words about it. */
  readonly rawForm: RawForm;
  /** How often its record had been retried when it became this letter. */
  readonly tries: number;
  /** Where its record came from at first, when this is the letter of a retry; else null. */
  readonly first: Coordinates | null;
  /** `"retrying"` from when somebody asked for that until the job has its record. */
  readonly status: "waiting" | "retrying";
  /** Why it cannot be retried; null when it can be. */
  readonly obstacle: string | null;
}

/** Which letters are meant; all of them where nothing is said. */
export interface LetterFilter {
  /** Those that this operator refused. */
  readonly operator?: string;
  /** Those whose record came from this source, now or at first. */
  readonly source?: string;
  /** Those whose reason contains this text. */
  readonly reason?: string;
}

/** Which letters a page shows. */
export interface PageOptions extends LetterFilter {
  /**
   * The number behind which the page begins: `next` of the page before.
   *
   * @default {0}
   */
  readonly after?: number;
  /**
   * How many letters it holds at most, up to 1,000.
   *
   * @default {100}
   */
  readonly limit?: number;
}

/** Some letters, the oldest first. */
export interface LetterPage {
  /** The letters. */
  readonly letters: ReadonlyArray<StoredLetter>;
  /** What `after` of the next page is; null when there are no more. */
  readonly next: number | null;
}

/** How many letters there are, and of which kinds. */
export interface LetterCounts {
  /** All letters. */
  readonly letters: number;
  /** Those of them that are being retried. */
  readonly retrying: number;
  /** Those of them that cannot be retried. */
  readonly unretryable: number;
  /** How many there are of each operator and reason, the most first: 1,000 groups at most. */
  readonly groups: ReadonlyArray<{ readonly operator: string; readonly reason: string; readonly letters: number }>;
  /** How many are in no group, as there are too many groups. */
  readonly others: number;
}

/** What became of a request to retry. */
export interface RetryOutcome {
  /** How many letters are on their way now that were not before. */
  readonly retried: number;
  /** How many were on their way already; nothing is done twice. */
  readonly alreadyRetrying: number;
  /** How many letters that the filter matches cannot be retried. */
  readonly unretryable: number;
  /** How many that the filter matches somebody else was done with meanwhile: retried before, or discarded. */
  readonly gone: number;
}

/** Whether a filter means a letter. */
export const matching = ({ operator, source, reason }: LetterFilter) => (letter: StoredLetter): boolean =>
  (operator === undefined || letter.operator === operator) &&
  (source === undefined || letter.source === source || letter.first?.source === source) &&
  (reason === undefined || letter.reason.includes(reason));

/** Why a letter's record cannot be retried, if so. */
export const obstacleOf = (letter: LetterBody): string | null => {
  const { raw, rawLength, rawForm, key, keyLength, headers, headerCount, offset } = letter;
  if (rawForm === "words") return "the record has no form in JSON";
  if (raw.length < rawLength) return `only ${raw.length} of its ${rawLength} bytes were kept`;
  if (key !== null && key.length < keyLength) {
    return `only ${key.length} of the ${keyLength} bytes of its key were kept`;
  }
  if (headers.length < headerCount) return `only ${headers.length} of its ${headerCount} headers were kept`;
  // A record of a log may have neither key nor value. What has no place of its own, either, is none.
  const isNothing = raw.length === 0 && key === null && headerCount === 0 && offset === null;
  return isNothing ? "nothing of its record was kept" : null;
};
