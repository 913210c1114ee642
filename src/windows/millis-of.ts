/**
 * Durations that an option is told, in milliseconds.
 *
 * Where a duration cuts time into pieces (windows, panes, groups of duplicates) it is a whole number of milliseconds, so
 * that every border is one that a timestamp can name. Where it is only waited for or compared with, it may have fractions.
 *
 * @module
 */
import { Duration, Option } from "effect";
import { inWords } from "./in-words.ts";

/** What the milliseconds of a duration must be. */
export interface MillisRule {
  /** What stands behind "must be". */
  readonly words: string;
  readonly holds: (millis: number) => boolean;
}

/** For what time is cut by. */
export const wholeAboveZero: MillisRule = {
  words: "a whole number of milliseconds above 0",
  holds: (millis) => Number.isSafeInteger(millis) && millis > 0,
};

/** For what moves a border. */
export const whole: MillisRule = { words: "a whole number of milliseconds", holds: Number.isSafeInteger };

/** For what something is divided by. */
export const aboveZero: MillisRule = {
  words: "a finite number of milliseconds above 0",
  holds: (millis) => Number.isFinite(millis) && millis > 0,
};

/** For what is waited. */
export const notNegative: MillisRule = {
  words: "finite and not negative",
  holds: (millis) => Number.isFinite(millis) && millis >= 0,
};

/** For what recurs on the clock. */
export const atLeastOne: MillisRule = {
  words: "finite and at least 1 millisecond",
  holds: (millis) => Number.isFinite(millis) && millis >= 1,
};

/** Why an option's duration cannot be taken: a rule, and what it is instead. */
export interface MillisRefusal {
  readonly rule: string;
  readonly current: string;
}

/** The milliseconds of an option's duration, or why it cannot be taken. */
export const readMillis = (option: string, input: Duration.Input, rule: MillisRule): number | MillisRefusal => {
  const millis = typeof input === "number" ? input : hasNaN(input) ? NaN : Duration.fromInput(input).pipe(
    Option.match({ onNone: () => NaN, onSome: Duration.toMillis }),
  );
  // Effect takes NaN for no time at all.
  if (Number.isNaN(millis)) {
    return { rule: `${option} must be a duration such as "30 seconds"`, current: inWords(input) };
  }
  return rule.holds(millis) ? millis : { rule: `${option} must be ${rule.words}`, current: String(millis) };
};

/**
 * The milliseconds of an option's duration.
 *
 * @throws {RangeError} If it is no duration, or breaks the rule: "Cannot ⟨action⟩ as ⟨option⟩ must be …".
 */
export const millisOf = (action: string, option: string, input: Duration.Input, rule: MillisRule): number => {
  const read = readMillis(option, input, rule);
  if (typeof read === "number") return read;
  throw new RangeError(`Cannot ${action} as ${read.rule}: current value is ${read.current}`);
};

/** Whether a part of a duration, such as its seconds, is NaN. */
const hasNaN = (input: Duration.Input): boolean =>
  typeof input === "object" && input !== null && Object.values(input).some(Number.isNaN);
