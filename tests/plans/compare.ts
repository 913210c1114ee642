/** Comparing what a job wrote and counted with what the oracle says. */
import assert from "node:assert/strict";
import type * as Oracle from "../oracle.ts";
import { assertSameBag, canonical } from "../support.ts";
import type { runPlan } from "./flows.ts";
import { type Answer, told } from "./plan.ts";

type AnyResult = Oracle.Result<number, Record<string, unknown>>;

export const isResult = (row: unknown): row is AnyResult => typeof row === "object" && row !== null && "pane" in row;

/** Whether a number is as good as equal to another that was added up in another order. */
const roughly = (got: unknown, expected: unknown): boolean =>
  Math.abs(Number(got) - Number(expected)) <= 1e-9 * Math.max(1, Math.abs(Number(expected)));

/** What may differ where records are grouped otherwise. */
export const rounded: Tolerances = { variance: roughly, decayed: roughly };

/** What the engine need not say exactly. */
export const approximate: Tolerances = {
  ...rounded,
  quantiles: (got, expected) =>
    (expected as ReadonlyArray<number>).every((right, k) =>
      Math.abs((got as ReadonlyArray<number>)[k] - right) <= (told.relativeError + 1e-9) * Math.abs(right)
    ),
  // The error that is asked for is a standard one. Few values are counted exactly.
  about: (got, expected) =>
    Number(expected) > 8 && Math.abs(Number(got) - Number(expected)) <= 5 * told.standardError * Number(expected),
};

export type Tolerances = { readonly [stat: string]: (got: unknown, expected: unknown) => boolean };

/** Puts what was expected where rows are close enough to it. The rows of one key come in one order. */
export const snap = (
  rows: ReadonlyArray<unknown>,
  expected: ReadonlyArray<unknown>,
  tolerances: Tolerances,
): Array<unknown> => {
  const ofKeys = Map.groupBy(expected.filter(isResult), ({ key }) => key);
  const places = new Map<number, number>();
  return rows.map((row) => {
    if (!isResult(row)) return row;
    const place = places.get(row.key) ?? 0;
    places.set(row.key, place + 1);
    const right = ofKeys.get(row.key)?.[place]?.value;
    if (right === undefined) return row;
    const value = { ...row.value };
    for (const [stat, isClose] of Object.entries(tolerances)) {
      if (stat in value && stat in right && isClose(value[stat], right[stat])) value[stat] = right[stat];
    }
    return { ...row, value };
  });
};

const hasKey = (row: unknown): row is { readonly key: number } =>
  typeof row === "object" && row !== null && "key" in row;

/** Checks that the rows of each key come in the order that is expected of them. */
export const compareOrders = (got: ReadonlyArray<unknown>, expected: ReadonlyArray<unknown>, name: string): void => {
  const byKey = (rows: ReadonlyArray<unknown>) => Map.groupBy(rows.filter(hasKey), ({ key }) => key);
  const ofEngine = byKey(got);
  for (const [key, rows] of byKey(expected)) {
    assert.deepEqual(ofEngine.get(key)?.map(canonical), rows.map(canonical), `the order of key ${key} in "${name}"`);
  }
};

/** Checks what a job wrote against what the oracle says. */
export const compare = (got: Awaited<ReturnType<typeof runPlan>>, expected: Answer): void => {
  assert.deepEqual(Object.keys(got.rows).sort(), Object.keys(expected.rows).sort());
  for (const [name, rows] of Object.entries(expected.rows)) {
    const snapped = snap(got.rows[name], rows, approximate);
    assertSameBag(snapped, rows, `the rows of "${name}" (engine and oracle)`);
    // The results of one key come in one order: as time goes on, then by the age of its windows.
    compareOrders(snapped, rows, name);
    const sink = got.metrics.sinks.find(({ sink }) => sink === name);
    assert.equal(sink?.rows, rows.length, `the count of rows of "${name}"`);
    assert.equal(sink?.lostRows, 0);
  }
};

/** Checks what a job counted. */
export const compareCounters = ({ rows, metrics }: Awaited<ReturnType<typeof runPlan>>, expected: Answer): void => {
  for (const [name, counters] of Object.entries(expected.counters)) {
    const { uncertain, ...others } = metrics.operators[name] ?? {};
    assert.deepEqual(others, counters, `what "${name}" counts`);
    // A ranking may be right by chance, but it may not be wrong without saying so.
    if (uncertain === 0) compareOrders(rows["ranks"], expected.certainRanks, `certain ${name}`);
  }
};
