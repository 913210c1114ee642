/**
 * What people write: durations, windows, triggers, watermarks, aggregates, time zones, recorded positions.
 *
 * @module
 */
import type { Duration } from "effect";
import assert from "node:assert/strict";
import { Aggregate, Trigger, Watermark, Window } from "@weir/streams";
import { SourceError } from "../../../src/streams/errors.ts";
import { numericPosition } from "../../../src/streams/sources/reading.ts";
import { aboveZero, atLeastOne, millisOf, notNegative, whole, wholeAboveZero } from "../../../src/windows/millis-of.ts";
import type { Draw } from "../draw.ts";
import type { Target } from "../target.ts";
import { anything, number, text, time } from "../values.ts";

/** Anything, said to be a duration. */
const duration = (draw: Draw): Duration.Input => anything(draw) as Duration.Input;

/** Anything, said to be a number. */
const count = (draw: Draw): number => (draw.once(3) ? number(draw) : anything(draw)) as number;

const makers: ReadonlyArray<(draw: Draw) => unknown> = [
  (draw) => Window.tumbling(duration(draw), { offset: duration(draw) }),
  (draw) => Window.sliding({ size: duration(draw), slide: duration(draw) }),
  (draw) => Window.session({ gap: duration(draw) }),
  (draw) => Window.count(count(draw)),
  (draw) => Window.count({ size: count(draw), slide: count(draw) }),
  (draw) => Window.tumblingProcessingTime(duration(draw)),
  (draw) => Window.slidingProcessingTime({ size: duration(draw), slide: duration(draw), offset: duration(draw) }),
  (draw) => Trigger.afterCount(count(draw)),
  (draw) => Trigger.afterEventTime(duration(draw)),
  (draw) => Trigger.afterProcessingTime(duration(draw)),
  (draw) => Watermark.boundedOutOfOrderness(duration(draw)),
  (draw) => Watermark.adaptive({ lossRate: count(draw), min: duration(draw), max: duration(draw) }),
  (draw) => Aggregate.decayed(Number, { halfLife: duration(draw) }),
  (draw) => Aggregate.rate({ per: duration(draw), over: duration(draw) }),
  (draw) => Aggregate.distinct(String, { atMost: count(draw) }),
  (draw) => Aggregate.approxDistinct(String, { standardError: count(draw) }),
  (draw) => Aggregate.histogram(Number, { boundaries: draw.list(3, () => number(draw)) }),
];

/** Options that take junk. */
export const options: Target = {
  name: "options",
  about: "anything at all to windows, triggers, watermarks and aggregates as a duration or number",
  rejects: ["RangeError"],
  check: (draw) => {
    const rule = draw.oneOf([wholeAboveZero, whole, aboveZero, notNegative, atLeastOne]);
    if (draw.once(3)) {
      const millis = millisOf("be fuzzed", "it", duration(draw), rule);
      assert.ok(rule.holds(millis));
    } else {
      draw.oneOf(makers)(draw);
    }
    return "accepted";
  },
};

const zones = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "Asia/Kathmandu",
  "Pacific/Apia",
  "Africa/Cairo",
  "America/Sao_Paulo",
  "+05:30",
  "-23:59",
  "Antarctica/Troll",
] as const;

const units = ["day", "week", "month", "quarter", "year"] as const;
const weekdays = ["monday", "sunday", "saturday"] as const;

/** Calendars, by zone and unit: to make one takes longer than to ask it. */
const made = new Map<string, ReturnType<typeof Window.calendar>>();

/** Time zones, units and event times. */
export const calendars: Target = {
  name: "calendar",
  about: "time zones and event times of any kind to Window.calendar",
  rejects: ["RangeError", "RangeError of the runtime"],
  check: (draw) => {
    if (draw.once(4)) {
      Window.calendar({
        unit: draw.once(3) ? anything(draw) as "day" : draw.oneOf(units),
        timeZone: draw.once(2) ? anything(draw) as string : `${draw.oneOf(zones)}${text(draw)}`,
        weekStartsOn: draw.once(6) ? anything(draw) as "monday" : draw.oneOf(weekdays),
      });
      return "accepted";
    }
    const unit = draw.oneOf(units);
    const timeZone = draw.oneOf(zones);
    const weekStartsOn = draw.oneOf(weekdays);
    const name = `${unit} ${timeZone} ${weekStartsOn}`;
    let calendar = made.get(name);
    if (calendar === undefined) made.set(name, calendar = Window.calendar({ unit, timeZone, weekStartsOn }));
    const instant = draw.once(2)
      ? Math.round((draw.word() / 2 ** 32 - 0.5) * 2 * 8.64e15 * draw.oneOf([1, 1e-3]))
      : time(draw);
    const [{ start, end }] = calendar.assign(instant, null);
    assert.ok(start <= instant && instant < end, `${instant} is not in [${start}, ${end})`);
    assert.deepEqual(calendar.assign(start, null), [{ start, end }]);
    assert.deepEqual(calendar.assign(end - 1, null), [{ start, end }]);
    assert.equal(calendar.assign(end, null)[0].start, end);
    return "accepted";
  },
};

/** Positions out of a control value. */
export const positions: Target = {
  name: "positions",
  about: "recorded positions of any kind to a source that counts in whole numbers",
  rejects: [],
  check: (draw) => {
    const position = draw.once(3) ? null : anything(draw) as number;
    const read = numericPosition("s", "p", position, 2 ** 53 - 1);
    if (read instanceof SourceError) {
      assert.equal(read.retryable, false);
      return "SourceError";
    }
    assert.ok(Number.isSafeInteger(read) && read >= 0);
    return "accepted";
  },
};
