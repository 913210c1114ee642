/**
 * Windows that a calendar, a function, a clock or a count gives: what a record is assigned to.
 *
 * Times are written as a clock on the wall shows them, with the offset from UTC that was in force.
 */
import assert from "node:assert/strict";
import { DateTime, Schema } from "effect";
import fc from "fast-check";
import { Aggregate, Flow, Job, Sink, Source, Watermark, Window } from "@weir/streams";
import { memoryKv } from "../src/testing/memory-kv.ts";
import { assertSameBag, run, runToEnd } from "./support.ts";

const hour = 3_600_000;

/** The one window of an instant, as the clocks of its time zone show it. */
const windowAt = (options: Window.CalendarOptions, at: string): string => {
  const windows = Window.calendar(options).assign(Date.parse(at), null);
  assert.equal(windows.length, 1);
  const write = (millis: number): string =>
    Temporal.Instant.fromEpochMilliseconds(millis).toZonedDateTimeISO(options.timeZone)
      .toString({ timeZoneName: "never", smallestUnit: "second" });
  return `${write(windows[0].start)} ${write(windows[0].end)}`;
};

const hoursOf = ([{ start, end }]: ReadonlyArray<Window.Window>): number => (end - start) / hour;

// ---------------------------------------------------------------------------------------------------------------------
// Calendars

// on the wall 00:00    02:00 03:00                    00:00
//             |        |<--->| does not exist         |
// day         [---------------------------------------)       23 hours
Deno.test("a day on which clocks are set forward has 23 hours", () => {
  const options = { unit: "day", timeZone: "Europe/Berlin" } as const;
  assert.equal(windowAt(options, "2026-03-29T12:00:00+02:00"), "2026-03-29T00:00:00+01:00 2026-03-30T00:00:00+02:00");
  assert.equal(hoursOf(Window.calendar(options).assign(Date.parse("2026-03-29T12:00:00+02:00"), null)), 23);
});

// on the wall 00:00    02:00 03:00 02:00 03:00        00:00
//             |        [-----------[ twice            |
// day         [---------------------------------------)       25 hours
Deno.test("a day on which clocks are set back has 25 hours", () => {
  const options = { unit: "day", timeZone: "Europe/Berlin" } as const;
  assert.equal(windowAt(options, "2026-10-25T02:30:00+02:00"), "2026-10-25T00:00:00+02:00 2026-10-26T00:00:00+01:00");
  assert.equal(windowAt(options, "2026-10-25T02:30:00+01:00"), "2026-10-25T00:00:00+02:00 2026-10-26T00:00:00+01:00");
  assert.equal(hoursOf(Window.calendar(options).assign(Date.parse("2026-10-25T12:00:00+01:00"), null)), 25);
});

// on the wall  23:00    24:00 = 01:00                 00:00
//              |        |                             |
// days        ----------)[----------------------------)
Deno.test("a day whose midnight does not exist begins with its first instant", () => {
  assert.equal(
    windowAt({ unit: "day", timeZone: "America/Sao_Paulo" }, "2018-11-04T12:00:00-02:00"),
    "2018-11-04T01:00:00-02:00 2018-11-05T00:00:00-02:00",
  );
  assert.equal(
    windowAt({ unit: "day", timeZone: "America/Sao_Paulo" }, "2018-11-03T23:59:59-03:00"),
    "2018-11-03T00:00:00-03:00 2018-11-04T01:00:00-02:00",
  );
  assert.equal(
    windowAt({ unit: "day", timeZone: "Asia/Beirut" }, "2022-03-27T12:00:00+03:00"),
    "2022-03-27T01:00:00+03:00 2022-03-28T00:00:00+03:00",
  );
});

// on the wall 17th, 23:00     24:00 = 23:00     24:00
//             |               |                 |
// day         ------------------------------------)     the hour before midnight comes twice
Deno.test("an hour before midnight that comes twice belongs to its day both times", () => {
  for (const offset of ["-02:00", "-03:00"]) {
    assert.equal(
      windowAt({ unit: "day", timeZone: "America/Sao_Paulo" }, `2018-02-17T23:30:00${offset}`),
      "2018-02-17T00:00:00-02:00 2018-02-18T00:00:00-03:00",
    );
  }
});

