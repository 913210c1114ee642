/**
 * Days, weeks and months of a time zone, as a calendar on the wall shows them.
 *
 * The wall is looked at every quarter of an hour of half a year: a day begins where it shows another date than before.
 */
import type { Span } from "./assigner.ts";

export type CalendarUnit = "day" | "week" | "month";

/** Zones whose clocks change within a quarter of a year of an instant, and never back across midnight. */
export const clockChanges = {
  /** 02:00 becomes 03:00. */
  "Europe/Berlin": Date.parse("2026-03-29T02:00+01:00"),
  /** 00:00 becomes 01:00. */
  "America/Sao_Paulo": Date.parse("2018-11-04T00:00-03:00"),
  /** 02:00 becomes 01:30. */
  "Australia/Lord_Howe": Date.parse("2026-04-05T02:00+11:00"),
  /** 00:00 of the 30th becomes 00:00 of the 31st. */
  "Pacific/Apia": Date.parse("2011-12-30T00:00-10:00"),
  /** 02:00 becomes 01:00, on the first day of a month. */
  "America/New_York": Date.parse("2026-11-01T02:00-04:00"),
} as const;

export type TimeZone = keyof typeof clockChanges;

const quarterHour = 900_000;
const day = 96 * quarterHour;

/** The instants at which days begin, with what the wall shows then. */
interface Days {
  readonly starts: ReadonlyArray<number>;
  readonly dates: ReadonlyArray<{ readonly weekday: string; readonly day: string }>;
}

const look = (timeZone: TimeZone): Days => {
  const wall = new Intl.DateTimeFormat("en", { timeZone, weekday: "short", day: "numeric" });
  const change = clockChanges[timeZone];
  const starts: Array<number> = [];
  const dates: Array<{ weekday: string; day: string }> = [];
  let before = wall.format(change - 90 * day);
  for (let instant = change - 90 * day; instant < change + 90 * day; instant += quarterHour) {
    const shown = wall.format(instant);
    if (shown !== before) {
      const parts = Object.fromEntries(wall.formatToParts(instant).map(({ type, value }) => [type, value]));
      starts.push(instant);
      dates.push({ weekday: parts["weekday"], day: parts["day"] });
    }
    before = shown;
  }
  return { starts, dates };
};

const looked = new Map<TimeZone, Days>();

/** The day, week (from Monday) or month of an instant not much further than a month from the zone's clock change. */
export const calendarWindowOf = (timeZone: TimeZone, unit: CalendarUnit, time: number): Span => {
  if (!looked.has(timeZone)) looked.set(timeZone, look(timeZone));
  const { starts, dates } = looked.get(timeZone)!;
  const borders = starts.filter((_, k) =>
    unit === "day" || (unit === "week" ? dates[k].weekday === "Mon" : dates[k].day === "1")
  );
  const next = borders.findIndex((border) => border > time);
  if (next <= 0) throw new Error(`The wall was not looked at around ${new Date(time).toISOString()}`);
  return { start: borders[next - 1], end: borders[next] };
};
