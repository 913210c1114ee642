/** Which windows a record belongs to. */

/** A window, in milliseconds: `start` is in it, `end` is not. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** How records are assigned to windows, in milliseconds. */
export type Assigner<A = unknown> =
  | { readonly kind: "sliding"; readonly size: number; readonly slide: number; readonly offset: number }
  | { readonly kind: "session"; readonly gap: (value: A) => number }
  | { readonly kind: "spans"; readonly assign: (time: number, value: A) => ReadonlyArray<Span> }
  | { readonly kind: "global" }
  | { readonly kind: "count"; readonly size: number; readonly slide: number };

export const tumbling = (size: number, offset = 0): Assigner => sliding(size, size, offset);

export const sliding = (size: number, slide: number, offset = 0): Assigner => ({
  kind: "sliding",
  size,
  slide,
  offset,
});

/** Sessions: with one gap, or with one for each record. */
export const session = <A = unknown>(gap: number | ((value: A) => number)): Assigner<A> => ({
  kind: "session",
  gap: typeof gap === "number" ? () => gap : gap,
});

/** Windows that a function gives: a calendar's, or anything else. */
export const spans = <A = unknown>(assign: (time: number, value: A) => ReadonlyArray<Span>): Assigner<A> => ({
  kind: "spans",
  assign,
});

/** One window for everything. */
export const global: Assigner = { kind: "global" };

/** Windows of `size` records, one after every `slide` records. */
export const countOf = (size: number, slide = size): Assigner => ({ kind: "count", size, slide });

/** The range of dates. */
const everything: Span = { start: -8.64e15, end: 8.64e15 };

/** The windows that a record belongs to, by ascending end and then by start; of a session, the span of this record alone. */
export const windowsOf = <A>(assigner: Assigner<A>, time: number, value: A): ReadonlyArray<Span> => {
  switch (assigner.kind) {
    case "sliding":
      return slidingWindowsOf(assigner, time);
    case "session":
      return [{ start: time, end: time + assigner.gap(value) }];
    case "spans":
      return assigner.assign(time, value).toSorted((a, b) => a.end - b.end || a.start - b.start);
    case "global":
      return [everything];
    case "count":
      throw new Error("Windows of a number of records depend on the records before");
  }
};

const slidingWindowsOf = (
  { size, slide, offset }: { readonly size: number; readonly slide: number; readonly offset: number },
  time: number,
): ReadonlyArray<Span> => {
  const spans: Array<Span> = [];
  const last = Math.floor((time - offset) / slide);
  for (let k = last - Math.ceil(size / slide); k <= last; k++) {
    const start = k * slide + offset;
    if (start <= time && time < start + size) spans.push({ start, end: start + size });
  }
  return spans;
};
