/**
 * Cuts the bytes of an event stream into events, and keeps no more of one than it may have.
 *
 * Effect's parser knows what the fields of an event mean. Lines are cut before it, so that their bytes are counted, and so
 * that an event which is too long or is not UTF-8 is passed over without being held, and the next one is read well.
 *
 * @module
 */
import { Duration } from "effect";
import * as Sse from "effect/encoding/Sse";
import { Rejected } from "../../source.ts";
import { unreadable } from "../formats/json-lines.ts";
import { blockBytes, Lines } from "../formats/lines.ts";

/** An event, or what stands in its place. */
export interface ServerEvent {
  /** Its own id; `null` when it has none. An empty one takes back the id before it. */
  readonly id: string | null;
  /** Its type, which is `"message"` unless it says otherwise; `null` where there is no event. */
  readonly type: string | null;
  /** Its data; why it was passed over; or `null` where an id came without data, which is no event. */
  readonly data: string | Rejected | null;
}

const carriageReturn = 13;
const lineFeed = 10;
const colon = 58;
const byteOrderMark = "\uFEFF";

/** Events out of the bytes of one connection. */
export class ServerEvents {
  /** After how long the server wants to be asked again, in milliseconds; `null` when it has not said. */
  retryMillis: number | null = null;
  readonly #lines: Lines;
  readonly #parser: Sse.Parser;
  #events: Array<ServerEvent> = [];
  #isAfterReturn = false;
  /** The bytes of the event that is being read, but for comments. */
  #bytes = 0;
  #id: string | null = null;
  /** Why the event that is being read is passed over. */
  #wrong: { readonly reason: string; readonly raw: Uint8Array } | null = null;

  constructor(readonly eventBytesMax: number) {
    this.#lines = new Lines(0, eventBytesMax);
    this.#parser = Sse.makeParser((parsed) => {
      if (parsed._tag === "Retry") this.retryMillis = Duration.toMillis(parsed.duration);
      else this.#events.push({ id: this.#id, type: parsed.event, data: parsed.data });
    }, { maxEventSize: Number.POSITIVE_INFINITY });
  }

  /** The events that some more bytes complete. */
  feed(bytes: Uint8Array): ReadonlyArray<ServerEvent> {
    this.#events = [];
    for (let offset = 0; offset < bytes.length; offset += blockBytes) {
      const space = this.#lines.space();
      let count = 0;
      for (const byte of bytes.subarray(offset, offset + blockBytes)) {
        // A line ends with a line feed, a carriage return, or both.
        if (byte !== lineFeed || !this.#isAfterReturn) space[count++] = byte === carriageReturn ? lineFeed : byte;
        this.#isAfterReturn = byte === carriageReturn;
      }
      if (count === 0) continue;
      this.#lines.filled(count);
      while (this.#lines.next()) this.#takeLine();
    }
    return this.#events;
  }

  #takeLine(): void {
    const lines = this.#lines;
    if (lines.rawLength === 0) return this.#endEvent();
    let { text } = lines;
    const isComment = text === null ? lines.raw()[0] === colon : text.startsWith(":");
    if (isComment) return;
    this.#bytes += lines.rawLength + 1;
    if (this.#wrong === null && this.#bytes > this.eventBytesMax) {
      this.#passOver(`is longer than ${this.eventBytesMax} bytes`);
    }
    if (text === null) {
      if (this.#wrong === null) this.#passOver(unreadable(lines, this.eventBytesMax).reason);
      return;
    }
    if (lines.offset === 0 && text.startsWith(byteOrderMark)) text = text.slice(1);
    const id = /^id(?:: ?(.*))?$/.exec(text);
    if (id !== null && !text.includes("\0")) this.#id = id[1] ?? "";
    if (this.#wrong === null) this.#parser.feed(`${text}\n`);
  }

  #passOver(reason: string): void {
    this.#wrong = { reason, raw: this.#lines.raw() };
    this.#parser.reset();
  }

  #endEvent(): void {
    const before = this.#events.length;
    const wrong = this.#wrong;
    if (wrong === null) this.#parser.feed("\n");
    else this.#events.push({ id: this.#id, type: null, data: new Rejected(wrong.reason, wrong.raw, this.#bytes) });
    if (this.#events.length === before && this.#id !== null) {
      this.#events.push({ id: this.#id, type: null, data: null });
    }
    this.#wrong = null;
    this.#id = null;
    this.#bytes = 0;
  }
}
