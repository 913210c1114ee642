/**
 * Windows of every kind, key by key: sessions, calendars, triggers, panes that take each other back.
 *
 * What is kept of one key in one window is a *cell*: an accumulator, the pane since the window last fired, and when its
 * turn comes next. Tumbling and sliding windows that say one thing at their end have an operator of their own, which is
 * faster because a record finds its slice before its key.
 *
 * @module
 */
import type { BatchReceiver, Letter, Receiver } from "../../actors/receiver.ts";
import type { TaskContext } from "../../actors/task-context.ts";
import type { Delta } from "../../kv-state/delta.ts";
import { type Key, keyHash, type KeyId, keyId } from "../../kv-state/key.ts";
import type { Aggregate } from "../../windows/aggregate.ts";
import {
  everything,
  type GlobalAssigner,
  type SessionAssigner,
  type SlidingAssigner,
  type SpansAssigner,
} from "../../windows/assigner.ts";
import {
  type ConditionRule,
  isMet,
  nextEventTime,
  nextProcessingTime,
  type Pane,
  type TriggerRule,
  usesClock,
  usesEventTime,
} from "../../windows/trigger.ts";
import { beginningOfTime, endOfTime } from "../../windows/watermark.ts";
import type { Timing, Window } from "../../windows/window.ts";
import type { Panes } from "../node.ts";
import { Cells } from "./cells.ts";
import { SessionCells } from "./session-cells.ts";
import type { Counters, Stateful } from "./stateful.ts";
import { Turns } from "./turns.ts";
import { WindowCells } from "./window-cells.ts";
import { type CellColumns, cellColumns, column, windowCellLayout, type WindowCellOptions } from "./window-columns.ts";
import type { WindowEmitter } from "./window-emitter.ts";

/**
 * The flags of a cell. Bits 0 and 1 are the timing of the result that stands, 0 where none does, or it was taken back. Bit 2
 * says whether the watermark has reached its end, and the pane that is on time has had its turn.
 */
