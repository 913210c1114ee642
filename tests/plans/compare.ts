/** Comparing what a job wrote and counted with what the oracle says. */
import assert from "node:assert/strict";
import type * as Oracle from "../oracle.ts";
import { assertSameBag, canonical } from "../support.ts";
import type { runPlan } from "./flows.ts";
import type { Answer } from "./plan.ts";

type AnyResult = Oracle.Result<number, Record<string, unknown>>;

const isResult = (row: unknown): row is AnyResult => typeof row === "object" && row !== null && "pane" in row;

/** How far a variance may be from another that was added up in another order. */
const tolerance = 1e-9;

/** Gives rows the expected variance where theirs is as good as equal to it. The rows of one key come in one order. */
export const snap = (rows: ReadonlyArray<unknown>, expected: ReadonlyArray<unknown>): Array<unknown> => {
  const ofKeys = Map.groupBy(expected.filter(isResult), ({ key }) => key);
  const places = new Map<number, number>();
  return rows.map((row) => {
    if (!isResult(row) || !("variance" in row.value)) return row;
    const place = places.get(row.key) ?? 0;
    places.set(row.key, place + 1);
    const variance = ofKeys.get(row.key)?.[place]?.value["variance"] as number | undefined;
    const own = row.value["variance"] as number;
    if (variance === undefined || Math.abs(own - variance) > tolerance * Math.max(1, variance)) return row;
    return { ...row, value: { ...row.value, variance } };
  });
};

/** Checks what a job wrote against what the oracle says. */
export const compare = (got: Awaited<ReturnType<typeof runPlan>>, expected: Answer): void => {
  assert.deepEqual(Object.keys(got.rows).sort(), Object.keys(expected.rows).sort());
  for (const [name, rows] of Object.entries(expected.rows)) {
    const snapped = snap(got.rows[name], rows);
    assertSameBag(snapped, rows, `the rows of "${name}" (engine and oracle)`);
    // The results of one key come in one order: as time goes on, then by the age of its windows.
    const byKey = (all: ReadonlyArray<unknown>) =>
      Object.groupBy(all.filter(isResult), ({ key }) => key) as Record<number, ReadonlyArray<AnyResult>>;
    const ofEngine = byKey(snapped);
    for (const [key, ofKey] of Object.entries(byKey(rows))) {
      assert.deepEqual(
        ofEngine[Number(key)].map(canonical),
        ofKey.map(canonical),
        `the order of key ${key} in "${name}"`,
      );
    }
    const sink = got.metrics.sinks.find(({ sink }) => sink === name);
    assert.equal(sink?.rows, rows.length, `the count of rows of "${name}"`);
    assert.equal(sink?.lostRows, 0);
  }
};

/** Checks what a job counted. */
export const compareCounters = (got: Awaited<ReturnType<typeof runPlan>>, expected: Answer): void => {
  for (const [name, counters] of Object.entries(expected.counters)) {
    const drops = expected.rows[name.replace("window", "late")] === undefined || name === "second";
    const lateDropped = drops ? counters.late : 0;
    assert.deepEqual(got.metrics.operators[name], { ...counters, lateDropped }, `what "${name}" counts`);
  }
};
