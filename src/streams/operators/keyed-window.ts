/**
 * Windows of every kind, key by key: sessions, calendars, triggers, panes that take each other back.
 *
 * What is kept of one key in one window is a *cell*: an accumulator, the pane since the window last fired, and when its
 * turn comes next. Tumbling and sliding windows that say one thing at their end have an operator of their own, which is
 * faster because it keeps the cells of a window side by side.
 *
 * @module
 */
import type { Letter, Receiver } from "../../actors/receiver.ts";
import type { TaskContext } from "../../actors/task-context.ts";
import type { Delta } from "../../kv-state/delta.ts";
import { type Key, type KeyId, keyId } from "../../kv-state/key.ts";
import type { Aggregate } from "../../windows/aggregate.ts";
import {
  everything,
  type GlobalAssigner,
  type SessionAssigner,
  type SlidingAssigner,
  type SpansAssigner,
  windowsAt,
} from "../../windows/assigner.ts";
import { TimerHeap } from "../../windows/timer-heap.ts";
import {
  type ConditionRule,
  isMet,
  nextEventTime,
  nextProcessingTime,
  type Pane,
  type TriggerRule,
  usesClock,
} from "../../windows/trigger.ts";
import { beginningOfTime, endOfTime } from "../../windows/watermark.ts";
import type { Timing, Window } from "../../windows/window.ts";
import type { Panes } from "../node.ts";
import type { Counters, Stateful } from "./stateful.ts";
import type { WindowEmitter } from "./window-emitter.ts";

/** One key in one window. */
interface Cell extends Pane {
  /** Its row in the table: cells are numbered as they are made, and keep their number when they grow. */
  readonly row: number;
  readonly id: KeyId;
  readonly key: Key;
  start: number;
  end: number;
  records: number;
  arrived: number;
  from: number;
  /** The greatest event time of its records. */
  latest: number;
  /** How many results it has had. */
  said: number;
  /** The timing of the result that stands; null where none does, or it was taken back. */
  standing: Timing | null;
  /** Whether the watermark has reached its end, and the pane that is on time has had its turn. */
  isOver: boolean;
  /** The accumulator: of everything, or of the pane where panes are discarded. */
  readonly numbers: Float64Array;
  readonly objects: Array<unknown>;
  /** The accumulator as it was when the window last fired; empty where panes are not taken back. */
  readonly saidNumbers: Float64Array;
  readonly saidObjects: Array<unknown>;
  /** What it waits for by event time, and what by the clock. */
  readonly event: Turn;
  readonly clock: Turn;
}

/** What a cell waits for. It has one timer that counts, which may go off too early: so one that waits longer needs no other. */
interface Turn {
  /** When it has its turn; Infinity for never. */
  due: number;
  /** When its timer goes off; Infinity where it has none, NaN once it is gone. */
  timer: number;
}

/** The numbers of a row before those of the accumulator: start, end, records, arrived, from, latest, said, flags. */
const headerWidth = 8;

/** The values of a row's flags: bits 0 and 1 are the timing of the standing result, bit 2 says whether it is over. */
const timings: ReadonlyArray<Timing | null> = [null, "early", "on-time", "late"];
const overFlag = 4;

/** How many rows a namespace has room for. Cells are numbered for ever, so there may be more of them. */
const namespaceRowsMax = 2 ** 32;

const namespaceOf = (row: number): number => Math.floor(row / namespaceRowsMax);

/** The assigners that this operator is for. */
export type KeyedAssigner = SessionAssigner | SlidingAssigner | GlobalAssigner | SpansAssigner;

/** What a {@link KeyedWindowOperator} is made of. */
export interface KeyedWindowOptions {
  readonly name: string;
  readonly assigner: KeyedAssigner;
  readonly aggregate: Aggregate<unknown, unknown>;
  readonly trigger: TriggerRule;
  readonly panes: Panes;
  readonly allowedLateness: number;
  readonly context: TaskContext;
  readonly emitter: WindowEmitter;
}