const timings: ReadonlyArray<Timing | null> = [null, "early", "on-time", "late"];
const timingFlags = 3;
const overFlag = 4;

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
  readonly #cells: Cells;
  readonly #columns: CellColumns;
  /** The cells that a record can still reach: of sessions, and of windows of any other kind. */
  readonly #sessions: SessionCells;
  readonly #windows: WindowCells;
  /** What cells wait for by event time, and what by the clock. */
  readonly #turns: Turns;
  readonly #clockTurns: Turns;
  /** The pane of the cell that a condition is asked of. */
  readonly #pane = { records: 0, arrived: NaN, from: Infinity };
  #watermark = beginningOfTime;

  constructor(options: KeyedWindowOptions) {
    const { assigner, aggregate, trigger, panes } = options;
    this.name = options.name;
    this.#assigner = assigner;
    this.#aggregate = aggregate;
    this.#trigger = trigger;
    this.#panes = panes;
    this.#lateness = options.allowedLateness;
    this.#context = options.context;
    this.#emit = options.emitter;
    this.#byClock = assigner._tag === "Sliding" && assigner.time === "no event time";
    this.#usesClock = usesClock(trigger);
    const kept: WindowCellOptions = {
      aggregate,
      keepsStated: panes === "retracting",
      // What was said is worth keeping only while it stands.
      isStated: (cell) => this.#standing(cell * this.#columns.width) !== null,
      keepsArrived: this.#usesClock,
      keepsFrom: usesEventTime(trigger),
      keepsLatest: assigner._tag === "Global",
    };
    this.#columns = cellColumns(kept);
    this.#cells = new Cells(windowCellLayout(this.#columns, kept));
    this.#sessions = new SessionCells(this.#cells);
    this.#windows = new WindowCells(this.#cells);
    this.#turns = new Turns(this.#cells);
    this.#clockTurns = new Turns(this.#cells);
  }

  get counters(): Counters {
    return this.#emit.counters;
  }

  record(value: unknown, key: unknown, time: number, watermark: number): void {
    const id = keyId(key as Key);
    this.#take(value, key as Key, id, keyHash(id), time, watermark);
  }

  /** The same for each of several records, of which the ids and hashes of the keys are known. */
  readonly batch: BatchReceiver = (columns, rows) => {
    const { values, keys, ids, hashes, times, watermarks } = columns;
    for (let k = 0; k < rows.length; k++) {
      const row = rows[k];
      this.#context.moveToRow(columns, row);
      this.#take(values[row], keys[row] as Key, ids[row], hashes[row], times[row], watermarks[row]);
    }
  };

  #take(value: unknown, key: Key, id: KeyId, hash: number, eventTime: number, eventWatermark: number): void {
    const { now } = this.#context;
    const time = this.#byClock ? now : eventTime;
    const watermark = this.#reached(eventWatermark);
    if (watermark > this.#watermark) this.#advance(watermark);
    if (this.#usesClock) this.#tick(now);
    const assigner = this.#assigner;
    let gap = 0;
    let spans = noSpans;
    try {
      if (assigner._tag === "Session") gap = typeof assigner.gap === "number" ? assigner.gap : assigner.gap(value);
      else if (assigner._tag === "Spans") spans = inOrder(assigner.assign(time, value));
    } catch (error) {
      this.#emit.letter(this.#context.letter(this.name, error, value, true));
      return;
    }
    this.#emit.counters.records++;
    this.#emit.reach(eventWatermark);
    switch (assigner._tag) {
      case "Session":
        this.#addToSession(value, key, id, hash, time, time + gap);
        return;
      case "Global":
        this.#addToWindow(value, key, id, hash, time, everything.start, everything.end);
        return;
      case "Sliding":
        this.#addToSliding(assigner, value, key, id, hash, time);
        return;
      case "Spans":
        this.#addToSpans(spans, value, key, id, hash, time);
    }
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

  #isClosed(end: number): boolean {
    return end + this.#lateness <= this.#watermark;
  }

  /** Adds a record to each of the windows of its instant, by ascending end. */
  #addToSliding(
    { size, slide, offset }: SlidingAssigner,
    value: unknown,
    key: Key,
    id: KeyId,
    hash: number,
    time: number,
  ): void {
    const last = Math.floor((time - offset) / slide) * slide + offset;
    let start = last;
    while (start - slide > time - size) start -= slide;
    let isIn = false;
    for (; start <= last; start += slide) {
      if (this.#isClosed(start + size)) continue;
      this.#admit(isIn, start + size);
      isIn = true;
      this.#addToWindow(value, key, id, hash, time, start, start + size);
    }
    if (!isIn) this.#late(value, key, time, last, last + size);
  }

  /** Adds a record to each of its windows, which are by ascending end, then start. */
  #addToSpans(
    spans: ReadonlyArray<Window>,
    value: unknown,
    key: Key,
    id: KeyId,
    hash: number,
    time: number,
  ): void {
    let isIn = false;
    for (const { start, end } of spans) {
      if (this.#isClosed(end)) continue;
      this.#admit(isIn, end);
      isIn = true;
      this.#addToWindow(value, key, id, hash, time, start, end);
    }
    if (!isIn) this.#late(value, key, time, spans[spans.length - 1].start, spans[spans.length - 1].end);
  }

  /** Counts a record once that is let into windows of which the first is over. */
  #admit(isIn: boolean, end: number): void {
    if (!isIn && end <= this.#watermark) this.#emit.counters.lateAdmitted++;
  }

  #late(value: unknown, key: Key, time: number, start: number, end: number): void {
    this.#emit.late(value, key, time, { start, end }, this.#watermark);
  }

  /** Adds a record to the cell of its key in a window, made if need be. */
  #addToWindow(
    value: unknown,
    key: Key,
    id: KeyId,
    hash: number,
    time: number,
    start: number,
    end: number,
  ): void {
    let cell = this.#windows.find(id, hash, start, end);
    if (cell < 0) cell = this.#open(id, key, hash, start, end);
    this.#add(cell, value, time);
  }

  /** Adds a record to the session that it belongs to: a new one, or all those that its span touches, made one. */
  #addToSession(value: unknown, key: Key, id: KeyId, hash: number, start: number, end: number): void {
    const cell = this.#sessionFor(key, id, hash, start, end);
    if (cell < 0) {
      this.#late(value, key, start, start, end);
      return;
    }
    if (this.#endOf(cell) <= this.#watermark) this.#emit.counters.lateAdmitted++;
    this.#add(cell, value, start);
  }

  /** The session that a span belongs to; -1 when it is closed. */
  #sessionFor(key: Key, id: KeyId, hash: number, start: number, end: number): number {
    const sessions = this.#sessions;
    let last = sessions.newest(id, hash);
    while (last >= 0 && this.#startOf(last) > end) last = sessions.before(last);
    if (last < 0 || this.#endOf(last) < start) {
      return this.#isClosed(end) ? -1 : this.#open(id, key, hash, start, end);
    }
    let first = last;
    // A session ends before the next one begins, so only a span that begins before one can touch the one before that.
    while (start < this.#startOf(first)) {
      const before = sessions.before(first);
      if (before < 0 || this.#endOf(before) < start) break;
      first = before;
    }
    this.#grow(first, last, Math.min(start, this.#startOf(first)), Math.max(end, this.#endOf(last)));
    return first;
  }

  /** Makes the sessions of a key from one to another the first of them, and gives it a span. */
  #grow(first: number, last: number, start: number, end: number): void {
    const sessions = this.#sessions;
    if (this.#panes === "retracting") {
      // A window that ceases to exist takes back what it said.
      for (let cell = first; cell >= 0 && this.#startOf(cell) <= this.#startOf(last); cell = sessions.after(cell)) {
        if (this.#startOf(cell) !== start || this.#endOf(cell) !== end) this.#retract(cell);
      }
    }
    for (let isLast = first === last; !isLast;) {
      const other = sessions.after(first);
      isLast = other === last;
      this.#merge(first, other);
      this.#remove(other);
    }
    const { numbers } = this.#cells;
    const at = first * this.#columns.width;
    numbers[at + column.start] = start;
    numbers[at + column.end] = end;
    const wasOver = this.#isOver(at);
    this.#setOver(at, end <= this.#watermark);
    if (wasOver && !this.#isOver(at)) this.#schedule(first, this.#watermark);
  }

  /** Adds to a cell what a later one holds. */
  #merge(cell: number, other: number): void {
    const { numbers, objects, objectWidth } = this.#cells;
    const { arrived, from, accumulator, width } = this.#columns;
    const at = cell * width;
    const otherAt = other * width;
    this.#aggregate.merge(
      numbers,
      at + accumulator,
      objects,
      cell * objectWidth,
      numbers,
      otherAt + accumulator,
      objects,
      other * objectWidth,
    );
    numbers[at + column.records] += numbers[otherAt + column.records];
    numbers[at + column.said] = Math.max(numbers[at + column.said], numbers[otherAt + column.said]);
    if (arrived >= 0) numbers[at + arrived] = leastOf(numbers[at + arrived], numbers[otherAt + arrived]);
    if (from >= 0) numbers[at + from] = Math.min(numbers[at + from], numbers[otherAt + from]);
  }

  #startOf(cell: number): number {
    return this.#cells.numbers[cell * this.#columns.width + column.start];
  }

  #endOf(cell: number): number {
    return this.#cells.numbers[cell * this.#columns.width + column.end];
  }

  #isOver(at: number): boolean {
    return (this.#cells.numbers[at + column.flags] & overFlag) !== 0;
  }

  #setOver(at: number, isOver: boolean): void {
    const { numbers } = this.#cells;
    numbers[at + column.flags] = (numbers[at + column.flags] & timingFlags) + (isOver ? overFlag : 0);
  }

  #open(id: KeyId, key: Key, hash: number, start: number, end: number): number {
    const cells = this.#cells;
    const cell = cells.add(id, key, hash);
    const { numbers, objects, objectWidth } = cells;
    const { arrived, from, latest, accumulator, width } = this.#columns;
    const at = cell * width;
    numbers[at + column.start] = start;
    numbers[at + column.end] = end;
    numbers[at + column.records] = 0;
    numbers[at + column.said] = 0;
    numbers[at + column.flags] = end <= this.#watermark ? overFlag : 0;
    if (arrived >= 0) numbers[at + arrived] = NaN;
    if (from >= 0) numbers[at + from] = Infinity;
    if (latest >= 0) numbers[at + latest] = -Infinity;
    this.#aggregate.reset(numbers, at + accumulator, objects, cell * objectWidth);
    this.#file(cell);
    return cell;
  }

  /** Puts a cell where records find it. */
  #file(cell: number): void {
    if (this.#assigner._tag === "Session") this.#sessions.add(cell);
    else this.#windows.add(cell);
  }

  #remove(cell: number): void {
    if (this.#assigner._tag === "Session") this.#sessions.remove(cell);
    else this.#windows.remove(cell);
    this.#turns.forget(cell);
    this.#clockTurns.forget(cell);
    this.#cells.remove(cell);
  }

  #add(cell: number, value: unknown, time: number): void {
    const { numbers, objects, objectWidth } = this.#cells;
    const { arrived, from, latest, accumulator, width } = this.#columns;
    const at = cell * width;
    this.#aggregate.add(numbers, at + accumulator, objects, cell * objectWidth, value, time);
    const { now } = this.#context;
    if (arrived >= 0 && numbers[at + column.records] === 0) numbers[at + arrived] = now;
    if (from >= 0) numbers[at + from] = Math.min(numbers[at + from], Math.max(time, this.#watermark));
    if (latest >= 0 && !(time <= numbers[at + latest])) numbers[at + latest] = time;
    const isNew = numbers[at + column.records] === 0 && numbers[at + column.said] === 0;
    numbers[at + column.records]++;
    this.#cells.touch(cell);
    const condition = this.#conditionOf(at);
    if (condition !== null && isMet(condition, this.#paneOf(at), this.#watermark, now)) {
      this.#fire(cell, numbers[at + column.end] > this.#watermark ? "early" : "late", false);
    }
    // Without a condition a record changes nothing, but that a session may end later.
    if (isNew || condition !== null) this.#schedule(cell, this.#watermark);
  }

  /** What fires the next pane of a cell, besides its end; null for nothing. */
  #conditionOf(at: number): ConditionRule | null {
    const trigger = this.#trigger;
    if (trigger._tag === "AtWatermark") return this.#isOver(at) ? trigger.late : trigger.early;
    return trigger._tag === "Once" && this.#cells.numbers[at + column.said] > 0 ? null : trigger.condition;
  }

  /** The pane of a cell, until the next one is asked for. */
  #paneOf(at: number): Pane {
    const { numbers } = this.#cells;
    const { arrived, from } = this.#columns;
    const pane = this.#pane;
    pane.records = numbers[at + column.records];
    if (arrived >= 0) pane.arrived = numbers[at + arrived];
    if (from >= 0) pane.from = numbers[at + from];
    return pane;
  }

  /** Sets a cell's turns: at the next instant after `after` at which it may have something to say. */
  #schedule(cell: number, after: number): void {
    const at = cell * this.#columns.width;
    const condition = this.#conditionOf(at);
    const end = this.#cells.numbers[at + column.end];
    const closing = this.#assigner._tag === "Global" ? endOfTime : end + this.#lateness;
    let due = this.#trigger._tag === "AtWatermark" && !this.#isOver(at) ? Math.min(end, closing) : closing;
    if (condition !== null) due = Math.min(due, nextEventTime(condition, this.#paneOf(at), after));
    this.#turns.set(cell, due);
    if (!this.#usesClock) return;
    const clockDue = condition === null ? Infinity : nextProcessingTime(condition, this.#paneOf(at), this.#context.now);
    this.#clockTurns.set(cell, clockDue);
  }

  #advance(watermark: number): void {
    if (watermark === endOfTime) this.#end();
    else this.#reachAll(watermark);
    this.#emit.done();
  }

  /** Does what is due up to a watermark, in the order of time. */
  #reachAll(watermark: number): void {
    this.#watermark = watermark;
    for (let cell = this.#turns.take(watermark); cell >= 0; cell = this.#turns.take(watermark)) {
      const { time } = this.#turns;
      if (time < this.#endOf(cell) && this.#conditionOf(cell * this.#columns.width) === null) {
        // A session that has grown since waits on.
        this.#schedule(cell, time);
        continue;
      }
      this.#emit.due(time);
      this.#reach(cell, time);
    }
  }

  /** Does what is due of a cell at an instant of event time. */
  #reach(cell: number, time: number): void {
    const at = cell * this.#columns.width;
    const end = this.#endOf(cell);
    if (time >= end + this.#lateness) {
      this.#close(cell, this.#lateness === 0 ? "on-time" : "late");
      return;
    }
    const trigger = this.#trigger;
    if (trigger._tag === "AtWatermark" && !this.#isOver(at) && time >= end) {
      if (this.#cells.numbers[at + column.records] > 0 || trigger.onTimeAlways) this.#fire(cell, "on-time", false);
      this.#setOver(at, true);
      this.#cells.touch(cell);
    } else {
      const condition = this.#conditionOf(at);
      if (condition !== null && isMet(condition, this.#paneOf(at), time, this.#context.now)) {
        this.#fire(cell, time < end ? "early" : time === end ? "on-time" : "late", false);
      }
    }
    this.#schedule(cell, time);
  }

  /** Says the last of a cell, and forgets it. */
  #close(cell: number, timing: Timing): void {
    const trigger = this.#trigger;
    const at = cell * this.#columns.width;
    const isDue = trigger._tag === "AtWatermark" && !this.#isOver(at) && trigger.onTimeAlways;
    if (this.#cells.numbers[at + column.records] > 0 || isDue) this.#fire(cell, timing, true);
    this.#remove(cell);
  }

  /** The input has ended: every cell says its last, in the order of when its turn would have come. */
  #end(): void {
    const before = this.#watermark;
    const isAtWatermark = this.#trigger._tag === "AtWatermark";
    const turnOf = (cell: number): number => {
      const end = this.#endOf(cell);
      return isAtWatermark && end > before ? end : end + this.#lateness;
    };
    const rowOf = (cell: number): number => this.#cells.rowOf(cell);
    const all = this.#cells.all().sort((a, b) => turnOf(a) - turnOf(b) || rowOf(a) - rowOf(b));
    this.#watermark = endOfTime;
    for (const cell of all) {
      this.#emit.due(turnOf(cell));
      this.#close(cell, this.#endOf(cell) > before ? "on-time" : "late");
    }
  }

  /** Fires what waited for the clock. */
  #tick(now: number): void {
    for (let cell = this.#clockTurns.take(now); cell >= 0; cell = this.#clockTurns.take(now)) {
      const at = cell * this.#columns.width;
      const condition = this.#conditionOf(at);
      if (condition !== null && isMet(condition, this.#paneOf(at), this.#watermark, now)) {
        this.#fire(cell, this.#endOf(cell) > this.#watermark ? "early" : "late", false);
      }
      this.#schedule(cell, this.#watermark);
    }
  }

  #fire(cell: number, timing: Timing, final: boolean): void {
    const { numbers, objects, objectWidth } = this.#cells;
    const { arrived, from, accumulator, width } = this.#columns;
    const at = cell * width;
    const key = this.#cells.keyOf(cell);
    const value = this.#aggregate.result(numbers, at + accumulator, objects, cell * objectWidth);
    const pane = numbers[at + column.said];
    if (this.#panes === "retracting") {
      this.#retract(cell);
      this.#emit.change(key, this.#windowOf(at), value, pane, timing, final, "add", this.#timeOf(at));
      this.#remember(cell);
    } else {
      this.#emit.result(key, this.#windowOf(at), value, pane, timing, final, this.#timeOf(at));
    }
    numbers[at + column.said]++;
    numbers[at + column.flags] = (numbers[at + column.flags] & overFlag) + timings.indexOf(timing);
    numbers[at + column.records] = 0;
    if (arrived >= 0) numbers[at + arrived] = NaN;
    if (from >= 0) numbers[at + from] = Infinity;
    if (this.#panes === "discarding") {
      this.#aggregate.reset(numbers, at + accumulator, objects, cell * objectWidth);
    }
    this.#cells.touch(cell);
  }

  #windowOf(at: number): Window {
    const { numbers } = this.#cells;
    return { start: numbers[at + column.start], end: numbers[at + column.end] };
  }

  /** The event time of a result. */
  #timeOf(at: number): number {
    const { latest } = this.#columns;
    const { numbers } = this.#cells;
    return latest >= 0 ? numbers[at + latest] : numbers[at + column.end] - 1;
  }

  /** The timing of the result that stands; null where none does. */
  #standing(at: number): Timing | null {
    return timings[this.#cells.numbers[at + column.flags] & timingFlags];
  }

  /** Takes back the result that stands, if any. */
  #retract(cell: number): void {
    const { numbers, objects, objectWidth } = this.#cells;
    const { stated, width } = this.#columns;
    const at = cell * width;
    const standing = this.#standing(at);
    if (standing === null) return;
    const { objects: { length } } = this.#aggregate;
    const value = this.#aggregate.result(numbers, at + stated, objects, cell * objectWidth + length);
    const pane = numbers[at + column.said] - 1;
    const key = this.#cells.keyOf(cell);
    this.#emit.change(key, this.#windowOf(at), value, pane, standing, false, "retract", this.#timeOf(at));
    numbers[at + column.flags] &= overFlag;
    this.#cells.touch(cell);
  }

  /** Keeps the accumulator as it is now, so that what it answers can be taken back. */
  #remember(cell: number): void {
    const { numbers, objects, objectWidth } = this.#cells;
    const { accumulator, stated, width } = this.#columns;
    const { numbers: count, objects: codecs } = this.#aggregate;
    const at = cell * width;
    for (let c = 0; c < count; c++) numbers[at + stated + c] = numbers[at + accumulator + c];
    const objectsAt = cell * objectWidth;
    for (let j = 0; j < codecs.length; j++) {
      objects[objectsAt + codecs.length + j] = codecs[j].decode(codecs[j].encode(objects[objectsAt + j]));
    }
  }

  takeDeltas(partition: number, into: Array<Delta>): void {
    this.#cells.takeDeltas(this.name, partition, into);
  }

  applyDelta(delta: Delta): void {
    this.#cells.applyDelta(delta);
  }

  snapshot(): unknown {
    const { emitted, counters } = this.#emit;
    return { watermark: this.#watermark, emitted, nextRow: this.#cells.nextRow, counters: { ...counters } };
  }

  restore(snapshot: unknown): void {
    const { watermark, emitted, nextRow, counters } = snapshot as {
      watermark: number;
      emitted: number;
      nextRow: number;
      counters: Counters;
    };
    this.#watermark = watermark;
    Object.assign(this.#emit.counters, counters);
    this.#emit.reach(emitted);
    this.#cells.restore(nextRow);
    for (const cell of this.#cells.all()) {
      this.#file(cell);
      this.#schedule(cell, watermark);
    }
  }
}

const noSpans: ReadonlyArray<Window> = [];

/** Windows by ascending end, then start. */
const inOrder = (windows: ReadonlyArray<Window>): ReadonlyArray<Window> =>
  windows.length === 1 ? windows : [...windows].sort((a, b) => a.end - b.end || a.start - b.start);

/** The lesser of two numbers, either of which may be missing. */
const leastOf = (a: number, b: number): number => Number.isNaN(a) ? b : Number.isNaN(b) ? a : Math.min(a, b);
