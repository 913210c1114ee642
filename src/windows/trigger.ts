/**
 * Triggers: when a window fires.
 *
 * A window collects records as a barrel collects rain; a trigger is the tap. Between two openings of the tap there is a
 * *pane*: what has come since. A trigger looks only at the pane (how many records are in it, when the first of them
 * came, how early they are), at the watermark and at the clock. So it has no state of its own, however it is composed.
 *
 * @module
 */
import type { Duration } from "effect";
import type { ByEventTime, WithoutEventTime } from "./assigner.ts";
import { inWords } from "./in-words.ts";
import { millisOf, wholeAboveZero } from "./millis-of.ts";

/** Fires at most once in the life of a window, so it fires one result for each key. */
export type FiresOnce = "once";

/** May fire several times, so a result may follow that says more. */
export type FiresRepeatedly = "repeatedly";

/** When a window fires. `F` says whether that may be more than once, `T` whether it looks at event time by itself. */
export interface Trigger<
  out F extends FiresOnce | FiresRepeatedly = FiresOnce | FiresRepeatedly,
  out T extends ByEventTime | WithoutEventTime = ByEventTime | WithoutEventTime,
> {
  /** Whether it may fire more than once. */
  readonly fires: F;
  /** Whether its conditions look at event time. */
  readonly time: T;
  /** What it is made of. */
  readonly rule: TriggerRule;
}

/** A condition of one pane: it is met or it is not yet. `T` says whether it looks at event time. */
export interface Condition<out T extends ByEventTime | WithoutEventTime = ByEventTime | WithoutEventTime> {
  /** Tells a condition from a trigger: what a type error about it ends in. */
  readonly fires: "a condition: wrap it in Trigger.repeatedly, Trigger.once or Trigger.atWatermark({ early })";
  /** Whether it looks at event time. */
  readonly time: T;
  /** What it is made of. */
  readonly rule: ConditionRule;
}

/** What a {@link Condition} is made of. */
export type ConditionRule =
  | { readonly _tag: "AfterCount"; readonly count: number }
  | { readonly _tag: "AfterEventTime"; readonly interval: number }
  | { readonly _tag: "AfterProcessingTime"; readonly delay: number }
  | { readonly _tag: "FirstOf" | "AllOf"; readonly conditions: ReadonlyArray<ConditionRule> };

/** What a {@link Trigger} is made of. */
export type TriggerRule =
  | {
    readonly _tag: "AtWatermark";
    /** Fires panes before the watermark reaches the end of the window, again and again; null for none. */
    readonly early: ConditionRule | null;
    /** Fires panes of late records, again and again. */
    readonly late: ConditionRule;
    /** Whether the pane at the end is fired even where nothing has come since the one before. */
    readonly onTimeAlways: boolean;
  }
  | { readonly _tag: "Once" | "Repeatedly"; readonly condition: ConditionRule };

/** What has come since a window last fired. */
export interface Pane {
  /** How many records. */
  readonly records: number;
  /** The processing time at which the first of them came, in epoch milliseconds. */
  readonly arrived: number;
  /**
   * The event time from which intervals count: the least, over the records, of the greater of a record's event time and
   * the watermark that it met. Infinity where there is no record.
   */
  readonly from: number;
}

/** Whether a condition is met. A pane without records meets none. */
export const isMet = (rule: ConditionRule, pane: Pane, watermark: number, now: number): boolean => {
  if (pane.records === 0) return false;
  switch (rule._tag) {
    case "AfterCount":
      return pane.records >= rule.count;
    case "AfterEventTime":
      return watermark >= nextMultiple(pane.from, rule.interval);
    case "AfterProcessingTime":
      return now >= pane.arrived + rule.delay;
    case "FirstOf":
      return rule.conditions.some((one) => isMet(one, pane, watermark, now));
    case "AllOf":
      return rule.conditions.every((one) => isMet(one, pane, watermark, now));
  }
};

/** The least watermark above `after` at which a condition may turn out to be met; Infinity if it depends on none. */
export const nextEventTime = (rule: ConditionRule, pane: Pane, after: number): number => {
  if (pane.records === 0) return Infinity;
  switch (rule._tag) {
    case "AfterEventTime": {
      const due = nextMultiple(pane.from, rule.interval);
      return due > after ? due : Infinity;
    }
    case "FirstOf":
    case "AllOf":
      return Math.min(...rule.conditions.map((one) => nextEventTime(one, pane, after)));
    default:
      return Infinity;
  }
};