// on the wall 28th, 23:01   24:00 00:01 = 23:01   24:00
//             |             |     |               |
// days        --------------)[-----------------------------   the 28th shows again when the 29th has begun
Deno.test("where clocks are set back across midnight the new day begins with the first midnight", () => {
  const options = { unit: "day", timeZone: "America/St_Johns" } as const;
  const of29th = "2006-10-29T00:00:00-02:30 2006-10-30T00:00:00-03:30";
  assert.equal(windowAt(options, "2006-10-28T23:30:00-02:30"), "2006-10-28T00:00:00-02:30 2006-10-29T00:00:00-02:30");
  assert.equal(windowAt(options, "2006-10-29T00:00:30-02:30"), of29th);
  assert.equal(windowAt(options, "2006-10-28T23:30:00-03:30"), of29th);
  assert.equal(windowAt(options, "2006-10-29T00:00:30-03:30"), of29th);
});

// on the wall 29th          24:00 = 31st, 00:00
//             |             |                   |
// days        [-------------)[------------------)       there was no 30th
Deno.test("a day that a time zone left out has no window", () => {
  const options = { unit: "day", timeZone: "Pacific/Apia" } as const;
  assert.equal(windowAt(options, "2011-12-29T23:59:59-10:00"), "2011-12-29T00:00:00-10:00 2011-12-31T00:00:00+14:00");
  assert.equal(windowAt(options, "2011-12-31T00:00:00+14:00"), "2011-12-31T00:00:00+14:00 2012-01-01T00:00:00+14:00");
});

Deno.test("offsets need not be whole hours, and dates before 1970 are dates like others", () => {
  assert.equal(
    windowAt({ unit: "day", timeZone: "Asia/Kathmandu" }, "2026-06-01T03:00:00+05:45"),
    "2026-06-01T00:00:00+05:45 2026-06-02T00:00:00+05:45",
  );
  assert.equal(
    windowAt({ unit: "day", timeZone: "Australia/Lord_Howe" }, "2026-04-05T12:00:00+10:30"),
    "2026-04-05T00:00:00+11:00 2026-04-06T00:00:00+10:30",
  );
  assert.equal(
    windowAt({ unit: "month", timeZone: "Europe/Berlin" }, "1945-05-08T23:01:00+02:00"),
    "1945-05-01T00:00:00+02:00 1945-06-01T00:00:00+03:00",
  );
  assert.equal(
    windowAt({ unit: "day", timeZone: "+05:30" }, "1969-12-31T20:00:00Z"),
    "1970-01-01T00:00:00+05:30 1970-01-02T00:00:00+05:30",
  );
});

Deno.test("weeks begin on Monday unless another day is named; months, quarters and years on their first day", () => {
  const timeZone = "America/New_York";
  const at = "2026-11-04T12:00:00-05:00"; // a Wednesday
  assert.equal(windowAt({ unit: "week", timeZone }, at), "2026-11-02T00:00:00-05:00 2026-11-09T00:00:00-05:00");
  assert.equal(
    windowAt({ unit: "week", timeZone, weekStartsOn: "sunday" }, at),
    "2026-11-01T00:00:00-04:00 2026-11-08T00:00:00-05:00",
  );
  assert.equal(
    windowAt({ unit: "week", timeZone, weekStartsOn: "wednesday" }, at),
    "2026-11-04T00:00:00-05:00 2026-11-11T00:00:00-05:00",
  );
  assert.equal(windowAt({ unit: "month", timeZone }, at), "2026-11-01T00:00:00-04:00 2026-12-01T00:00:00-05:00");
  assert.equal(windowAt({ unit: "quarter", timeZone }, at), "2026-10-01T00:00:00-04:00 2027-01-01T00:00:00-05:00");
  assert.equal(windowAt({ unit: "year", timeZone }, at), "2026-01-01T00:00:00-05:00 2027-01-01T00:00:00-05:00");
});

