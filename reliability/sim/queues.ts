/**
 * Watches every queue of the engine from outside, at each message and each batch: none may hold more than its bound.
 */
import { Mailbox } from "../../src/actors/mailbox.ts";
import type { Message } from "../../src/actors/message.ts";
import { SplitReader } from "../../src/streams/split-reader.ts";

/** What held too much, in words. */
let broken: string | null = null;

const tryOffer = Mailbox.prototype.tryOffer;
Mailbox.prototype.tryOffer = function (message: Message): boolean {
  const before = this.stats.depth;
  const isIn = tryOffer.call(this, message);
  const { depth, recordsMax } = this.stats;
  // A message that alone exceeds the bound is let in when the mailbox is empty.
  if (isIn && before > 0 && depth > recordsMax) broken ??= `a mailbox of ${recordsMax} records holds ${depth}`;
  return isIn;
};

let aheadMax = Infinity;
const take = SplitReader.prototype.take;
SplitReader.prototype.take = function (...args) {
  if (this.buffered > aheadMax) {
    broken ??= `split "${this.name}" is read ${this.buffered} records ahead: ${aheadMax} may be`;
  }
  return take.apply(this, args);
};

/** Begins to watch jobs that read so many records at once. */
export const watchQueues = (batchRecordsMax: number): void => {
  broken = null;
  // A reader goes on until it has a batch, so it holds less than two.
  aheadMax = 2 * batchRecordsMax;
};

/** What held too much since then; null when nothing did. */
export const brokenQueue = (): string | null => broken;
