/**
 * A second opinion about event time: what a pipeline must answer, worked out as naively as possible.
 *
 * It shares no code with the engine. Where the engine keeps slices, heaps and accumulators, this keeps plain lists and
 * works everything out again from the records, so that whoever doubts a result can follow it by hand. It is slow on
 * purpose.
 *
 * Every node of a pipeline is worked out as a whole: a list of its *ticks*, each either a record or a step of the
 * watermark, in the order in which they happen.
 */

/** One record of a flow, or one step of its watermark. */
export type Tick<A> = Row<A> | Tide;

/** A record. */
export interface Row<A> {
  readonly tick: "record";
  /** The number of the reading event that it stems from: what two flows are merged by. */
  readonly at: number;
  readonly value: A;
  /** Its event time. */
  readonly time: number;
  /** The watermark that it meets. */
  readonly met: number;
}

/** The watermark has become this. */
export interface Tide {
  readonly tick: "watermark";
  readonly at: number;
  readonly watermark: number;
}

// ---------------------------------------------------------------------------------------------------------------------
// Reading

/** How many records of a split are read before the next split is chosen. */
const turn = 1_024;

/** What the reader does next: it reads a record of a split, or notices that the split has ended. */
export type Reading<A> =
  | { readonly split: number; readonly value: A }
  | { readonly split: number; readonly ended: true };

/**
 * The order in which splits are read.
 *
 * @param splits All splits of all sources, in order.
 * @param timesOf The timestamps that one record gives rise to, for each event-time operator that its split reaches. No
 * list at all means that the split reaches none.
 * @param bounds The bounds of those operators, by split.
 */
export const readingOrder = <A>(
  splits: ReadonlyArray<ReadonlyArray<A>>,
  timesOf: (value: A, split: number) => ReadonlyArray<ReadonlyArray<number>>,
  bounds: ReadonlyArray<ReadonlyArray<number>>,
): Array<Reading<A>> => {
  const order: Array<Reading<A>> = [];
  const position = splits.map(() => 0);
  const ended = splits.map(() => false);
  const greatest = bounds.map((ofSplit) => ofSplit.map(() => -Infinity));
  const own = (split: number): number => {
    if (bounds[split].length === 0) return -Infinity;
    return Math.min(...bounds[split].map((bound, k) => greatest[split][k] - bound));
  };
  while (ended.includes(false)) {
    let chosen = -1;
    for (let split = 0; split < splits.length; split++) {
      if (ended[split]) continue;
      if (chosen === -1 || own(split) < own(chosen)) chosen = split;
    }
    const records = splits[chosen];
    if (position[chosen] === records.length) {
      ended[chosen] = true;
      order.push({ split: chosen, ended: true });
      continue;
    }
    const stop = Math.min(records.length, (Math.floor(position[chosen] / turn) + 1) * turn);
    for (; position[chosen] < stop; position[chosen]++) {
      const value = records[position[chosen]];
      order.push({ split: chosen, value });
      timesOf(value, chosen).forEach((times, k) => {
        greatest[chosen][k] = Math.max(greatest[chosen][k], ...times);
      });
    }
  }
  return order;
};

/** A record before it has event time. */
export interface Raw<A> {
  readonly at: number;
  readonly split: number;
  readonly value: A;
}

/** The records of a reading, numbered. */
export const records = <A>(reading: ReadonlyArray<Reading<A>>): Array<Raw<A>> =>
  reading.flatMap((event, at) => "value" in event ? [{ at, split: event.split, value: event.value }] : []);

/**
 * Gives records their event time. A record meets the watermark as it was before the record was counted in.
 *
 * @param raw The records that reach this operator.
 * @param reaching The splits that reach it, whether or not a record of theirs came through.
 * @param reading The whole reading, which says when those splits ended.
 */
export const eventTime = <A>(
  raw: ReadonlyArray<Raw<A>>,
  reaching: ReadonlyArray<number>,
  reading: ReadonlyArray<Reading<unknown>>,
  timestamp: (value: A) => number,
  bound: number,
): Array<Tick<A>> => {
  const own = new Map(reaching.map((split) => [split, -Infinity]));
  const rawAt = Map.groupBy(raw, (record) => record.at);
  const ticks: Array<Tick<A>> = [];
  let merged = reaching.length === 0 ? Infinity : -Infinity;
  const count = (at: number, split: number, watermark: number): void => {
    own.set(split, Math.max(own.get(split)!, watermark));
    const least = Math.min(...own.values());
    if (least > merged) {
      merged = least;
      ticks.push({ tick: "watermark", at, watermark: merged });
    }
  };
  reading.forEach((event, at) => {
    if ("ended" in event) {
      if (own.has(event.split)) count(at, event.split, Infinity);
      return;
    }
    for (const { split, value } of rawAt.get(at) ?? []) {
      const time = timestamp(value);
      ticks.push({ tick: "record", at, value, time, met: merged });
      count(at, split, time - bound);
    }
  });
  return ticks;
};

