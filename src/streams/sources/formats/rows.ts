/**
 * Cuts bytes into the records of CSV, as `lines.ts` cuts them into lines: with no more of the file in memory than the
 * records of a block, or than one record if that is longer.
 *
 * A line break ends a record unless it is quoted, so a quote that is never closed would take the rest of the file for one
 * record. It does not: where a quoted field does not end within the bytes that a record may have, or before the file
 * does, the line in which the record began is refused, and the line after it begins a record. So every line is in a
 * record or refused, and one can read on after any of them.
 *
 * Where a record ends is told from its quotes alone. What its fields are is told by Effect's decoder, in one go for all
 * sound records of a block; those that it refuses, and those that look odd, are decoded one by one.
 *
 * @module
 */
import { Effect, Result, Stream } from "effect";
import * as Csv from "effect/encoding/Csv";
import { rejectedBytesMax } from "../../source.ts";
import { blockBytes, readable } from "./lines.ts";

const quote = 0x22;
const newline = 0x0a;
const carriageReturn = 0x0d;
const byteOrderMark = "\uFEFF";
const byteOrderMarkBytes = [0xef, 0xbb, 0xbf];
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** How many characters of a record that is not UTF-8 a reason shows. */
const excerptCharactersMax = 80;

/** Why a record is none. */
export interface Problem {
  readonly words: string;
  /** In which column, counted from 1, if that is known. */
  readonly column: number | null;
}

/** A record that was cut. */
interface Cut {
  /** Where it begins and ends in the bytes, without its line ending. */
  readonly start: number;
  readonly end: number;
  /** Where the next one begins. */
  readonly next: number;
  /** Whether it must be decoded on its own, as others might be drawn into what is wrong with it. */
  readonly odd: boolean;
  cells: ReadonlyArray<string> | null;
  problem: Problem | null;
  /** Its bytes, where they were too many to be held. */
  readonly head: Uint8Array | null;
  readonly length: number;
}

/** Where the scan stands in a record. */
type ScanState = "outside" | "in quotes" | "after a quote";

/** Records out of blocks of bytes. Use: `while (!next()) filled(read into space())` until `ended`. */
export class Rows {
  /** The fields of the current record; `null` when it is none. */
  cells: ReadonlyArray<string> | null = null;
  /** Why the current record is none. */
  problem: Problem | null = null;
  /** The offset after the current record and its line ending. */
  position: number;
  /** Whether there are no more bytes and no more records. */
  ended = false;

  readonly #delimiter: string;
  readonly #delimiterByte: number;
  readonly #recordBytesMax: number;
  #bytes = new Uint8Array(2 * blockBytes);
  /** The part of `#bytes` that is in use. */
  #filled = this.#bytes.subarray(0, 0);
  /** The offset of `#bytes[0]`. */
  #base: number;
  #end = 0;
  /** Where the record begins that is being scanned, and how far it has been. */
  #start = 0;
  #at = 0;
  #state: ScanState = "outside";
  #odd = false;
  #noMoreBytes = false;
  /** The next quote and carriage return, as far as they have been looked up; those that are passed do not count. */
  #quoteAt = -1;
  #returnAt = -1;
  #cuts: Array<Cut> = [];
  #taken = 0;
  #current: Cut | null = null;
  /** The record that is being skipped as it is too long. */
  #skipped: { readonly head: Uint8Array; length: number; lastByte: number; readonly offset: number } | null = null;

  /** Starts at an offset at which a record begins. The delimiter is one character of ASCII. */
  constructor(from: number, delimiter: string, recordBytesMax: number) {
    this.#base = from;
    this.position = from;
    this.#delimiter = delimiter;
    this.#delimiterByte = delimiter.charCodeAt(0);
    this.#recordBytesMax = recordBytesMax;
  }