/** The least processing time above `after` at which a condition may turn out to be met; Infinity if it depends on none. */
export const nextProcessingTime = (rule: ConditionRule, pane: Pane, after: number): number => {
  if (pane.records === 0) return Infinity;
  switch (rule._tag) {
    case "AfterProcessingTime": {
      const due = pane.arrived + rule.delay;
      return due > after ? due : Infinity;
    }
    case "FirstOf":
    case "AllOf":
      return Math.min(...rule.conditions.map((one) => nextProcessingTime(one, pane, after)));
    default:
      return Infinity;
  }
};

/** Whether a trigger looks at the clock. */
export const usesClock = (rule: TriggerRule): boolean => looksAt(rule, "AfterProcessingTime");

/** Whether a trigger looks at event time, besides the end of the window. */
export const usesEventTime = (rule: TriggerRule): boolean => looksAt(rule, "AfterEventTime");

const looksAt = (rule: TriggerRule, tag: ConditionRule["_tag"]): boolean => {
  const looks = (condition: ConditionRule): boolean =>
    condition._tag === tag || ("conditions" in condition && condition.conditions.some(looks));
  return rule._tag === "AtWatermark"
    ? (rule.early !== null && looks(rule.early)) || looks(rule.late)
    : looks(rule.condition);
};

const nextMultiple = (time: number, interval: number): number => (Math.floor(time / interval) + 1) * interval;

const condition = <T extends ByEventTime | WithoutEventTime>(time: T, rule: ConditionRule): Condition<T> => ({
  fires: "a condition: wrap it in Trigger.repeatedly, Trigger.once or Trigger.atWatermark({ early })",
  time,
  rule,
});

const positiveMillis = (what: string, input: Duration.Input): number =>
  millisOf("make a trigger", what, input, wholeAboveZero);

/**
 * Once `count` records have come since the last pane.
 *
 * @throws {RangeError} If the count is not a whole number above 0.
 *
 * @example
 * ```ts
 * import { Trigger } from "@weir/streams";
 *
 * const everyHundred = Trigger.atWatermark({ early: Trigger.afterCount(100) });
 * ```
 */
export const afterCount = (count: number): Condition<WithoutEventTime> => {
  if (!Number.isSafeInteger(count) || count <= 0) {
    throw new RangeError(
      `Cannot make a trigger as its count must be a whole number above 0: current value is ${inWords(count)}`,
    );
  }
  return condition("no event time", { _tag: "AfterCount", count });
};

/**
 * Once the watermark has passed the next multiple of `interval` (since the epoch, in UTC) after the records that have
 * come since the last pane.
 *
 * It does not depend on the clock, so the panes are the same in every run.
 *
 * @throws {RangeError} If the interval is not a whole number of milliseconds above 0.
 *
 * @example
 * ```ts
 * import { Trigger } from "@weir/streams";
 *
 * const everyMinute = Trigger.atWatermark({ early: Trigger.afterEventTime("1 minute") });
 * ```
 */
export const afterEventTime = (interval: Duration.Input): Condition<ByEventTime> =>
  condition("event time", { _tag: "AfterEventTime", interval: positiveMillis("an interval of event time", interval) });

/**
 * Once `delay` has gone by on the clock since the first record after the last pane came.
 *
 * Which records are in a pane then depends on when they came, so the panes differ from run to run; each is still
 * published exactly once, and the last one says the same.
 *
 * @throws {RangeError} If the delay is not a whole number of milliseconds above 0.
 *
 * @example
 * ```ts
 * import { Trigger } from "@weir/streams";
 *
 * const live = Trigger.atWatermark({ early: Trigger.afterProcessingTime("10 seconds") });
 * ```
 */
export const afterProcessingTime = (delay: Duration.Input): Condition<WithoutEventTime> =>
  condition("no event time", {
    _tag: "AfterProcessingTime",
    delay: positiveMillis("a delay of processing time", delay),
  });

const several = <T extends ByEventTime | WithoutEventTime>(
  _tag: "FirstOf" | "AllOf",
  conditions: ReadonlyArray<Condition<T>>,
): Condition<T> => {
  const stamped = conditions.find(({ time }) => time === "event time") ?? conditions.at(0);
  if (stamped === undefined) {
    throw new RangeError(`Cannot make a trigger as it must have a condition: current value is none`);
  }
  return condition(stamped.time, { _tag, conditions: conditions.map(({ rule }) => rule) });
};

/**
 * Once any of several conditions is met.
 *
 * @throws {RangeError} If there is none.
 *
 * @example
 * ```ts
 * import { Trigger } from "@weir/streams";
 *
 * const soon = Trigger.firstOf(Trigger.afterCount(1_000), Trigger.afterProcessingTime("5 seconds"));
 * ```
 */
export const firstOf = <T extends ByEventTime | WithoutEventTime>(
  ...conditions: ReadonlyArray<Condition<T>>
): Condition<T> => several("FirstOf", conditions);

