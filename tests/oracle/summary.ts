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

/** Several aggregates under names. */
export const struct =
  <A>(parts: { readonly [name: string]: Summary<A, unknown> }): Summary<A, Record<string, unknown>> => (entries) =>
    Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, part(entries)]));