// ---------------------------------------------------------------------------------------------------------------------
// Stateless operators

/** Makes any number of values of each. Those of one record meet the same watermark. */
export const flatMap = <A, B>(ticks: ReadonlyArray<Tick<A>>, f: (value: A) => ReadonlyArray<B>): Array<Tick<B>> =>
  ticks.flatMap((tick): Array<Tick<B>> =>
    tick.tick === "watermark" ? [tick] : f(tick.value).map((value) => ({ ...tick, value }))
  );

/** Joins flows. A record meets the least of the watermarks that the flows have reached by then. */
export const merge = <A>(...flows: ReadonlyArray<ReadonlyArray<Tick<A>>>): Array<Tick<A>> => {
  const current = flows.map(() => -Infinity);
  const merged: Array<Tick<A>> = [];
  const all = flows.flatMap((ticks, flow) => ticks.map((tick) => ({ tick, flow })));
  // The sort is stable: of one reading event, the first flow's ticks come first.
  all.sort((a, b) => a.tick.at - b.tick.at);
  for (const { tick, flow } of all) {
    if (tick.tick === "record") {
      // The flow's own watermark is the one that the record met there, even if a twin has moved it since.
      const others = current.filter((_, k) => k !== flow);
      merged.push({ ...tick, met: Math.min(tick.met, ...others) });
      continue;
    }
    const before = Math.min(...current);
    current[flow] = tick.watermark;
    const after = Math.min(...current);
    if (after > before) merged.push({ tick: "watermark", at: tick.at, watermark: after });
  }
  return merged;
};

// ---------------------------------------------------------------------------------------------------------------------
// Windows

/** How records are assigned to windows, in milliseconds. */
export type Assigner =
  | { readonly kind: "sliding"; readonly size: number; readonly slide: number; readonly offset: number }
  | { readonly kind: "session"; readonly gap: number };

export const tumbling = (size: number, offset = 0): Assigner => ({ kind: "sliding", size, slide: size, offset });
export const sliding = (size: number, slide: number, offset = 0): Assigner => ({
  kind: "sliding",
  size,
  slide,
  offset,
});
export const session = (gap: number): Assigner => ({ kind: "session", gap });

export interface Span {
  readonly start: number;
  readonly end: number;
}

/** What a window says about a key, each time it fires. */
export interface Result<K, B> {
  readonly key: K;
  readonly window: Span;
  readonly value: B;
  readonly pane: number;
  readonly timing: "early" | "on-time" | "late";
  readonly final: boolean;
}

/** A record that came too late. */
export interface LateRecord<A, K> {
  readonly value: A;
  readonly key: K;
  readonly timestamp: number;
  readonly window: Span;
  readonly watermark: number;
  readonly delay: number;
}

/** A record in a window, with its event time. They are listed in order of arrival. */
export interface Entry<A> {
  readonly value: A;
  readonly time: number;
}

/** What is said about the records of one key in one window. The list is never empty. */
export type Summary<A, B> = (entries: ReadonlyArray<Entry<A>>, assigner: Assigner) => B;

export interface Windowed<A, K, B> {
  /** The results as a flow of their own; the event time of each is the last instant of its window. */
  readonly results: Array<Tick<Result<K, B>>>;
  readonly late: Array<LateRecord<A, K>>;
}

