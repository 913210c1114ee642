/**
 * Session windows: each record opens a window of one gap, and a key's windows that touch become one.
 *
 * @module
 */
import type { Letter, Receiver } from "../../actors/receiver.ts";
import type { Delta } from "../../kv-state/delta.ts";
import { type Key, type KeyId, keyId } from "../../kv-state/key.ts";
import type { Aggregate } from "../../windows/aggregate.ts";
import type { SessionAssigner } from "../../windows/assigner.ts";
import { TimerHeap } from "../../windows/timer-heap.ts";
import { beginningOfTime, endOfTime } from "../../windows/watermark.ts";
import type { Counters, Stateful } from "./stateful.ts";
import type { WindowEmitter } from "./window-emitter.ts";

/** One session of one key. */
interface Session {
  /** Its row in the table: sessions are numbered as they are opened, and keep their number when they grow. */
  readonly row: number;
  readonly id: KeyId;
  readonly key: Key;
  start: number;
  end: number;
  /** How many results it has had. */
  panes: number;
  /** When its timer will go off; a timer that says another time is out of date. */
  due: number;
  readonly numbers: Float64Array;
  readonly objects: Array<unknown>;
}

/** The numbers of a row before those of the accumulator: start, end, panes. */
const headerWidth = 3;

/** Aggregates the records of one keyed partition into sessions. */
export class SessionWindowOperator implements Receiver, Stateful {
  readonly name: string;
  readonly #gap: number;
  readonly #aggregate: Aggregate<unknown, unknown>;
  readonly #lateness: number;
  readonly #emit: WindowEmitter;
  /** The sessions of each key that a record can still reach. */
  readonly #sessions = new Map<KeyId, Array<Session>>();
  readonly #timers = new TimerHeap<Session>();
  readonly #changed = new Set<Session>();
  readonly #stored = new Set<number>();
  #removed: Array<number> = [];
  #nextRow = 0;
  #watermark = beginningOfTime;

  constructor(options: {
    readonly name: string;
    readonly assigner: SessionAssigner<unknown>;
    readonly aggregate: Aggregate<unknown, unknown>;
    readonly allowedLateness: number;
    readonly emitter: WindowEmitter;
  }) {
    this.name = options.name;
    this.#gap = options.assigner.gap as number;
    this.#aggregate = options.aggregate;
    this.#lateness = options.allowedLateness;
    this.#emit = options.emitter;
  }

  get counters(): Counters {
    return this.#emit.counters;
  }

  record(value: unknown, key: unknown, time: number, watermark: number): void {
    if (watermark > this.#watermark) this.#advance(watermark);
    const id = keyId(key as Key);
    const all = this.#sessions.get(id);
    const start = time;
    const end = time + this.#gap;
    const touching = all === undefined ? [] : all.filter((session) => session.start <= end && start <= session.end);
    if (touching.length === 0 && end + this.#lateness <= this.#watermark) {
      this.#emit.late(value, key as Key, time, { start, end }, this.#watermark);
      return;
    }
    const session = touching.length === 0 ? this.#open(id, key as Key, start, end) : this.#join(touching);
    this.#aggregate.add(session.numbers, 0, session.objects, 0, value, time);
    if (start < session.start) session.start = start;
    if (end > session.end) session.end = end;
    this.#changed.add(session);
    if (session.end <= this.#watermark) {
      // The session is over, so the record corrects it (or is its first and only result).
      this.#emit.correction(session.key, span(session), this.#result(session), session.panes++, this.#watermark);
      this.#schedule(session, session.end + this.#lateness);
    } else {
      this.#schedule(session, session.end);
    }
  }

  watermark(watermark: number): void {
    if (watermark > this.#watermark) this.#advance(watermark);
    this.#emit.watermark(this.#watermark);
  }

  letter(letter: Letter): void {
    this.#emit.letter(letter);
  }

  #open(id: KeyId, key: Key, start: number, end: number): Session {
    const session = this.#make(this.#nextRow++, key, id, start, end);
    this.#aggregate.reset(session.numbers, 0, session.objects, 0);
    return session;
  }

  #make(row: number, key: Key, id: KeyId, start: number, end: number): Session {
    const numbers = new Float64Array(this.#aggregate.numbers);
    const session: Session = { row, id, key, start, end, panes: 0, due: NaN, numbers, objects: [] };
    const all = this.#sessions.get(id);
    if (all === undefined) this.#sessions.set(id, [session]);
    else all.push(session);
    return session;
  }