Deno.test("a calendar of what does not exist is refused", () => {
  const refused = (options: unknown, message: RegExp): void =>
    assert.throws(() => Window.calendar(options as Window.CalendarOptions), { name: "RangeError", message });
  refused(
    { unit: "day", timeZone: "Europe/Atlantis" },
    /^Cannot make a window as its time zone must be known: current value is "Europe\/Atlantis"$/,
  );
  refused(
    { unit: "fortnight", timeZone: "UTC" },
    /^Cannot make a window as its unit must be one of day, .*: current value is "fortnight"$/,
  );
  refused(
    { unit: "week", timeZone: "UTC", weekStartsOn: "friyay" },
    /must begin with one of monday, .*: current value is "friyay"$/,
  );
});

Deno.test("a window that reaches beyond the range of dates is refused", () => {
  const { assign } = Window.calendar({ unit: "year", timeZone: "UTC" });
  assert.throws(() => assign(8.64e15, null), RangeError);
  assert.throws(() => assign(-8.64e15, null), RangeError);
});

Deno.test("calendars are told apart in what the state remembers of them", () => {
  const fingerprints = [
    Window.calendar({ unit: "day", timeZone: "Europe/Berlin" }),
    Window.calendar({ unit: "week", timeZone: "Europe/Berlin" }),
    Window.calendar({ unit: "week", timeZone: "Europe/Berlin", weekStartsOn: "sunday" }),
    Window.calendar({ unit: "day", timeZone: "Europe/Paris" }),
  ].map(({ fingerprint }) => fingerprint);
  assert.equal(new Set(fingerprints).size, fingerprints.length);
  assert.equal(Window.calendar({ unit: "day", timeZone: "europe/berlin" }).fingerprint, fingerprints[0]);
});

const zones = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "America/Sao_Paulo",
  "America/St_Johns",
  "America/Havana",
  "Asia/Beirut",
  "Asia/Kathmandu",
  "Asia/Tehran",
  "Africa/Cairo",
  "Australia/Lord_Howe",
  "Pacific/Apia",
  "Pacific/Chatham",
  "Pacific/Kwajalein",
];
const units = ["day", "week", "month", "quarter", "year"] as const;
const weekdays = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"] as const;

const calendars = fc.record({
  unit: fc.constantFrom(...units),
  timeZone: fc.constantFrom(...zones),
  weekStartsOn: fc.constantFrom(...weekdays),
});

/** Instants of three centuries: anywhere, and close to where the clocks of a zone were changed. */
const instants = (zone: string, from: string, to: string): fc.Arbitrary<number> => {
  const anywhere = fc.integer({ min: Date.parse(from), max: Date.parse(to) });
  const atChange = fc.tuple(anywhere, fc.integer({ min: -26 * hour, max: 26 * hour })).map(([near, off]) => {
    const change = Temporal.Instant.fromEpochMilliseconds(near).toZonedDateTimeISO(zone).getTimeZoneTransition("next");
    return Math.min((change?.epochMilliseconds ?? near) + off, Date.parse(to));
  });
  return fc.oneof(anywhere, atChange);
};

Deno.test("calendar windows tile time: each instant is in one, and the next begins where it ends", () => {
  const cases = calendars.chain((options) =>
    fc.record({
      options: fc.constant(options),
      ats: fc.array(instants(options.timeZone, "1850-01-01", "2100-01-01"), { minLength: 1, maxLength: 20 }),
    })
  );
  fc.assert(fc.property(cases, ({ options, ats }) => {
    // One assigner for all of them, so that what it remembers is put to the test.
    const { assign } = Window.calendar(options);
    for (const at of ats) {
      const [{ start, end }] = assign(at, null);
      assert.ok(start <= at && at < end);
      assert.deepEqual(assign(start, null), [{ start, end }]);
      assert.deepEqual(assign(end - 1, null), [{ start, end }]);
      assert.equal(assign(end, null)[0].start, end);
      assert.equal(assign(start - 1, null)[0].end, start);
      assert.deepEqual(Window.calendar(options).assign(at, null), [{ start, end }]);
    }
  }));
});

/** Zones that never set clocks back across midnight since 1972: there a day is what a calendar on the wall shows. */
const plainZones = zones.filter((zone) => zone !== "America/St_Johns");

