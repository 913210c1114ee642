/** Windows over a flow: each key is worked out on its own. */
import type { Assigner, Span } from "./assigner.ts";
import { cellWindows } from "./cells.ts";
import { countWindows } from "./count-windows.ts";
import { identify } from "./key.ts";
import type { Tick } from "./tick.ts";
import { atEnd, type Trigger } from "./trigger.ts";

/** What a window says, when it has said something before: everything again, what is new, or everything in its place. */
export type Panes = "accumulating" | "discarding" | "retracting";

/** A record in a window, with its event time and the watermark that it met. */
export interface Entry<A> {
  readonly value: A;
  readonly time: number;
  readonly met: number;
}

/** What is said about some records of one key in one window. The list is in order of arrival, and never empty. */
export type Summary<A, B> = (entries: ReadonlyArray<Entry<A>>) => B;

/** What a window says about its key, each time it fires. */
export interface Said<B> {
  readonly window: Span;
  readonly value: B;
  readonly pane: number;
  readonly timing: "early" | "on-time" | "late";
  readonly final: boolean;
  /** Only where panes retract each other. */
  readonly change?: "add" | "retract";
}

/** The same, with its key. */
export interface Result<K, B> extends Said<B> {
  readonly key: K;
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

/** How the records of one key are aggregated. */
export interface WindowPlan<A, B> {
  readonly assigner: Assigner<A>;
  readonly summary: Summary<A, B>;
  readonly lateness: number;
  /** By default `atEnd`. */
  readonly trigger?: Trigger;
  /** By default accumulating. */
  readonly panes?: Panes;
}

/** The windows of one key. */
export interface Windows<A, B> {
  /** The watermark advances to this. Gives back what the windows say on the way. */
  readonly advance: (to: number) => ReadonlyArray<Said<B>>;
  /** A record comes, which meets the watermark as it is. */
  readonly add: (entry: Entry<A>) => Taken<B> | { readonly late: Span };
}

/** A record that was taken. */
export interface Taken<B> {
  /** What the windows say at once. */
  readonly said: ReadonlyArray<Said<B>>;
  /** Whether the record went into a window whose end the watermark had reached. */
  readonly admitted: boolean;
}

/** What a window counts. */
export interface Counters {
  records: number;
  results: number;
  early: number;
  corrections: number;
  retractions: number;
  late: number;
  lateAdmitted: number;
}

export interface Windowed<A, K, B> {
  /**
   * The results as a flow of their own. The event time of each is the last instant of its window, and where that is the
   * window of everything, the last of its key so far.
   */
  readonly results: Array<Tick<Result<K, B>>>;
  readonly late: Array<LateRecord<A, K>>;
  readonly counters: Counters;
}

/** Aggregates the records of each key in windows. Keys are told apart by `identify`. */
export const window = <A, K, B>(
  ticks: ReadonlyArray<Tick<A>>,
  options: WindowPlan<A, B> & { readonly key: (value: A) => K },
): Windowed<A, K, B> => {
  const plan = { trigger: atEnd, panes: "accumulating" as const, ...options };
  const results: Array<Tick<Result<K, B>>> = [];
  const late: Array<LateRecord<A, K>> = [];
  const counters = { records: 0, results: 0, early: 0, corrections: 0, retractions: 0, late: 0, lateAdmitted: 0 };
  const keys = new Map<string, K>();
  for (const tick of ticks) {
    if (tick.tick === "record") keys.set(identify(options.key(tick.value)), options.key(tick.value));
  }
  for (const [id, key] of keys) {
    const ofKey = ticks.filter((tick) => tick.tick === "watermark" || identify(options.key(tick.value)) === id);
    const windows = options.assigner.kind === "count" ? countWindows(options.assigner, plan) : cellWindows(plan);
    let watermark = -Infinity;
    /** The greatest event time so far, which is what the window of everything goes by. */
    let greatest = -Infinity;
    const timeOf = ({ window }: Said<B>): number => options.assigner.kind === "global" ? greatest : window.end - 1;
    const emit = (at: number, said: ReadonlyArray<Said<B>>): void => {
      for (const one of said) {
        results.push({ tick: "record", at, time: timeOf(one), met: watermark, value: { key, ...one } });
        counters[counterOf(one)]++;
      }
    };
    const advance = (at: number, to: number): void => {
      if (to <= watermark) return;
      emit(at, windows.advance(to));
      watermark = to;
    };
    for (const { at, ...tick } of ofKey) {
      if (tick.tick === "watermark") {
        advance(at, tick.watermark);
        continue;
      }
      advance(at, tick.met);
      const { value, time } = tick;
      greatest = Math.max(greatest, time);
      const answer = windows.add({ value, time, met: watermark });
      counters.records++;
      if ("late" in answer) {
        late.push({ value, key, timestamp: time, window: answer.late, watermark, delay: watermark - time });
        counters.late++;
      } else {
        emit(at, answer.said);
        if (answer.admitted) counters.lateAdmitted++;
      }
    }
  }
  results.push(...ticks.filter((tick) => tick.tick === "watermark"));
  // The results that a step of the watermark brings about come before that step.
  results.sort((a, b) => a.at - b.at || Number(a.tick === "watermark") - Number(b.tick === "watermark"));
  return { results, late, counters };
};

const counterOf = ({ change, timing }: Said<unknown>): keyof Counters => {
  if (change === "retract") return "retractions";
  return timing === "early" ? "early" : timing === "on-time" ? "results" : "corrections";
};