  /** Makes one session of several: the earliest takes the others in, in the order of time. */
  #join(touching: Array<Session>): Session {
    if (touching.length === 1) return touching[0];
    const [first, ...others] = touching.sort((a, b) => a.start - b.start);
    for (const other of others) {
      this.#aggregate.merge(first.numbers, 0, first.objects, 0, other.numbers, 0, other.objects, 0);
      first.end = Math.max(first.end, other.end);
      first.panes = Math.max(first.panes, other.panes);
      this.#remove(other);
    }
    return first;
  }

  #remove(session: Session): void {
    const left = this.#sessions.get(session.id)!.filter((other) => other !== session);
    if (left.length === 0) this.#sessions.delete(session.id);
    else this.#sessions.set(session.id, left);
    session.due = NaN;
    this.#changed.delete(session);
    if (this.#stored.delete(session.row)) this.#removed.push(session.row);
  }

  #schedule(session: Session, due: number): void {
    if (session.due === due) return;
    session.due = due;
    this.#timers.push({ time: due, id: session.row, item: session });
  }

  #advance(watermark: number): void {
    this.#watermark = watermark;
    while (this.#timers.nextTime <= watermark && this.#timers.size > 0) {
      const { time, item: session } = this.#timers.pop()!;
      if (session.due !== time) continue;
      if (time < session.end + this.#lateness || this.#lateness === 0) this.#fire(session);
      if (session.end + this.#lateness <= watermark) this.#remove(session);
      else this.#schedule(session, session.end + this.#lateness);
    }
  }

  #fire(session: Session): void {
    const final = this.#lateness === 0 || this.#watermark === endOfTime;
    this.#emit.result(session.key, span(session), this.#result(session), session.panes++, final);
    this.#changed.add(session);
  }

  #result(session: Session): unknown {
    return this.#aggregate.result(session.numbers, 0, session.objects, 0);
  }

  takeDeltas(partition: number, into: Array<Delta>): void {
    if (this.#changed.size === 0 && this.#removed.length === 0) return;
    const { numbers: accumulatorWidth, objects: codecs } = this.#aggregate;
    const width = headerWidth + accumulatorWidth;
    const rows = new Uint32Array(this.#changed.size);
    const numbers = new Float64Array(rows.length * width);
    const objects: Array<ReadonlyArray<unknown>> = [];
    let k = 0;
    for (const session of this.#changed) {
      rows[k] = session.row;
      numbers.set([session.start, session.end, session.panes], k * width);
      numbers.set(session.numbers, k * width + headerWidth);
      objects.push([session.key, ...codecs.map((codec, j) => codec.encode(session.objects[j]))]);
      this.#stored.add(session.row);
      k++;
    }
    into.push({
      table: this.name,
      partition,
      namespace: 0,
      dropped: false,
      firstNewRow: 0,
      newKeys: [], // rows come and go one by one, so each brings its key as its first object
      rows,
      width,
      numbers,
      objects,
      removed: Uint32Array.from(this.#removed),
    });
    this.#changed.clear();
    this.#removed = [];
  }

  readonly #restored = new Map<number, Session>();

  applyDelta(delta: Delta): void {
    for (const row of delta.removed) {
      const session = this.#restored.get(row);
      if (session === undefined) continue;
      this.#restored.delete(row);
      this.#remove(session);
    }
    this.#removed = [];
    delta.rows.forEach((row, k) => {
      const [key, ...objects] = delta.objects[k];
      const at = k * delta.width;
      const session = this.#restored.get(row) ?? this.#make(row, key as Key, keyId(key as Key), 0, 0);
      this.#restored.set(row, session);
      session.start = delta.numbers[at];
      session.end = delta.numbers[at + 1];
      session.panes = delta.numbers[at + 2];
      session.numbers.set(delta.numbers.subarray(at + headerWidth, at + delta.width));
      this.#aggregate.objects.forEach((codec, j) => session.objects[j] = codec.decode(objects[j]));
      this.#stored.add(row);
    });
  }

  snapshot(): unknown {
    return { watermark: this.#watermark, nextRow: this.#nextRow, counters: { ...this.#emit.counters } };
  }

  restore(snapshot: unknown): void {
    const { watermark, nextRow, counters } = snapshot as { watermark: number; nextRow: number; counters: Counters };
    this.#watermark = watermark;
    this.#nextRow = nextRow;
    Object.assign(this.#emit.counters, counters);
    for (const session of this.#restored.values()) {
      this.#schedule(session, session.end <= watermark ? session.end + this.#lateness : session.end);
    }
    this.#restored.clear();
  }
}

const span = (session: Session): { readonly start: number; readonly end: number } => ({
  start: session.start,
  end: session.end,
});
