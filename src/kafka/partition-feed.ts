/**
 * What has been fetched of one partition and not been read yet: a bounded hand-over from the fibers that fetch to the stream
 * that reads.
 *
 * @module
 */
import { Effect } from "effect";
import { Signal } from "../actors/signal.ts";
import type { LogRecord } from "./client.ts";
import type { KafkaError } from "./errors.ts";

/** How many answers of a partition wait to be read before no more is asked for. */
export const feedChunksMax = 2;

/** What an answer brought. */
export interface Chunk {
  /** The visible records, in the order of offsets. */
  readonly records: ReadonlyArray<LogRecord>;
  /** Where to read on behind it. */
  readonly nextOffset: number;
  /** The offset behind what can be read of the partition now. */
  readonly end: number;
}

/** The offset that was asked for is not there: before the first record that is left, or behind the last. */
export class OutOfRange {
  readonly _tag = "OutOfRange";
  constructor(
    readonly wanted: number,
    readonly earliest: number,
    readonly latest: number,
  ) {}
}

/** Why a feed gives nothing more. */
export type FeedFailure = KafkaError | OutOfRange;

/** What has been fetched of a partition. */
export class PartitionFeed {
  /** Where to fetch next. */
  offset: number;
  /** The broker that leads it; `null` while that is not known. */
  leader: number | null = null;
  /** Since when it could not be fetched, by the clock; `null` while it can. */
  troubledSince: number | null = null;
  #chunks: Array<Chunk> = [];
  #failure: FeedFailure | null = null;
  /** How much was left behind the last answer; -1 before the first. */
  #left = -1;
  #isFresh = true;
  readonly #news = new Signal();
  readonly #onRoom: () => void;

  constructor(
    readonly topic: string,
    /** What tells the topic from others of its name; `null` while that is not known. */
    public topicId: string | null,
    readonly partition: number,
    offset: number,
    /** The offset at which nothing more is wanted; `null` where there is none. */
    readonly end: number | null,
    onRoom: () => void,
  ) {
    this.offset = offset;
    this.#onRoom = onRoom;
  }

  /** Whether more is to be fetched now. */
  get isWanted(): boolean {
    return !this.isOver && this.#chunks.length < feedChunksMax;
  }

  /** Whether no answer has yet said that there is nothing more. */
  get isFresh(): boolean {
    return this.#isFresh;
  }

  /** Whether nothing more is to be fetched, now or later. */
  get isOver(): boolean {
    return this.#failure !== null || (this.end !== null && this.offset >= this.end);
  }

  /** Whether it gives nothing more than what is there. */
  get hasFailed(): boolean {
    return this.#failure !== null;
  }

  /** Takes an answer. One that brings nothing is handed on only where it tells that all has been read. */
  put(chunk: Chunk): void {
    const left = Math.max(0, chunk.end - chunk.nextOffset);
    const isFurther = chunk.nextOffset > this.offset;
    const isNews = isFurther || left !== this.#left;
    if (!isFurther) this.#isFresh = false;
    this.offset = chunk.nextOffset;
    this.#left = left;
    if (!isNews) return;
    this.#chunks.push(chunk);
    this.#news.notify();
  }

  /** Gives nothing more than what is there. */
  fail(failure: FeedFailure): void {
    this.#failure ??= failure;
    this.#news.notify();
  }

  /** Goes on elsewhere, after a failure that allows it. */
  seek(offset: number): void {
    this.offset = offset;
    this.#failure = null;
    this.#chunks = [];
    this.#onRoom();
  }

  /** The next chunk, once it is there. */
  readonly take: Effect.Effect<Chunk, FeedFailure> = Effect.suspend(() => {
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      if (this.#chunks.length === feedChunksMax - 1) this.#onRoom();
      return Effect.succeed(chunk);
    }
    if (this.#failure !== null) return Effect.fail(this.#failure);
    return Effect.andThen(this.#news.wait, this.take);
  });
}
