/** What is said about a list of records. */
import type { Summary } from "./window.ts";

export const count = <A>(): Summary<A, number> => (entries) => entries.length;

export const sum = <A>(select: (value: A) => number): Summary<A, number> => (entries) =>
  entries.reduce((total, { value }) => total + select(value), 0);

export const mean = <A>(select: (value: A) => number): Summary<A, number> => (entries) =>
  sum(select)(entries) / entries.length;

export const min = <A>(select: (value: A) => number): Summary<A, number> => (entries) =>
  Math.min(...entries.map(({ value }) => select(value)));

export const max = <A>(select: (value: A) => number): Summary<A, number> => (entries) =>
  Math.max(...entries.map(({ value }) => select(value)));

export const variance = <A>(select: (value: A) => number): Summary<A, number> => (entries) => {
  const centre = mean(select)(entries);
  return entries.reduce((total, { value }) => total + (select(value) - centre) ** 2, 0) / entries.length;
};

export const first = <A, B>(select: (value: A) => B): Summary<A, B> => (entries) => {
  const earliest = Math.min(...entries.map(({ time }) => time));
  return select(entries.find(({ time }) => time === earliest)!.value);
};

export const last = <A, B>(select: (value: A) => B): Summary<A, B> => (entries) => {
  const latest = Math.max(...entries.map(({ time }) => time));
  return select(entries.findLast(({ time }) => time === latest)!.value);
};

export const collect =
  <A, B>(select: (value: A) => B, atMost: number): Summary<A, { values: Array<B>; total: number }> => (entries) => ({
    values: entries.slice(0, atMost).map(({ value }) => select(value)),
    total: entries.length,
  });

/** All values by a number, the greatest first; those that are level in the order in which they came. */
export const descending =
  <A, B>(by: (value: A) => number, select: (value: A) => B, atMost = Infinity): Summary<A, Array<B>> => (entries) =>
    entries.map(({ value }) => value).toSorted((a, b) => by(b) - by(a)).slice(0, atMost).map(select);

/** The same with the least first. */
export const ascending = <A, B>(by: (value: A) => number, select: (value: A) => B, atMost?: number) =>
  descending<A, B>((value) => -by(value), select, atMost);

export const argMax = <A, B>(by: (value: A) => number, select: (value: A) => B): Summary<A, B> => (entries) =>
  descending(by, select)(entries)[0];

export const argMin = <A, B>(by: (value: A) => number, select: (value: A) => B): Summary<A, B> => (entries) =>
  ascending(by, select)(entries)[0];

/** How many different numbers there are. */
export const different = <A>(select: (value: A) => number): Summary<A, number> => (entries) =>
  new Set(entries.map(({ value }) => select(value))).size;

export const distinct =
  <A>(select: (value: A) => number, atMost: number): Summary<A, { count: number; exact: boolean }> => (entries) => {
    const count = different(select)(entries);
    return { count: Math.min(count, atMost), exact: count <= atMost };
  };

/** How many numbers lie below the first boundary, from each up to the next, and from the last on. */
export const histogram =
  <A>(select: (value: A) => number, boundaries: ReadonlyArray<number>): Summary<A, Array<number>> => (entries) =>
    [-Infinity, ...boundaries].map((from, k) =>
      entries.filter(({ value }) => select(value) >= from && select(value) < (boundaries[k] ?? Infinity)).length
    );

/** What there is for each `per` of the time from the earliest to the latest, which is taken to be that long at least. */
export const rate = <A>(select: (value: A) => number, per: number): Summary<A, number> => (entries) => {
  const times = entries.map(({ time }) => time);
  return sum(select)(entries) * per / Math.max(Math.max(...times) - Math.min(...times), per);
};

/** A sum as of the latest record, in which each number counts for half after each half-life. */
export const decayed = <A>(select: (value: A) => number, halfLife: number): Summary<A, number> => (entries) => {
  const latest = Math.max(...entries.map(({ time }) => time));
  return entries.reduce((total, { value, time }) => total + select(value) * 2 ** ((time - latest) / halfLife), 0);
};

/** The right quantiles: the numbers at their places when all are sorted. */
export const quantiles =
  <A>(select: (value: A) => number, asked: ReadonlyArray<number>): Summary<A, Array<number>> => (entries) => {
    const sorted = entries.map(({ value }) => select(value)).toSorted((a, b) => a - b);
    return asked.map((q) => sorted[Math.floor(q * (sorted.length - 1))]);
  };

/** Several aggregates under names. */
export const struct =
  <A>(parts: { readonly [name: string]: Summary<A, unknown> }): Summary<A, Record<string, unknown>> => (entries) =>
    Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, part(entries)]));