  /** Where the next bytes are to be put: {@link blockBytes}. Only when {@link next} has returned false. */
  space(): Uint8Array<ArrayBuffer> {
    const dropped = this.#start;
    const rest = this.#end - dropped;
    const capacity = rest + blockBytes;
    const into = capacity > this.#bytes.length ? new Uint8Array(2 * capacity) : this.#bytes;
    into.set(this.#bytes.subarray(dropped, this.#end));
    this.#bytes = into;
    this.#base += dropped;
    this.#at -= dropped;
    this.#start = 0;
    this.#end = rest;
    return into.subarray(rest, rest + blockBytes);
  }

  /** Tells how many bytes were put into {@link space}; 0 at the end. */
  filled(count: number): void {
    this.#end += count;
    this.#filled = this.#bytes.subarray(0, this.#end);
    this.#quoteAt = this.#returnAt = -1;
    this.#cuts = [];
    this.#taken = 0;
    this.#scan();
    if (count === 0) {
      this.#noMoreBytes = true;
      this.#finish();
    }
    this.#decode();
  }

  /** Moves on to the next record, or returns false when more bytes are needed or there are none. */
  next(): boolean {
    if (this.#taken === this.#cuts.length) {
      if (this.#noMoreBytes) this.ended = true;
      return false;
    }
    const cut = this.#cuts[this.#taken++];
    this.#current = cut;
    this.cells = cut.cells;
    this.problem = cut.problem;
    this.position = this.#base + cut.next;
    return true;
  }

  /** The offset at which the current record begins. */
  get offset(): number {
    return this.#base + this.#current!.start;
  }

  /** How many bytes the current record has without its line ending. */
  get rawLength(): number {
    return this.#current!.length;
  }

  /** The current record's bytes, cut at `rejectedBytesMax`. */
  raw(): Uint8Array {
    const { head, start, end } = this.#current!;
    return head ?? this.#bytes.slice(start, Math.min(end, start + rejectedBytesMax));
  }

  /** Cuts what there is. What depends on a limit is looked at only up to it, so that it depends on no block's end. */
  #scan(): void {
    for (;;) {
      if (this.#skipped !== null) {
        if (!this.#skip()) return;
        continue;
      }
      if (this.#base + this.#start === 0 && byteOrderMarkBytes.every((byte, i) => this.#bytes[i] === byte)) {
        this.#start = byteOrderMarkBytes.length;
        this.#at = Math.max(this.#at, this.#start);
      }
      // The line ending may have two bytes.
      const limit = this.#start + this.#recordBytesMax + 2;
      const end = this.#recordEnd(Math.min(this.#end, limit));
      if (end >= 0) {
        this.#cut(end, end + 1);
      } else if (this.#at === limit) {
        const words = `has a quoted field that does not end within ${this.#recordBytesMax} bytes`;
        if (this.#state !== "in quotes" || !this.#cutLine(words)) this.#startSkipping();
      } else {
        return;
      }
    }
  }

  /** Cuts the last record, which needs no line ending. */
  #finish(): void {
    for (;;) {
      if (this.#skipped !== null) this.#cutSkipped(this.#end, this.#end);
      if (this.#start === this.#end) return;
      if (this.#state !== "in quotes") {
        this.#cut(this.#end, this.#end);
        return;
      }
      const words = "has a quoted field that does not end before the file does";
      if (this.#cutLine(words)) this.#scan();
      else this.#cut(this.#end, this.#end, words);
    }
  }

  /** Where the line ending of the record is before `stop`, or -1. */
  #recordEnd(stop: number): number {
    const bytes = this.#bytes;
    let at = this.#at;
    let state = this.#state;
    let end = -1;
    while (at < stop) {
      if (state === "after a quote") {
        const byte = bytes[at];
        if (byte === quote) {
          state = "in quotes";
          at++;
        } else {
          state = "outside";
          if (byte !== this.#delimiterByte && byte !== newline && byte !== carriageReturn) this.#odd = true;
        }
        continue;
      }
      if (this.#quoteAt < at) this.#quoteAt = this.#find(quote, at);
      const quoteAt = this.#quoteAt;
      if (state === "in quotes") {
        if (quoteAt >= stop) {
          at = stop;
        } else {
          state = "after a quote";
          at = quoteAt + 1;
        }
        continue;
      }
      const newlineAt = this.#find(newline, at);
      if (newlineAt < quoteAt && newlineAt < stop) {
        end = at = newlineAt;
        break;
      }
      if (quoteAt >= stop) {
        at = stop;
        break;
      }
      if (quoteAt === this.#start || bytes[quoteAt - 1] === this.#delimiterByte) state = "in quotes";
      else this.#odd = true; // A quote in the middle of a field that has none around it.
      at = quoteAt + 1;
    }
    this.#at = at;
    this.#state = state;
    return end;
  }

  #find(byte: number, from: number): number {
    const at = this.#filled.indexOf(byte, from);
    return at < 0 ? Infinity : at;
  }

  /** Cuts the record that has been scanned, and starts the next one. */
  #cut(lineEnd: number, next: number, words: string | null = null): void {
    const start = this.#start;
    const end = lineEnd > start && this.#bytes[lineEnd - 1] === carriageReturn ? lineEnd - 1 : lineEnd;
    const length = end - start;
    if (this.#returnAt < start) this.#returnAt = this.#find(carriageReturn, start);
    const odd = this.#odd || this.#returnAt < end;
    const tooLong = length > this.#recordBytesMax;
    const problem = words !== null
      ? { words, column: null }
      : tooLong
      ? { words: this.#tooLong(length), column: null }
      : null;
    if (length > 0) this.#cuts.push({ start, end, next, odd, cells: null, problem, head: null, length });
    this.#restart(next);
  }

  /** Refuses the line in which the record began, if it ends within what was scanned, and begins again after it. */
  #cutLine(words: string): boolean {
    const newlineAt = this.#find(newline, this.#start);
    if (newlineAt >= this.#at) return false;
    this.#cut(newlineAt, newlineAt + 1, words);
    this.#quoteAt = -1; // The scan goes back.
    return true;
  }

  #restart(at: number): void {
    this.#start = this.#at = at;
    this.#state = "outside";
    this.#odd = false;
  }

  /** Drops what there is of a record that is too long, but for its beginning. It ends with the next line ending. */
  #startSkipping(): void {
    this.#skipped = {
      head: new Uint8Array(rejectedBytesMax),
      length: 0,
      lastByte: 0,
      offset: this.#base + this.#start,
    };
    // What was scanned has no line ending that counts: the line is skipped from where the scan stands.
    this.#drop(this.#at);
  }

  /** Skips to the line ending, and says whether it has been found. */
  #skip(): boolean {
    const newlineAt = this.#find(newline, this.#start);
    if (newlineAt === Infinity) {
      this.#drop(this.#end);
      return false;
    }
    this.#cutSkipped(newlineAt, newlineAt + 1);
    return true;
  }

  #cutSkipped(lineEnd: number, next: number): void {
    this.#drop(lineEnd);
    const { head, length: bytes, lastByte } = this.#skipped!;
    const length = lastByte === carriageReturn ? bytes - 1 : bytes;
    this.#cuts.push({
      start: this.#skipped!.offset - this.#base,
      end: lineEnd,
      next,
      odd: true,
      cells: null,
      problem: { words: this.#tooLong(length), column: null },
      head: head.slice(0, Math.min(length, rejectedBytesMax)),
      length,
    });
    this.#skipped = null;
    this.#restart(next);
  }

  #drop(to: number): void {
    const skipped = this.#skipped!;
    const dropped = this.#bytes.subarray(this.#start, to);
    if (skipped.length < rejectedBytesMax) {
      skipped.head.set(dropped.subarray(0, rejectedBytesMax - skipped.length), skipped.length);
    }
    skipped.length += dropped.length;
    if (dropped.length > 0) skipped.lastByte = dropped[dropped.length - 1];
    this.#start = this.#at = to;
  }

