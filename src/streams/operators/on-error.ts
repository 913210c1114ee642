/**
 * Where errors end: as dead letters, counted, or as the end of the job.
 *
 * @module
 */
import { batchOf, type BatchReceiver, type Letter, type Receiver } from "../../actors/receiver.ts";
import { reasonOf, type TaskContext } from "../../actors/task-context.ts";
import type { Delta } from "../../kv-state/delta.ts";
import { beginningOfTime } from "../../windows/watermark.ts";
import type { DeadLetter } from "../dead-letter.ts";
import { UserCodeError } from "../errors.ts";
import { sideWatermark } from "./side-watermark.ts";
import type { Counters, Stateful } from "./stateful.ts";

/** Takes letters out of a flow. */
export class OnErrorOperator implements Receiver, Stateful {
  readonly name: string;
  readonly batch: BatchReceiver | null;
  readonly counters: Counters = { deadLetters: 0, dropped: 0 };
  readonly #handling: "fail" | "drop" | Receiver;
  readonly #defects: boolean;
  readonly #job: string;
  readonly #next: Receiver;

  constructor(options: {
    readonly name: string;
    readonly handling: "fail" | "drop" | Receiver;
    readonly defects: boolean;
    readonly context: TaskContext;
    readonly next: Receiver;
  }) {
    this.name = options.name;
    this.#handling = options.handling;
    this.#defects = options.defects;
    this.#job = options.context.job;
    this.#next = options.next;
    // Letters may meet the records again behind this.
    const isAlone = typeof options.handling !== "object" || options.handling.batch !== null;
    this.batch = isAlone ? batchOf(options.next, options.context) : null;
  }

  record(value: unknown, key: unknown, time: number, watermark: number): void {
    this.#next.record(value, key, time, watermark);
  }

  watermark(watermark: number): void {
    this.#next.watermark(watermark);
    if (typeof this.#handling === "object") this.#handling.watermark(sideWatermark(watermark));
  }

  letter(letter: Letter): void {
    if (letter.defect && !this.#defects) {
      this.#next.letter(letter);
    } else if (this.#handling === "fail") {
      throw userCodeError(this.#job, letter);
    } else if (this.#handling === "drop") {
      this.counters.dropped++;
    } else {
      this.counters.deadLetters++;
      const { defect, ...deadLetter } = letter;
      const error = defect ? copyable(letter) : letter.error;
      this.#handling.record({ ...deadLetter, error } satisfies DeadLetter<unknown>, undefined, NaN, beginningOfTime);
    }
  }

  takeDeltas(_partition: number, _into: Array<Delta>): void {}

  applyDelta(_delta: Delta): void {}

  snapshot(): unknown {
    return { ...this.counters };
  }

  restore(snapshot: unknown): void {
    Object.assign(this.counters, snapshot);
  }
}

/** What was thrown or, where a sink could not keep that, or to look at it might throw anew, an error with its words. */
const copyable = ({ error, reason }: Letter): unknown => {
  try {
    // Of most errors it is known without making a copy.
    const isPlain = error instanceof Error && typeof error.message === "string" && error.cause === undefined &&
      typeof error.stack === "string";
    if (!isPlain) structuredClone(error);
    return error;
  } catch {
    return new Error(reason);
  }
};

/** The end of the job that a letter means where nothing handles it. */
export const userCodeError = (job: string, letter: Letter): UserCodeError =>
  new UserCodeError({
    message: `Job "${job}" failed in ${letter.operator} at ${letter.source}, split ${letter.split}, before position ` +
      `${letter.position}: ${letter.reason}`,
    job,
    operator: letter.operator,
    source: letter.source,
    split: letter.split,
    position: letter.position,
    cause: letter.defect ? copyable(letter) : letter.error,
  });

/** Runs a function of the pipeline that no letter can stand for: when it throws, the job fails. */
export const orFail = <A>(context: TaskContext, operator: string, value: unknown, f: () => A): A => {
  try {
    return f();
  } catch (error) {
    if (error instanceof UserCodeError) throw error;
    const letter = context.letter(operator, error, value, true);
    throw userCodeError(context.job, { ...letter, reason: reasonOf(error) });
  }
};