Deno.test("calendar windows begin where another calendar says that a day, week, month, quarter or year begins", () => {
  const cases = fc.constantFrom(...plainZones).chain((timeZone) =>
    fc.record({
      timeZone: fc.constant(timeZone),
      unit: fc.constantFrom(...units),
      weekStart: fc.integer({ min: 0, max: 6 }),
      at: instants(timeZone, "1972-01-01", "2040-01-01"),
    })
  );
  fc.assert(
    fc.property(cases, ({ timeZone, unit, weekStart, at }) => {
      const [{ start, end }] = Window.calendar({ unit, timeZone, weekStartsOn: weekdays[weekStart] }).assign(at, null);
      const local = DateTime.makeZonedUnsafe(at, { timeZone });
      const firstOfMonth = DateTime.startOf(local, "month");
      const begins = unit === "quarter"
        ? DateTime.startOf(
          DateTime.subtract(firstOfMonth, { months: (DateTime.toParts(local).month - 1) % 3 }),
          "month",
        )
        : DateTime.startOf(local, unit, { weekStartsOn: weekStart as 0 });
      assert.equal(start, DateTime.toEpochMillis(begins));
      const days = (end - start) / 24 / hour;
      const expected = { day: [1, 1], week: [7, 7], month: [28, 31], quarter: [90, 92], year: [365, 366] }[unit];
      // A clock change moves a border by an hour or two; crossing the date line by a day.
      assert.ok(days > expected[0] - 1.2 && days < expected[1] + 1.2, `${days} days`);
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("every instant of a calendar window shows the same unit on the wall, and the instants around it do not", () => {
  const formats = new Map(plainZones.map((timeZone) => [
    timeZone,
    new Intl.DateTimeFormat("en", {
      timeZone,
      calendar: "iso8601",
      year: "numeric",
      month: "numeric",
      day: "numeric",
    }),
  ]));
  const onTheWall = (timeZone: string, unit: string, weekStart: number, at: number): string => {
    const parts = Object.fromEntries(
      formats.get(timeZone)!.formatToParts(at).map(({ type, value }) => [type, Number(value)]),
    );
    const { year, month, day } = parts;
    // Days counted as if in UTC, of which the 4th of January 1970 was a Sunday.
    const number = Date.UTC(year, month - 1, day) / 24 / hour - 3;
    switch (unit) {
      case "day":
        return `${number}`;
      case "week":
        return `${Math.floor((number - weekStart) / 7)}`;
      case "month":
        return `${year}-${month}`;
      case "quarter":
        return `${year}-${Math.ceil(month / 3)}`;
      default:
        return `${year}`;
    }
  };
  const cases = fc.constantFrom(...plainZones).chain((timeZone) =>
    fc.record({
      timeZone: fc.constant(timeZone),
      unit: fc.constantFrom(...units),
      weekStart: fc.integer({ min: 0, max: 6 }),
      at: instants(timeZone, "1972-01-01", "2040-01-01"),
      within: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    })
  );
  fc.assert(
    fc.property(cases, ({ timeZone, unit, weekStart, at, within }) => {
      const [{ start, end }] = Window.calendar({ unit, timeZone, weekStartsOn: weekdays[weekStart] }).assign(at, null);
      const shown = (instant: number): string => onTheWall(timeZone, unit, weekStart, instant);
      const inside = Math.min(end - 1, Math.floor(start + (end - start) * within));
      assert.deepEqual([start, inside, end - 1].map(shown), [shown(at), shown(at), shown(at)]);
      assert.notEqual(shown(start - 1), shown(at));
      assert.notEqual(shown(end), shown(at));
    }),
    { numRuns: 1_000 },
  );
});

interface Sale {
  readonly shop: string;
  readonly at: string;
}

// on the wall   28th         29th, 23 hours          30th
//             --|------------|-----------------------|------
// sales          a          b|c                    d |e
Deno.test("a flow counts by the days of a time zone", async () => {
  const sales: Array<Sale> = ["28T10:00+01:00", "28T23:59+01:00", "29T00:00+01:00", "29T23:59+02:00", "30T00:00+02:00"]
    .map((at) => ({ shop: "k", at: `2026-03-${at}` }));
  const out = Sink.memory<Window.WindowResult<string, number>>("out");
  const flow = Flow.from(Source.array("sales", sales)).pipe(
    Flow.eventTime({ timestamp: (sale) => Date.parse(sale.at), watermark: Watermark.monotonic }),
    Flow.keyBy((sale) => sale.shop),
    Flow.window("per-day", {
      assigner: Window.calendar({ unit: "day", timeZone: "Europe/Berlin" }),
      aggregate: Aggregate.count,
      late: "drop",
    }),
    Flow.to(out),
  );
  await run(Job.make({ name: "calendar", guarantee: "exactly-once", flows: [flow] }));
  assert.deepEqual(
    out.values().map(({ window, value }) => [new Date(window.start).toISOString(), value]),
    [["2026-03-27T23:00:00.000Z", 2], ["2026-03-28T23:00:00.000Z", 2], ["2026-03-29T22:00:00.000Z", 1]],
  );
});

// ---------------------------------------------------------------------------------------------------------------------
// Windows of one's own

// event time  0         10        20        30
//             a    b   c|d        |    e    |
// windows     [---------)                        the first ten
//             [-------------------)              the first twenty
//                       [-------------------)    all after ten
Deno.test("a function may put a record in several windows", async () => {
  const inside = (windows: ReadonlyArray<Window.Window>, at: number): ReadonlyArray<Window.Window> =>
    windows.filter(({ start, end }) => start <= at && at < end);
  const spans = [{ start: 0, end: 10 }, { start: 0, end: 20 }, { start: 10, end: 30 }];
  const records = [["a", 0], ["b", 5], ["c", 9], ["d", 10], ["e", 25]] as const;
  const out = Sink.memory<Window.WindowResult<string, Aggregate.Collected<string>>>("out");
  const flow = Flow.from(Source.array("records", records)).pipe(
    Flow.eventTime({ timestamp: ([, at]) => at, watermark: Watermark.monotonic }),
    Flow.keyBy(() => "k"),
    Flow.window("spans", {
      assigner: Window.custom({ name: "spans", assign: (at) => inside(spans, at), overlapping: true }),
      aggregate: Aggregate.collect(([name]) => name, Schema.String, { atMost: 10 }),
      late: "drop",
    }),
    Flow.to(out),
  );
  await run(Job.make({ name: "custom", guarantee: "exactly-once", flows: [flow] }));
  assertSameBag(
    out.values().map(({ window, value }) => `[${window.start}, ${window.end}) ${value.values.join("")}`),
    ["[0, 10) abc", "[0, 20) abcd", "[10, 30) de"],
    "results",
  );
});

Deno.test("what a function may not say of a record is refused, in words", () => {
  const refused = (
    windows: Window.Window | ReadonlyArray<Window.Window>,
    message: RegExp,
    overlapping = false,
  ): void => {
    const { assign } = Window.custom({ name: "wrong", assign: () => windows, overlapping });
    assert.throws(() => assign(5, null), { name: "RangeError", message });
  };
  const right = { start: 0, end: 10 };
  refused([], /^Cannot assign a record to its windows as there must be at least one: current value is none$/);
  refused([right, { start: 1, end: 11 }], /as there must be one unless overlapping is true: current value is 2$/);
  refused({ start: 0, end: 5 }, /as each must hold the timestamp 5: current value is \[0, 5\)$/);
  refused({ start: 6, end: 10 }, /as each must hold the timestamp 5: current value is \[6, 10\)$/);
  refused({ start: 5, end: 5 }, /as each must be a finite span that is not empty: current value is \[5, 5\)$/);
  refused(
    { start: 0, end: Infinity },
    /as each must be a finite span that is not empty: current value is \[0, Infinity\)$/,
  );
  refused({ start: NaN, end: 10 }, /as each must be a finite span that is not empty: current value is \[NaN, 10\)$/);
  refused([right, { ...right }], /as they must differ: current value is \[0, 10\) twice$/, true);
  assert.throws(() => Window.custom({ name: "", assign: () => right }), RangeError);
});

Deno.test("a record that a function has no window for is a dead letter where the flow says so", async () => {
  const out = Sink.memory<Window.WindowResult<string, number>>("out");
  const rejected = Sink.memory<string>("rejected");
  const flow = Flow.from(Source.array("records", [1, 13, 2])).pipe(
    Flow.eventTime({ timestamp: (at) => at, watermark: Watermark.boundedOutOfOrderness(100) }),
    Flow.keyBy(() => "k"),
    Flow.window("unlucky", {
      assigner: Window.custom({ name: "unlucky", assign: (at) => at === 13 ? [] : { start: 0, end: 10 } }),
      aggregate: Aggregate.count,
      late: "drop",
    }),
    Flow.onError((letters) => letters.pipe(Flow.map(({ reason }) => reason), Flow.to(rejected)), { defects: true }),
    Flow.to(out),
  );
  await run(Job.make({ name: "custom", guarantee: "exactly-once", flows: [flow] }));
  assert.deepEqual(out.values().map(({ value }) => value), [2]);
  assert.deepEqual(rejected.values(), [
    "Cannot assign a record to its windows as there must be at least one: current value is none",
  ]);
});

// ---------------------------------------------------------------------------------------------------------------------
// Windows of records, and of the clock

Deno.test("sizes and slides that make no sense are refused", () => {
  const refused = (make: () => unknown, message: RegExp): void => assert.throws(make, { name: "RangeError", message });
  refused(
    () => Window.count(0),
    /^Cannot make a window of records as size must be a whole number above 0: current value is 0$/,
  );
  refused(() => Window.count(1.5), /size must be a whole number above 0: current value is 1.5$/);
  refused(() => Window.count({ size: 2, slide: 3 }), /slide must not exceed size \(2\): current value is 3$/);
  refused(() => Window.count({ size: 2, slide: -1 }), /slide must be a whole number above 0: current value is -1$/);
  refused(() => Window.count({ size: 5_000, slide: 1 }), /at most 4096: current value is 5000 \(size 5000, slide 1\)$/);
  refused(() => Window.tumblingProcessingTime(0), /size must be a whole number of milliseconds above 0/);
  refused(() => Window.slidingProcessingTime({ size: 1, slide: 2 }), /slide must not exceed size/);
});

Deno.test("in windows of the clock each record counts once, whatever crashes, without event time", async () => {
  for (let crash = 0; crash < 8; crash++) {
    const out = Sink.memory<Window.WindowResult<number, number>>("out");
    const flow = Flow.from(Source.array("numbers", Array.from({ length: 20 }, (_, k) => k))).pipe(
      Flow.keyBy((k) => k % 3),
      Flow.window("by-clock", {
        assigner: Window.tumblingProcessingTime("1 millis"),
        aggregate: Aggregate.count,
        late: "drop",
      }),
      Flow.to(out),
    );
    const kv = memoryKv();
    kv.onCommit((commit) => commit === crash ? "crash-after" : "ok");
    const job = Job.make({ name: "clock", guarantee: "exactly-once", flows: [flow] });
    const before = Temporal.Now.instant().epochMilliseconds;
    await runToEnd(job, { kv, epochRecordsMax: 4, batchRecordsMax: 2 });
    const totals = new Map<number, number>();
    for (const { key, window, value } of out.values()) {
      totals.set(key, (totals.get(key) ?? 0) + value);
      assert.equal(window.end - window.start, 1);
      assert.ok(window.start >= before && window.end <= Temporal.Now.instant().epochMilliseconds + 1);
    }
    assert.deepEqual([...totals].sort(), [[0, 7], [1, 7], [2, 6]]);
  }
});

Deno.test("windows of the clock are cut like those of event time", () => {
  const { time, ...byClock } = Window.slidingProcessingTime({ size: 10, slide: 4, offset: 1 });
  const { time: _, ...byEventTime } = Window.sliding({ size: 10, slide: 4, offset: 1 });
  assert.equal(time, "no event time");
  assert.deepEqual(byClock, byEventTime);
  assert.equal(Window.tumblingProcessingTime(10, { offset: 3 }).offset, 3);
});