  #tooLong(length: number): string {
    return `is longer than ${this.#recordBytesMax} bytes: it has ${length}`;
  }

  /** Decodes what was cut: sound records together, the others one by one. */
  #decode(): void {
    const cuts = this.#cuts;
    for (let first = 0; first < cuts.length;) {
      let after = first;
      while (after < cuts.length && cuts[after].problem === null && !cuts[after].odd) after++;
      if (after > first) this.#decodeTogether(first, after);
      if (after < cuts.length && cuts[after].problem === null) this.#decodeAlone(cuts[after]);
      first = after + 1;
    }
  }

  /** Decodes records that follow one another. If something is wrong with one of them, it is looked for by halves. */
  #decodeTogether(first: number, after: number): void {
    const cuts = this.#cuts;
    if (after - first === 1) return this.#decodeAlone(cuts[first]);
    const text = this.#text(cuts[first].start, cuts[after - 1].next);
    const rows = text === null ? null : parse(text, this.#delimiter, "blank lines are skipped");
    if (rows !== null && Result.isSuccess(rows) && rows.success.length === after - first) {
      for (let i = first; i < after; i++) cuts[i].cells = rows.success[i - first];
      return;
    }
    const middle = (first + after) >> 1;
    this.#decodeTogether(first, middle);
    this.#decodeTogether(middle, after);
  }

  #decodeAlone(cut: Cut): void {
    const text = this.#text(cut.start, cut.end);
    if (text === null) {
      const excerpt = readable(this.#bytes.slice(cut.start, Math.min(cut.end, cut.start + rejectedBytesMax)));
      cut.problem = { words: `is not UTF-8: "${excerpt.slice(0, excerptCharactersMax)}"`, column: null };
      return;
    }
    const rows = parse(text, this.#delimiter, "blank lines count");
    if (Result.isFailure(rows)) {
      const { message, column } = rows.failure;
      cut.problem = { words: `is not CSV: ${message[0].toLowerCase()}${message.slice(1)}`, column: column ?? null };
    } else if (rows.success.length !== 1 || text.endsWith("\r")) {
      cut.problem = { words: "is not CSV: a carriage return outside quotes ends no line by itself", column: null };
    } else {
      cut.cells = rows.success[0];
    }
  }

  #text(start: number, end: number): string | null {
    try {
      return utf8.decode(this.#bytes.subarray(start, end));
    } catch {
      return null; // The caller looks for the record that is not UTF-8, and tells.
    }
  }
}

/** The records in a text. */
const parse = (
  text: string,
  delimiter: string,
  blankLines: "blank lines count" | "blank lines are skipped",
): Result.Result<ReadonlyArray<Csv.Row>, Csv.CsvError> => {
  const ignoreEmptyLines = blankLines === "blank lines are skipped";
  // A byte order mark is part of a field but at the beginning of the file, where it is not handed over.
  const isMarked = text.startsWith(byteOrderMark);
  const rows = Effect.runSync(Effect.result(Stream.runCollect(
    Stream.make(isMarked ? `\n${text}` : text).pipe(
      Stream.pipeThroughChannel(Csv.decodeString({ delimiter, maxRecordSize: Infinity, ignoreEmptyLines })),
    ),
  )));
  return isMarked && !ignoreEmptyLines ? Result.map(rows, (all) => all.slice(1)) : rows;
};