/** Aggregates the records of each key in windows. Keys are told apart by `identify`. */
export const window = <A, K, B>(
  ticks: ReadonlyArray<Tick<A>>,
  options: {
    readonly key: (value: A) => K;
    readonly assigner: Assigner;
    readonly lateness: number;
    readonly summary: Summary<A, B>;
  },
): Windowed<A, K, B> => {
  const windowed: Windowed<A, K, B> = { results: [], late: [] };
  const keys = new Map<string, K>();
  for (const tick of ticks) {
    if (tick.tick === "record") keys.set(identify(options.key(tick.value)), options.key(tick.value));
  }
  for (const [id, key] of keys) {
    const ofKey = ticks.filter((tick) => tick.tick === "watermark" || identify(options.key(tick.value)) === id);
    const state = options.assigner.kind === "session" ? sessions(options.assigner) : aligned(options.assigner);
    const emit = (at: number, met: number, pane: Pane<A>, timing: "on-time" | "late", final: boolean): void => {
      windowed.results.push({
        tick: "record",
        at,
        time: pane.window.end - 1,
        met,
        value: {
          key,
          window: pane.window,
          value: options.summary(pane.entries, options.assigner),
          pane: pane.number,
          timing,
          final: options.lateness === 0 || final,
        },
      });
    };
    let watermark = -Infinity;
    const advance = (at: number, to: number): void => {
      for (const pane of state.fire<A>(to)) emit(at, watermark, pane, "on-time", to === Infinity);
      watermark = Math.max(watermark, to);
    };
    for (const tick of ofKey) {
      if (tick.tick === "watermark") {
        advance(tick.at, tick.watermark);
        continue;
      }
      advance(tick.at, tick.met);
      const answer = state.add<A>({ value: tick.value, time: tick.time }, watermark, options.lateness);
      if ("late" in answer) {
        const delay = watermark - tick.time;
        windowed.late.push({ value: tick.value, key, timestamp: tick.time, window: answer.late, watermark, delay });
      } else {
        for (const pane of answer.corrections) emit(tick.at, watermark, pane, "late", false);
      }
    }
  }
  windowed.results.push(...ticks.filter((tick) => tick.tick === "watermark"));
  // The results that a step of the watermark brings about come before that step.
  windowed.results.sort((a, b) => a.at - b.at || Number(a.tick === "watermark") - Number(b.tick === "watermark"));
  return windowed;
};

/** A result that is due: its window, the records in it, and how many results came before it. */
interface Pane<A> {
  readonly window: Span;
  readonly entries: ReadonlyArray<Entry<A>>;
  readonly number: number;
}

/** The windows of one key. */
interface Windows {
  /** Fires what the watermark has reached. */
  readonly fire: <A>(watermark: number) => Array<Pane<A>>;
  /** Adds a record, unless it is too late. */
  readonly add: <A>(
    entry: Entry<A>,
    watermark: number,
    lateness: number,
  ) => { readonly late: Span } | { readonly corrections: Array<Pane<A>> };
}

interface Kept {
  window: Span;
  // deno-lint-ignore no-explicit-any -- one key's windows hold records of one type, which the caller knows
  entries: Array<Entry<any>>;
  /** How many results there were. */
  panes: number;
  /** Whether it waits for the watermark to reach its end. */
  waiting: boolean;
}

// deno-lint-ignore no-explicit-any -- see Kept
const fireAll = (all: ReadonlyArray<Kept>, watermark: number): Array<Pane<any>> => {
  const due = all.filter((one) => one.waiting && one.entries.length > 0 && one.window.end <= watermark);
  due.sort((a, b) => a.window.end - b.window.end);
  return due.map((one) => {
    one.waiting = false;
    return { window: one.window, entries: [...one.entries], number: one.panes++ };
  });
};

/** The windows that a timestamp belongs to, by ascending end. */
export const windowsOf = ({ size, slide, offset }: Assigner & { kind: "sliding" }, time: number): Array<Span> => {
  const spans: Array<Span> = [];
  const last = Math.floor((time - offset) / slide);
  for (let k = last - Math.ceil(size / slide); k <= last; k++) {
    const start = k * slide + offset;
    if (start <= time && time < start + size) spans.push({ start, end: start + size });
  }
  return spans;
};

/** Tumbling and sliding windows of one key. */
const aligned = (assigner: Assigner & { kind: "sliding" }): Windows => {
  const all: Array<Kept> = [];
  return {
    fire: (watermark) => fireAll(all, watermark),
    add: (entry, watermark, lateness) => {
      const spans = windowsOf(assigner, entry.time);
      if (spans.every(({ end }) => end + lateness <= watermark)) return { late: spans[spans.length - 1] };
      // deno-lint-ignore no-explicit-any -- see Kept
      const corrections: Array<Pane<any>> = [];
      for (const span of spans) {
        if (span.end + lateness <= watermark) continue;
        let kept = all.find(({ window }) => window.start === span.start);
        if (kept === undefined) all.push(kept = { window: span, entries: [], panes: 0, waiting: true });
        kept.entries.push(entry);
        if (span.end <= watermark) {
          kept.waiting = false;
          corrections.push({ window: span, entries: [...kept.entries], number: kept.panes++ });
        }
      }
      return { corrections };
    },
  };
};