/**
 * Once all of several conditions are met.
 *
 * @throws {RangeError} If there is none.
 *
 * @example
 * ```ts
 * import { Trigger } from "@weir/streams";
 *
 * const worthwhile = Trigger.allOf(Trigger.afterCount(10), Trigger.afterEventTime("1 minute"));
 * ```
 */
export const allOf = <T extends ByEventTime | WithoutEventTime>(
  ...conditions: ReadonlyArray<Condition<T>>
): Condition<T> => several("AllOf", conditions);

/** Each record is a pane of its own. */
const eachRecord: ConditionRule = { _tag: "AfterCount", count: 1 };

/**
 * What {@link atWatermark} is told.
 *
 * Conditions call no function of yours, so a trigger cannot fail while the job runs. As a window fires its aggregate is
 * asked for the result: if that throws, the job fails with a `UserCodeError`, also where `Flow.onError` handles defects.
 */
export interface AtWatermarkOptions<E extends Condition | undefined = Condition | undefined> {
  /** Fires early panes, again and again, until the watermark reaches the end of the window. Default: none. */
  readonly early?: E;
  /** Fires panes of late records, again and again. What is left is fired when the window closes. Default: each record. */
  readonly late?: Condition;
  /**
   * Whether the pane at the end is fired where nothing has come since an early one. With `"always"` the window fires once
   * more as it ends, with the same value, on time.
   *
   * By default a window whose last record is in an early pane fires no more, so it has no final result: use `"always"`
   * where you wait for one. Under an allowed lateness the result at the end is not final, as corrections may follow.
   *
   * @default {"when-changed"}
   */
  readonly onTime?: "when-changed" | "always";
}

/**
 * When the watermark reaches the end of the window; if asked to, early before that and, within the allowed lateness, late
 * after it.
 *
 * A window without a trigger has `Trigger.atWatermark()`.
 *
 * @example
 * ```ts
 * import { Trigger } from "@weir/streams";
 *
 * const trigger = Trigger.atWatermark({
 *   early: Trigger.afterProcessingTime("30 seconds"),
 *   late: Trigger.afterCount(100),
 * });
 * ```
 */
export const atWatermark = <E extends Condition | undefined = undefined>(
  options: AtWatermarkOptions<E> = {},
): Trigger<E extends Condition ? FiresRepeatedly : FiresOnce, E extends Condition<infer T> ? T : WithoutEventTime> => ({
  fires: (options.early === undefined ? "once" : "repeatedly") as E extends Condition ? FiresRepeatedly : FiresOnce,
  time: (options.early?.time ?? "no event time") as E extends Condition<infer T> ? T : WithoutEventTime,
  rule: {
    _tag: "AtWatermark",
    early: options.early?.rule ?? null,
    late: options.late?.rule ?? eachRecord,
    onTimeAlways: options.onTime === "always",
  },
});

/**
 * The first time that a condition is met, and no more. What comes later is fired when the window closes.
 *
 * @example
 * ```ts
 * import { Trigger } from "@weir/streams";
 *
 * const firstTen = Trigger.once(Trigger.afterCount(10));
 * ```
 */
export const once = <T extends ByEventTime | WithoutEventTime>(
  condition: Condition<T>,
): Trigger<FiresRepeatedly, T> => ({
  fires: "repeatedly",
  time: condition.time,
  rule: { _tag: "Once", condition: condition.rule },
});

/**
 * Each time that a condition is met, whatever the watermark. What is left is fired when the window closes.
 *
 * @example
 * ```ts
 * import { Trigger } from "@weir/streams";
 *
 * const everyTen = Trigger.repeatedly(Trigger.afterCount(10));
 * ```
 */
export const repeatedly = <T extends ByEventTime | WithoutEventTime>(
  condition: Condition<T>,
): Trigger<FiresRepeatedly, T> => ({
  fires: "repeatedly",
  time: condition.time,
  rule: { _tag: "Repeatedly", condition: condition.rule },
});

/** What a trigger is, in words that two runs of the same code share. */
export const describeTrigger = (rule: TriggerRule): string => {
  const one = (condition: ConditionRule): string => {
    switch (condition._tag) {
      case "AfterCount":
        return `count(${condition.count})`;
      case "AfterEventTime":
        return `eventTime(${condition.interval})`;
      case "AfterProcessingTime":
        return `processingTime(${condition.delay})`;
      default:
        return `${condition._tag}(${condition.conditions.map(one).join(",")})`;
    }
  };
  if (rule._tag !== "AtWatermark") return `${rule._tag}(${one(rule.condition)})`;
  const { early, late, onTimeAlways } = rule;
  return `AtWatermark(${early === null ? "" : `early=${one(early)} `}late=${one(late)}${
    onTimeAlways ? " always" : ""
  })`;
};
