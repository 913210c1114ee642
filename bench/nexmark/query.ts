/**
 * What a query of the benchmark is.
 *
 * @module
 */
import type { Flow } from "@weir/streams";
import type { Events } from "./source.ts";

/** Which instant a row comes of, and so from when on it could be known. */
export interface RowInstant {
  /**
   * - `"event"`: the time of the event that the row comes of, and it can be said when that event comes
   * - `"window-end"`: the end of a window, and it can be said when the watermark is there
   * - `"clock-window-end"`: the same, of a window by the clock
   * - `"unknown"`: the row does not tell
   */
  readonly is: "event" | "window-end" | "clock-window-end" | "unknown";
  /** In epoch milliseconds. */
  readonly of: (row: unknown) => number;
}

/** What of a row counts in a digest: its text, and how many times. */
export interface Checked {
  /** In ASCII. */
  readonly text: string;
  /** A whole number. */
  readonly times: number;
}

/** A query of the benchmark on Weir. */
export interface NexmarkQuery {
  /** "q0" and so on: the name that it has in the public benchmark. */
  readonly name: string;
  /** What it answers, in a line. */
  readonly says: string;
  /** Puts the query behind events that have an event time. Its rows are flat objects of whole numbers and ASCII texts. */
  readonly build: (events: Events) => Rows<unknown>;
  /** Which instant a row comes of; null where each row is an event's, and they come in the order of the events. */
  readonly rowAt: RowInstant | null;
  /** What of a row counts in a digest: its JSON once, unless the clock has a say in what rows there are. */
  readonly checked: (row: unknown) => Checked;
}

/** A flow of rows, whatever it is keyed by. */
export type Rows<Row> = Flow.Flow<Row, never, never, unknown, unknown, unknown, never>;

/** A row's canonical text: JSON, with the fields in the order in which the query makes them. */
export const canonical = (row: unknown): string => JSON.stringify(row);

/** Makes a query; the type of its rows is known to it alone. */
export const query = <Row>(options: {
  readonly name: string;
  readonly says: string;
  readonly build: (events: Events) => Rows<Row>;
  readonly rowAt?: { readonly is: RowInstant["is"]; readonly of: (row: NoInfer<Row>) => number };
  readonly checked?: (row: NoInfer<Row>) => Checked;
}): NexmarkQuery => {
  const { name, says, build, rowAt, checked } = options;
  return {
    name,
    says,
    build,
    rowAt: rowAt === undefined ? null : rowAt as RowInstant,
    checked: checked === undefined ? (row) => ({ text: canonical(row), times: 1 }) : checked as NexmarkQuery["checked"],
  };
};