/** Aggregates the records of one keyed partition in windows, cell by cell. */
export class KeyedWindowOperator implements Receiver, Stateful {
  readonly name: string;
  readonly #assigner: KeyedAssigner;
  readonly #aggregate: Aggregate<unknown, unknown>;
  readonly #trigger: TriggerRule;
  readonly #panes: Panes;
  readonly #lateness: number;
  readonly #context: TaskContext;
  readonly #emit: WindowEmitter;
  /** Whether windows follow the clock: then its time stands for event time and watermark alike. */
  readonly #byClock: boolean;
  readonly #usesClock: boolean;
  /** The cells of each key that a record can still reach, by end, then by start. */
  readonly #cells = new Map<KeyId, Array<Cell>>();
  readonly #timers = new TimerHeap<Cell>();
  readonly #clockTimers = new TimerHeap<Cell>();
  readonly #changed = new Set<Cell>();
  readonly #stored = new Set<number>();
  #removed: Array<number> = [];
  #nextRow = 0;
  #watermark = beginningOfTime;

  constructor(options: KeyedWindowOptions) {
    this.name = options.name;
    this.#assigner = options.assigner;
    this.#aggregate = options.aggregate;
    this.#trigger = options.trigger;
    this.#panes = options.panes;
    this.#lateness = options.allowedLateness;
    this.#context = options.context;
    this.#emit = options.emitter;
    this.#byClock = options.assigner._tag === "Sliding" && options.assigner.time === "no event time";
    this.#usesClock = usesClock(options.trigger);
  }

  get counters(): Counters {
    return this.#emit.counters;
  }