/** Sessions of one key. */
const sessions = ({ gap }: Assigner & { kind: "session" }): Windows => {
  let all: Array<Kept> = [];
  return {
    fire: (watermark) => fireAll(all, watermark),
    add: (entry, watermark, lateness) => {
      const span = { start: entry.time, end: entry.time + gap };
      const touched = all.filter(({ window }) =>
        watermark < window.end + lateness && window.start <= span.end && span.start <= window.end
      );
      touched.sort((a, b) => a.window.start - b.window.start);
      if (touched.length === 0 && span.end + lateness <= watermark) return { late: span };
      const one: Kept = {
        window: {
          start: Math.min(span.start, ...touched.map(({ window }) => window.start)),
          end: Math.max(span.end, ...touched.map(({ window }) => window.end)),
        },
        // Sessions that become one put their records one after the other, by their place in event time.
        entries: [...touched.flatMap(({ entries }) => entries), entry],
        panes: Math.max(0, ...touched.map(({ panes }) => panes)),
        waiting: true,
      };
      all = all.filter((other) => !touched.includes(other));
      all.push(one);
      if (one.window.end > watermark) return { corrections: [] };
      one.waiting = false;
      return { corrections: [{ window: one.window, entries: one.entries, number: one.panes++ }] };
    },
  };
};

/** A text that two keys share only if they are the same key. */
export const identify = (key: unknown): string => {
  if (Array.isArray(key)) return `[${key.map(identify).join(",")}]`;
  if (key instanceof Uint8Array) return `bytes(${[...key].join(" ")})`;
  if (typeof key === "number") return `number(${key === 0 ? 0 : key})`;
  return `${typeof key}(${typeof key === "string" ? JSON.stringify(key) : String(key)})`;
};

// ---------------------------------------------------------------------------------------------------------------------
// Aggregates

const gcd = (a: number, b: number): number => b === 0 ? a : gcd(b, a % b);

export const count = <A>(): Summary<A, number> => (entries) => entries.length;

export const sum = <A>(select: (value: A) => number): Summary<A, number> => (entries) =>
  entries.reduce((total, { value }) => total + select(value), 0);

export const mean = <A>(select: (value: A) => number): Summary<A, number> => (entries, assigner) =>
  sum(select)(entries, assigner) / entries.length;

export const min = <A>(select: (value: A) => number): Summary<A, number> => (entries) =>
  Math.min(...entries.map(({ value }) => select(value)));

export const max = <A>(select: (value: A) => number): Summary<A, number> => (entries) =>
  Math.max(...entries.map(({ value }) => select(value)));

export const variance = <A>(select: (value: A) => number): Summary<A, number> => (entries, assigner) => {
  const centre = mean(select)(entries, assigner);
  return entries.reduce((total, { value }) => total + (select(value) - centre) ** 2, 0) / entries.length;
};

export const first = <A, B>(select: (value: A) => B): Summary<A, B> => (entries) => {
  const earliest = Math.min(...entries.map(({ time }) => time));
  return select(entries.find(({ time }) => time === earliest)!.value);
};

export const last = <A, B>(select: (value: A) => B): Summary<A, B> => (entries) => {
  const latest = Math.max(...entries.map(({ time }) => time));
  return select(entries.findLast(({ time }) => time === latest)!.value);
};

export const collect =
  <A, B>(select: (value: A) => B, atMost: number): Summary<A, { values: Array<B>; total: number }> =>
  (entries, assigner) => {
    let ordered = [...entries];
    if (assigner.kind === "sliding") {
      const slice = gcd(assigner.size, assigner.slide);
      const sliceOf = (time: number): number => Math.floor((time - assigner.offset) / slice);
      ordered = ordered.sort((a, b) => sliceOf(a.time) - sliceOf(b.time));
    }
    return { values: ordered.slice(0, atMost).map(({ value }) => select(value)), total: entries.length };
  };

/** Several aggregates under names. */
export const struct =
  <A>(parts: { readonly [name: string]: Summary<A, unknown> }): Summary<A, Record<string, unknown>> =>
  (entries, assigner) =>
    Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, part(entries, assigner)]));

// ---------------------------------------------------------------------------------------------------------------------
// The common case

/** What a job must answer that reads splits, and aggregates them in one window. */
export const aggregate = <A, K, B>(options: {
  readonly splits: ReadonlyArray<ReadonlyArray<A>>;
  readonly timestamp: (value: A) => number;
  readonly bound: number;
  readonly key: (value: A) => K;
  readonly assigner: Assigner;
  readonly lateness: number;
  readonly summary: Summary<A, B>;
}): { readonly results: Array<Result<K, B>>; readonly late: Array<LateRecord<A, K>> } => {
  const { splits, timestamp, bound } = options;
  const reading = readingOrder(splits, (value) => [[timestamp(value)]], splits.map(() => [bound]));
  const stamped = eventTime(records(reading), splits.map((_, split) => split), reading, timestamp, bound);
  const { results, late } = window(stamped, options);
  return { results: results.flatMap((tick) => tick.tick === "record" ? [tick.value] : []), late };
};
