/**
 * Cuts bytes into lines, like a film cutter who is handed the reel in pieces: it never needs more of the film on the
 * table than the scene that is being cut.
 *
 * Positions are byte offsets, so they are exact whatever the characters are. All complete lines of a block are decoded
 * from UTF-8 in one go, because a call per line costs more than parsing it; only a block with invalid UTF-8 is decoded
 * line by line. A line that is too long is not held: its beginning is kept for the dead letter and the rest is counted.
 *
 * @module
 */
import { rejectedBytesMax } from "../../source.ts";

/** How many bytes are read at a time. */
export const blockBytes = 65_536;

const newline = 10;
const carriageReturn = 13;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const utf8Lossy = new TextDecoder("utf-8", { ignoreBOM: true });

/** Lines out of blocks of bytes. Use: `while (!next()) filled(read into space())` until `ended`. */
export class Lines {
  /** The current line without its line ending; `null` when it is {@link tooLong} or is not UTF-8. */
  text: string | null = null;
  /** The offset after the current line and its line ending. */
  position: number;
  /** Whether the current line has more than `lineBytesMax` bytes. */
  tooLong = false;
  /** Whether there are no more bytes and no more lines. */
  ended = false;

  readonly #lineBytesMax: number;
  #bytes = new Uint8Array(2 * blockBytes);
  /** The offset of `#bytes[0]`. */
  #base: number;
  /** `#bytes[#start, #complete)` are complete lines not yet taken, `#bytes[#complete, #end)` begins the next one. */
  #start = 0;
  #complete = 0;
  #end = 0;
  #noMoreBytes = false;
  /** `#bytes[0, #complete)` as text, or `null` when they are not UTF-8. */
  #block: string | null = "";
  #blockStart = 0;
  /** Whether indexes into `#block` are indexes into the bytes, too. */
  #ascii = true;
  /** The current line in `#bytes`. */
  #lineStart = 0;
  #lineEnd = 0;
  /** The line that is being skipped as it is too long, and how much of it was dropped from `#bytes`. */
  #skipped: { readonly head: Uint8Array; bytes: number; lastByte: number } | null = null;
  #raw: { readonly head: Uint8Array; readonly length: number } | null = null;

  /** Starts at an offset at which a line begins. */
  constructor(from: number, lineBytesMax: number) {
    this.#base = from;
    this.position = from;
    this.#lineBytesMax = lineBytesMax;
  }

  /** Where the next bytes are to be put: at most {@link blockBytes}. Only when {@link next} has returned false. */
  space(): Uint8Array<ArrayBuffer> {
    const rest = this.#end - this.#start;
    // One byte more than a block, for the line ending that the last line may lack.
    const capacity = rest + blockBytes + 1;
    const into = capacity > this.#bytes.length ? new Uint8Array(2 * capacity) : this.#bytes;
    into.set(this.#bytes.subarray(this.#start, this.#end));
    this.#bytes = into;
    this.#base += this.#start;
    this.#start = this.#complete = 0;
    this.#end = rest;
    return into.subarray(rest, rest + blockBytes);
  }

  /** Tells how many bytes were put into {@link space}; 0 at the end. */
  filled(count: number): void {
    let end = this.#end + count;
    if (count === 0) {
      this.#noMoreBytes = true;
      if (end === 0 && this.#skipped === null) return;
      this.#bytes[end++] = newline;
    }
    const bytes = this.#bytes;
    const fresh = this.#end;
    this.#end = end;
    const last = bytes.subarray(fresh, end).lastIndexOf(newline);
    if (last < 0) {
      this.#dropIfTooLong();
      return;
    }
    this.#complete = fresh + last + 1;
    const complete = bytes.subarray(0, this.#complete);
    try {
      this.#block = utf8.decode(complete);
      this.#ascii = this.#block.length === complete.length;
    } catch {
      this.#block = null; // Each line is decoded on its own, and the ones that are not UTF-8 are told.
      this.#ascii = false;
    }
    this.#blockStart = 0;
  }

  /** Moves on to the next line, or returns false when more bytes are needed or there are none. */
  next(): boolean {
    if (this.#start === this.#complete) {
      if (this.#noMoreBytes) this.ended = true;
      return false;
    }
    const start = this.#start;
    const block = this.#block;
    const blockEnd = block === null ? -1 : block.indexOf("\n", this.#blockStart);
    const end = this.#ascii ? blockEnd : this.#bytes.indexOf(newline, start);
    this.#start = end + 1;
    this.position = this.#base + end + 1;
    if (this.#noMoreBytes && this.#start === this.#end) this.position--; // The line ending was not in the file.
    const skipped = this.#skipped;
    const lastByte = end > start ? this.#bytes[end - 1] : skipped?.lastByte;
    const returned = lastByte === carriageReturn ? 1 : 0;
    this.#lineStart = start;
    this.#lineEnd = end - returned;
    this.#raw = null;
    if (skipped !== null) {
      const length = skipped.bytes + end - start - returned;
      this.#raw = { head: skipped.head.slice(0, Math.min(length, rejectedBytesMax)), length };
      this.#skipped = null;
    }
    const text = block?.slice(this.#blockStart, blockEnd - returned) ?? null;
    this.#blockStart = blockEnd + 1;
    this.tooLong = this.rawLength > this.#lineBytesMax;
    this.text = this.tooLong ? null : text ?? this.#decodeLine();
    return true;
  }

  /** The offset at which the current line begins. Only for lines with {@link text}. */
  get offset(): number {
    return this.#base + this.#lineStart;
  }

  /** How many bytes the current line has without its line ending. */
  get rawLength(): number {
    return this.#raw?.length ?? this.#lineEnd - this.#lineStart;
  }

  /** The current line's bytes, cut at `rejectedBytesMax`. */
  raw(): Uint8Array {
    return this.#raw?.head ??
      this.#bytes.slice(this.#lineStart, Math.min(this.#lineEnd, this.#lineStart + rejectedBytesMax));
  }

  #decodeLine(): string | null {
    try {
      return utf8.decode(this.#bytes.subarray(this.#lineStart, this.#lineEnd));
    } catch {
      return null; // The caller rejects the line.
    }
  }

  #dropIfTooLong(): void {
    const pending = this.#end - this.#start;
    const total = (this.#skipped?.bytes ?? 0) + pending;
    // One byte more may be the carriage return of a line that just fits. All of the head is kept, so that what a dead
    // letter carries does not depend on where blocks end.
    if (total <= Math.max(this.#lineBytesMax, rejectedBytesMax) + 1) return;
    this.#skipped ??= { head: this.#bytes.slice(this.#start, this.#start + rejectedBytesMax), bytes: 0, lastByte: 0 };
    this.#skipped.bytes = total;
    this.#skipped.lastByte = this.#bytes[this.#end - 1];
    this.#base += this.#end;
    this.#start = this.#complete = this.#end = 0;
  }
}

/** Bytes as text, with a replacement character for whatever is not UTF-8. */
export const readable = (bytes: Uint8Array): string => utf8Lossy.decode(bytes);