  record(value: unknown, key: unknown, eventTime: number, eventWatermark: number): void {
    const { now } = this.#context;
    const time = this.#byClock ? now : eventTime;
    const watermark = this.#reached(eventWatermark);
    if (watermark > this.#watermark) this.#advance(watermark);
    if (this.#usesClock) this.#tick(now);
    let windows;
    try {
      windows = this.#windowsOf(value, time);
    } catch (error) {
      this.#emit.letter(this.#context.letter(this.name, error, value, true));
      return;
    }
    this.#emit.counters.records++;
    this.#emit.reach(eventWatermark);
    const id = keyId(key as Key);
    const cells = this.#cellsFor(id, key as Key, windows);
    if (cells.length === 0) {
      this.#emit.late(value, key as Key, time, windows[windows.length - 1], this.#watermark);
      return;
    }
    if (cells.some(({ end }) => end <= this.#watermark)) this.#emit.counters.lateAdmitted++;
    for (const cell of cells) this.#add(cell, value, time, now);
  }

  watermark(watermark: number): void {
    const reached = this.#reached(watermark);
    if (reached > this.#watermark) this.#advance(reached);
    if (this.#usesClock) this.#tick(this.#context.now);
    this.#emit.watermark(watermark);
  }

  letter(letter: Letter): void {
    this.#emit.letter(letter);
  }

  /** How far time has come for windows, where the watermark has come so far. */
  #reached(watermark: number): number {
    if (watermark === endOfTime) return watermark;
    if (this.#byClock) return this.#context.now;
    // No date is the end of everything.
    return this.#assigner._tag === "Global" ? Math.min(watermark, everything.end - 1) : watermark;
  }

  /** The windows of a record, by ascending end, then start. */
  #windowsOf(value: unknown, time: number): ReadonlyArray<Window> {
    const assigner = this.#assigner;
    switch (assigner._tag) {
      case "Global":
        return [everything];
      case "Sliding":
        return windowsAt(assigner, time);
      case "Session":
        return [{ start: time, end: time + (typeof assigner.gap === "number" ? assigner.gap : assigner.gap(value)) }];
      case "Spans":
        return [...assigner.assign(time, value)].sort((a, b) => a.end - b.end || a.start - b.start);
    }
  }

  /** The cells that a record goes into, made if need be; none when all of its windows are closed. */
  #cellsFor(id: KeyId, key: Key, windows: ReadonlyArray<Window>): ReadonlyArray<Cell> {
    if (this.#assigner._tag === "Session") return this.#sessionFor(id, key, windows[0]);
    const cells: Array<Cell> = [];
    const all = this.#cells.get(id) ?? [];
    let next = firstEndingFrom(all, windows[0].end);
    for (const { start, end } of windows) {
      if (this.#isClosed(end)) continue;
      while (next < all.length && (all[next].end < end || (all[next].end === end && all[next].start < start))) next++;
      const found = all[next];
      cells.push(found?.start === start && found.end === end ? found : this.#open(id, key, start, end));
    }
    return cells;
  }

  #isClosed(end: number): boolean {
    return end + this.#lateness <= this.#watermark;
  }

  /** The session that a record belongs to: a new one, or all those that its span touches, made one. */
  #sessionFor(id: KeyId, key: Key, span: Window): ReadonlyArray<Cell> {
    const all = this.#cells.get(id) ?? [];
    const from = firstEndingFrom(all, span.start);
    let to = from;
    while (to < all.length && all[to].start <= span.end) to++;
    const touched = all.slice(from, to);
    if (touched.length === 0) return this.#isClosed(span.end) ? [] : [this.#open(id, key, span.start, span.end)];
    const first = touched[0];
    const start = Math.min(span.start, first.start);
    const end = Math.max(span.end, touched[touched.length - 1].end);
    if (this.#panes === "retracting") {
      // A window that ceases to exist takes back what it said.
      for (const cell of touched) if (cell.start !== start || cell.end !== end) this.#retract(cell);
    }
    for (const other of touched.slice(1)) {
      this.#aggregate.merge(first.numbers, 0, first.objects, 0, other.numbers, 0, other.objects, 0);
      first.records += other.records;
      first.arrived = leastOf(first.arrived, other.arrived);
      first.from = Math.min(first.from, other.from);
      first.latest = Math.max(first.latest, other.latest);
      first.said = Math.max(first.said, other.said);
      this.#remove(other);
    }
    first.start = start;
    first.end = end;
    first.isOver = end <= this.#watermark;
    return [first];
  }

  #open(id: KeyId, key: Key, start: number, end: number): Cell {
    const cell = this.#make(this.#nextRow++, id, key);
    cell.start = start;
    cell.end = end;
    cell.isOver = end <= this.#watermark;
    this.#aggregate.reset(cell.numbers, 0, cell.objects, 0);
    this.#file(cell);
    return cell;
  }

  #make(row: number, id: KeyId, key: Key): Cell {
    const { numbers } = this.#aggregate;
    return {
      row,
      id,
      key,
      start: NaN,
      end: NaN,
      records: 0,
      arrived: NaN,
      from: Infinity,
      latest: -Infinity,
      said: 0,
      standing: null,
      isOver: false,
      numbers: new Float64Array(numbers),
      objects: [],
      saidNumbers: this.#panes === "retracting" ? new Float64Array(numbers) : noNumbers,
      saidObjects: [],
      event: { due: Infinity, timer: Infinity },
      clock: { due: Infinity, timer: Infinity },
    };
  }

  /** Puts a cell among those of its key. */
  #file(cell: Cell): void {
    const all = this.#cells.get(cell.id);
    if (all === undefined) {
      this.#cells.set(cell.id, [cell]);
      return;
    }
    let place = all.length;
    while (
      place > 0 &&
      (all[place - 1].end > cell.end || (all[place - 1].end === cell.end && all[place - 1].start > cell.start))
    ) place--;
    all.splice(place, 0, cell);
  }

  #remove(cell: Cell): void {
    const all = this.#cells.get(cell.id)!;
    if (all.length === 1) this.#cells.delete(cell.id);
    else all.splice(all.indexOf(cell), 1);
    cell.event.timer = cell.clock.timer = NaN;
    this.#changed.delete(cell);
    if (this.#stored.delete(cell.row)) this.#removed.push(cell.row);
  }

  #add(cell: Cell, value: unknown, time: number, now: number): void {
    this.#aggregate.add(cell.numbers, 0, cell.objects, 0, value, time);
    if (cell.records++ === 0) cell.arrived = now;
    cell.from = Math.min(cell.from, Math.max(time, this.#watermark));
    if (!(time <= cell.latest)) cell.latest = time;
    this.#changed.add(cell);
    const condition = this.#conditionOf(cell);
    if (condition !== null && isMet(condition, cell, this.#watermark, now)) {
      this.#fire(cell, cell.end > this.#watermark ? "early" : "late", false);
    }
    this.#schedule(cell, this.#watermark);
  }

  /** What fires the next pane of a cell, besides its end; null for nothing. */
  #conditionOf(cell: Cell): ConditionRule | null {
    const trigger = this.#trigger;
    if (trigger._tag === "AtWatermark") return cell.isOver ? trigger.late : trigger.early;
    return trigger._tag === "Once" && cell.said > 0 ? null : trigger.condition;
  }

  /** Sets a cell's timers: to the next instant after `after` at which it may have something to say. */
  #schedule(cell: Cell, after: number): void {
    const condition = this.#conditionOf(cell);
    const closing = this.#assigner._tag === "Global" ? endOfTime : cell.end + this.#lateness;
    let due = this.#trigger._tag === "AtWatermark" && !cell.isOver ? Math.min(cell.end, closing) : closing;
    if (condition !== null) due = Math.min(due, nextEventTime(condition, cell, after));
    cell.event.due = due;
    setTimer(this.#timers, cell, cell.event);
    if (!this.#usesClock) return;
    cell.clock.due = condition === null ? Infinity : nextProcessingTime(condition, cell, this.#context.now);
    setTimer(this.#clockTimers, cell, cell.clock);
  }

  #advance(watermark: number): void {
    if (watermark === endOfTime) this.#end();
    else this.#reachAll(watermark);
    this.#emit.done();
  }

  /** Does what is due up to a watermark, in the order of time. */
  #reachAll(watermark: number): void {
    this.#watermark = watermark;
    while (this.#timers.nextTime <= watermark && this.#timers.size > 0) {
      const { time, item: cell } = this.#timers.pop()!;
      if (!hasTurn(this.#timers, cell, cell.event, time)) continue;
      this.#emit.due(time);
      this.#reach(cell, time);
    }
  }

  /** Does what is due of a cell at an instant of event time. */
  #reach(cell: Cell, time: number): void {
    if (time >= cell.end + this.#lateness) {
      this.#close(cell, this.#lateness === 0 ? "on-time" : "late");
      return;
    }
    if (this.#trigger._tag === "AtWatermark" && !cell.isOver && time >= cell.end) {
      if (cell.records > 0 || this.#trigger.onTimeAlways) this.#fire(cell, "on-time", false);
      cell.isOver = true;
      this.#changed.add(cell);
    } else {
      const condition = this.#conditionOf(cell);
      if (condition !== null && isMet(condition, cell, time, this.#context.now)) {
        this.#fire(cell, time < cell.end ? "early" : time === cell.end ? "on-time" : "late", false);
      }
    }
    this.#schedule(cell, time);
  }

  /** Says the last of a cell, and forgets it. */
  #close(cell: Cell, timing: Timing): void {
    const trigger = this.#trigger;
    const isDue = trigger._tag === "AtWatermark" && !cell.isOver && trigger.onTimeAlways;
    if (cell.records > 0 || isDue) this.#fire(cell, timing, true);
    this.#remove(cell);
  }

  /** The input has ended: every cell says its last, in the order of when its turn would have come. */
  #end(): void {
    const before = this.#watermark;
    const isAtWatermark = this.#trigger._tag === "AtWatermark";
    const turnOf = ({ end }: Cell): number => isAtWatermark && end > before ? end : end + this.#lateness;
    const all = [...this.#cells.values()].flat().sort((a, b) => turnOf(a) - turnOf(b) || a.row - b.row);
    this.#watermark = endOfTime;
    for (const cell of all) {
      this.#emit.due(turnOf(cell));
      this.#close(cell, cell.end > before ? "on-time" : "late");
    }
  }

  /** Fires what waited for the clock. */
  #tick(now: number): void {
    while (this.#clockTimers.nextTime <= now && this.#clockTimers.size > 0) {
      const { time, item: cell } = this.#clockTimers.pop()!;
      if (!hasTurn(this.#clockTimers, cell, cell.clock, time)) continue;
      const condition = this.#conditionOf(cell);
      if (condition !== null && isMet(condition, cell, this.#watermark, now)) {
        this.#fire(cell, cell.end > this.#watermark ? "early" : "late", false);
      }
      this.#schedule(cell, this.#watermark);
    }
  }

  #fire(cell: Cell, timing: Timing, final: boolean): void {
    const time = this.#assigner._tag === "Global" ? cell.latest : cell.end - 1;
    const window: Window = { start: cell.start, end: cell.end };
    const value = this.#aggregate.result(cell.numbers, 0, cell.objects, 0);
    const pane = cell.said;
    if (this.#panes === "retracting") {
      this.#retract(cell);
      this.#emit.change(cell.key, window, value, pane, timing, final, "add", time);
      this.#remember(cell);
    } else {
      this.#emit.result(cell.key, window, value, pane, timing, final, time);
    }
    cell.said++;
    cell.standing = timing;
    cell.records = 0;
    cell.arrived = NaN;
    cell.from = Infinity;
    if (this.#panes === "discarding") this.#aggregate.reset(cell.numbers, 0, cell.objects, 0);
    this.#changed.add(cell);
  }

  /** Takes back the result that stands, if any. */
  #retract(cell: Cell): void {
    if (cell.standing === null) return;
    const time = this.#assigner._tag === "Global" ? cell.latest : cell.end - 1;
    const value = this.#aggregate.result(cell.saidNumbers, 0, cell.saidObjects, 0);
    const window: Window = { start: cell.start, end: cell.end };
    this.#emit.change(cell.key, window, value, cell.said - 1, cell.standing, false, "retract", time);
    cell.standing = null;
    this.#changed.add(cell);
  }

  /** Keeps the accumulator as it is now, so that what it answers can be taken back. */
  #remember(cell: Cell): void {
    cell.saidNumbers.set(cell.numbers);
    this.#aggregate.objects.forEach((codec, j) => cell.saidObjects[j] = codec.decode(codec.encode(cell.objects[j])));
  }

  takeDeltas(partition: number, into: Array<Delta>): void {
    if (this.#changed.size === 0 && this.#removed.length === 0) return;
    const changed = Map.groupBy(this.#changed, ({ row }) => namespaceOf(row));
    const removed = Map.groupBy(this.#removed, namespaceOf);
    for (const namespace of new Set([...changed.keys(), ...removed.keys()])) {
      into.push(this.#delta(partition, namespace, changed.get(namespace) ?? [], removed.get(namespace) ?? []));
    }
    this.#changed.clear();
    this.#removed = [];
  }

  #delta(partition: number, namespace: number, changed: ReadonlyArray<Cell>, removed: ReadonlyArray<number>): Delta {
    const { numbers: accumulatorWidth, objects: codecs } = this.#aggregate;
    const keepsSaid = this.#panes === "retracting";
    const width = headerWidth + accumulatorWidth * (keepsSaid ? 2 : 1);
    const numbers = new Float64Array(changed.length * width);
    const objects = changed.map((cell, k) => {
      const at = k * width;
      const flags = timings.indexOf(cell.standing) + (cell.isOver ? overFlag : 0);
      numbers.set([cell.start, cell.end, cell.records, cell.arrived, cell.from, cell.latest, cell.said, flags], at);
      numbers.set(cell.numbers, at + headerWidth);
      const row: Array<unknown> = [cell.key];
      codecs.forEach((codec, j) => row.push(codec.encode(cell.objects[j])));
      if (keepsSaid) {
        numbers.set(cell.saidNumbers, at + headerWidth + accumulatorWidth);
        // What it said is worth keeping only while it stands.
        if (cell.standing !== null) codecs.forEach((codec, j) => row.push(codec.encode(cell.saidObjects[j])));
      }
      this.#stored.add(cell.row);
      return row;
    });
    return {
      table: this.name,
      partition,
      namespace,
      dropped: false,
      firstNewRow: 0,
      newKeys: [], // rows come and go one by one, so each brings its key as its first object
      rows: Uint32Array.from(changed, ({ row }) => row % namespaceRowsMax),
      width,
      numbers,
      objects,
      removed: Uint32Array.from(removed, (row) => row % namespaceRowsMax),
    };
  }

  /** The cells that deltas have brought back, by row; filed once all have been applied. */
  readonly #restored = new Map<number, Cell>();

  applyDelta(delta: Delta): void {
    const { numbers: accumulatorWidth, objects: codecs } = this.#aggregate;
    const first = delta.namespace * namespaceRowsMax;
    for (const one of delta.removed) {
      this.#restored.delete(first + one);
      this.#stored.delete(first + one);
    }
    delta.rows.forEach((one, k) => {
      const row = first + one;
      const [key, ...objects] = delta.objects[k];
      const cell = this.#restored.get(row) ?? this.#make(row, keyId(key as Key), key as Key);
      this.#restored.set(row, cell);
      const at = k * delta.width;
      const [start, end, records, arrived, from, latest, said, flags] = delta.numbers.subarray(at, at + headerWidth);
      Object.assign(cell, { start, end, records, arrived, from, latest, said });
      cell.standing = timings[flags % overFlag];
      cell.isOver = flags >= overFlag;
      cell.numbers.set(delta.numbers.subarray(at + headerWidth, at + headerWidth + accumulatorWidth));
      cell.saidNumbers.set(delta.numbers.subarray(at + headerWidth + accumulatorWidth, at + delta.width));
      codecs.forEach((codec, j) => {
        cell.objects[j] = codec.decode(objects[j]);
        if (objects.length > codecs.length) cell.saidObjects[j] = codec.decode(objects[codecs.length + j]);
      });
      this.#stored.add(row);
    });
  }

  snapshot(): unknown {
    const { emitted, counters } = this.#emit;
    return { watermark: this.#watermark, emitted, nextRow: this.#nextRow, counters: { ...counters } };
  }

  restore(snapshot: unknown): void {
    const { watermark, emitted, nextRow, counters } = snapshot as {
      watermark: number;
      emitted: number;
      nextRow: number;
      counters: Counters;
    };
    this.#watermark = watermark;
    this.#nextRow = nextRow;
    Object.assign(this.#emit.counters, counters);
    this.#emit.reach(emitted);
    for (const cell of this.#restored.values()) {
      this.#file(cell);
      this.#schedule(cell, watermark);
    }
    this.#restored.clear();
  }
}

const noNumbers = new Float64Array(0);

/** The first of some cells, which are in the order of their ends, that does not end before an instant. */
const firstEndingFrom = (cells: ReadonlyArray<Cell>, instant: number): number => {
  let low = 0;
  let high = cells.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (cells[middle].end >= instant) high = middle;
    else low = middle + 1;
  }
  return low;
};

/** Sees to it that a timer goes off by the time of a cell's turn. */
const setTimer = (timers: TimerHeap<Cell>, cell: Cell, turn: Turn): void => {
  if (!(turn.due < turn.timer)) return;
  turn.timer = turn.due;
  timers.push({ time: turn.due, id: cell.row, item: cell });
};

/** Whether it is a cell's turn, now that a timer has gone off. If that was too early, another is set. */
const hasTurn = (timers: TimerHeap<Cell>, cell: Cell, turn: Turn, time: number): boolean => {
  if (turn.timer !== time) return false;
  turn.timer = Infinity;
  if (turn.due === time) return true;
  setTimer(timers, cell, turn);
  return false;
};

/** The lesser of two numbers, either of which may be missing. */
const leastOf = (a: number, b: number): number => Number.isNaN(a) ? b : Number.isNaN(b) ? a : Math.min(a, b);
