/**
 * Calendar windows: the days, weeks, months, quarters and years of a time zone, however long they are.
 *
 * @module
 */
import type { OneWindow, SpansAssigner } from "./assigner.ts";
import { inWords } from "./in-words.ts";
import type { Window } from "./window.ts";

/** What a calendar is divided into. */
export type CalendarUnit = "day" | "week" | "month" | "quarter" | "year";

/** A day of the week. */
export type Weekday = "monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday";

/** What {@link calendar} is told. */
export interface CalendarOptions {
  /** What a window lasts: one day, week, month, quarter or year. */
  readonly unit: CalendarUnit;
  /** The name of a zone in the IANA time zone database, such as `"Europe/Berlin"`; or `"UTC"`, or an offset as `"+05:30"`. */
  readonly timeZone: string;
  /**
   * The day with which a week begins.
   *
   * @default {"monday"}
   */
  readonly weekStartsOn?: Weekday;
}

/** The days of the week in the order in which `Temporal` counts them, from 1. */
const weekdays: ReadonlyArray<Weekday> = [
  "monday",
  "tuesday",
  "wednesday",
  "thursday",
  "friday",
  "saturday",
  "sunday",
];

/** The lengths of the units, for `Temporal`. */
const lengths: Readonly<Record<CalendarUnit, Temporal.DurationLike>> = {
  day: { days: 1 },
  week: { days: 7 },
  month: { months: 1 },
  quarter: { months: 3 },
  year: { years: 1 },
};

/** How many windows are remembered: enough for a few splits that are not at the same place. */
const rememberedMax = 8;

/** A zone's name as the runtime writes it. */
const zoneNamed = (timeZone: string): string => {
  try {
    return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(timeZone).timeZoneId;
  } catch {
    throw new RangeError(`Cannot make a window as its time zone must be known: current value is ${inWords(timeZone)}`);
  }
};

/** The first day of the unit that a day is in. */
const firstDay = (date: Temporal.PlainDate, unit: CalendarUnit, weekStart: number): Temporal.PlainDate => {
  switch (unit) {
    case "day":
      return date;
    case "week":
      return date.subtract({ days: (date.dayOfWeek - weekStart + 7) % 7 });
    case "month":
      return date.with({ day: 1 });
    case "quarter":
      return date.with({ month: date.month - (date.month - 1) % 3, day: 1 });
    case "year":
      return date.with({ month: 1, day: 1 });
  }
};

/**
 * The days, weeks, months, quarters or years of a time zone.
 *
 * A window begins with the first instant of its first day there, which is midnight unless a clock change skips it. So
 * a day is 23 or 25 hours long where clocks change, and a day that a zone left out has no window. Windows follow each
 * other without gap or overlap: where clocks are set back across midnight, the new day begins with the first midnight.
 *
 * The rules of time zones are those of the runtime. When a newer one knows other rules, windows that are open stay as they
 * are.
 *
 * @throws {RangeError} If the time zone, the unit or the day of the week is unknown; when a record is assigned, if its
 * window reaches beyond the range of dates.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Window } from "@weir/streams";
 *
 * const daily = Window.calendar({ unit: "day", timeZone: "Europe/Berlin" });
 * const [day] = daily.assign(Date.parse("2026-03-29T12:00:00+02:00"), null);
 * assert.equal(day.end - day.start, 23 * 3_600_000);
 * ```
 */
export const calendar = (options: CalendarOptions): SpansAssigner<unknown, OneWindow> => {
  const { unit, weekStartsOn = "monday" } = options;
  const timeZone = zoneNamed(options.timeZone);
  if (typeof unit !== "string" || !Object.hasOwn(lengths, unit)) {
    throw new RangeError(
      `Cannot make a window as its unit must be one of ${Object.keys(lengths).join(", ")}: current value is ${
        inWords(unit)
      }`,
    );
  }
  const weekStart = weekdays.indexOf(weekStartsOn) + 1;
  if (weekStart === 0) {
    throw new RangeError(
      `Cannot make a window as a week must begin with one of ${weekdays.join(", ")}: current value is ${
        inWords(weekStartsOn)
      }`,
    );
  }
  const startOf = (date: Temporal.PlainDate): number => date.toZonedDateTime(timeZone).epochMilliseconds;

  const find = (timestamp: number): Window => {
    const instant = Temporal.Instant.fromEpochMilliseconds(Math.floor(timestamp));
    let date = firstDay(instant.toZonedDateTimeISO(timeZone).toPlainDate(), unit, weekStart);
    let start = startOf(date);
    let end = startOf(date.add(lengths[unit]));
    // Clocks that were set back across midnight show the day before once more, after the new one has begun.
    while (timestamp >= end) {
      date = date.add(lengths[unit]);
      start = end;
      end = startOf(date.add(lengths[unit]));
    }
    return { start, end };
  };

  // Most records fall into the window of the one before. What is remembered is a copy of what would be found again.
  let nearest: ReadonlyArray<Window> = [{ start: 0, end: 0 }];
  const remembered: Array<ReadonlyArray<Window>> = [];
  let oldest = 0;
  return {
    _tag: "Spans",
    windows: "each record in one window",
    time: "event time",
    fingerprint: `calendar(${unit},${timeZone}${unit === "week" ? `,from ${weekStartsOn}` : ""})`,
    assign: (timestamp) => {
      const holds = ([{ start, end }]: ReadonlyArray<Window>): boolean => timestamp >= start && timestamp < end;
      if (holds(nearest)) return nearest;
      const known = remembered.find(holds);
      if (known !== undefined) return nearest = known;
      nearest = [find(timestamp)];
      remembered[oldest] = nearest;
      oldest = (oldest + 1) % rememberedMax;
      return nearest;
    },
  };
};
