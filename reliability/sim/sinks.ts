/**
 * Every kind of sink that takes part in simulations, with what it must hold in the end. A new one is one more entry.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Effect } from "effect";
import fc from "fast-check";
import { Sink } from "@weir/streams";
import { faultyKv } from "../../src/testing/simulation/simulated-ports.ts";
import { approximate, compareOrders, isResult, snap } from "../../tests/plans/compare.ts";
import { assertSameBag, canonical } from "../../tests/support.ts";
import type { Guarantee } from "./guarantee.ts";
import type { Outside } from "./outside.ts";

/** Rows as a sink gives them back. */
type Rows = ReadonlyArray<unknown>;

/** A sink of one simulation. */
export interface Held {
  /** How it becomes part of a flow. What kind of sink it is is left to the check that a job makes when it is made. */
  readonly sink: Sink.Sink<unknown, Sink.Transactional>;
  /** Its rows in their order; null where it keeps none. */
  readonly rows: () => Rows | null;
  /** Throws unless it holds what a job must have written that was given this guarantee and has lost so many rows. */
  readonly check: (expected: Rows, guarantee: Guarantee, lostRows: number) => void;
}

/** A kind of sink. */
export interface SinkKind {
  readonly name: string;
  /** Under which guarantees it takes part. */
  readonly guarantees: ReadonlyArray<Guarantee>;
  readonly make: (name: string, outside: Outside) => Held;
}

const all: ReadonlyArray<Guarantee> = ["exactly-once", "at-least-once", "at-most-once"];

/** The statistics that are compared with some tolerance, which only rows with a place of their own can be. */
const rough = Object.keys(approximate);

/** A text for a row, without what is not exact. */
const coarse = (row: unknown): string => {
  if (!isResult(row)) return canonical(row);
  return canonical({
    ...row,
    value: Object.fromEntries(Object.entries(row.value).filter(([k]) => !rough.includes(k))),
  });
};

const tally = (rows: Rows): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(coarse(row), (counts.get(coarse(row)) ?? 0) + 1);
  return counts;
};

/** Checks the rows of a sink that shows each of them once, in their order. */
const checkOnce = (name: string, rows: Rows, expected: Rows): void => {
  const snapped = snap(rows, expected, approximate);
  assertSameBag(snapped, expected, `the rows of "${name}" (engine and oracle)`);
  compareOrders(snapped, expected, name);
};

/** Checks that rows may be missing, as many as were counted, and that none is there twice or made up. */
const checkAtMostOnce = (name: string, rows: Rows, expected: Rows, lostRows: number): void => {
  const wanted = tally(expected);
  for (const [text, times] of tally(rows)) {
    assert.ok(
      times <= (wanted.get(text) ?? 0),
      `${text} is in "${name}" ${times} times: ${wanted.get(text) ?? 0} wanted`,
    );
  }
  const missing = expected.length - rows.length;
  assert.ok(missing <= lostRows, `${missing} rows are missing in "${name}", ${lostRows} are counted as lost`);
};

/** Checks that no row is missing or made up. */
const checkAtLeastOnce = (name: string, rows: Rows, expected: Rows): void => {
  const got = tally(rows);
  const wanted = tally(expected);
  for (const [text, times] of wanted) {
    assert.ok((got.get(text) ?? 0) >= times, `${text} is in "${name}" ${got.get(text) ?? 0} times: ${times} wanted`);
  }
  for (const text of got.keys()) assert.ok(wanted.has(text), `${text} is in "${name}", and nobody wrote it`);
};

/** A sink whose rows are a list, and that refuses or overwrites what comes twice. */
const list = (
  name: string,
  sink: unknown,
  rows: () => Rows,
  /** What becomes of a row on its way into the sink and back. */
  stored: (row: unknown) => unknown = (row) => row,
): Held => ({
  sink: sink as Held["sink"],
  rows,
  check: (expected, guarantee, lostRows) =>
    guarantee === "at-most-once"
      ? checkAtMostOnce(name, rows(), expected.map(stored), lostRows)
      : checkOnce(name, rows(), expected.map(stored)),
});

const memory: SinkKind = {
  name: "memory",
  guarantees: all,
  make: (name) => {
    const sink = Sink.memory<unknown>(name);
    return list(name, sink, sink.values);
  },
};

/** How long a transaction of the sink of one's own takes, in virtual milliseconds. */
const transactionMillis = 3;

/** A database that trusts the engine not to publish what it says it has, and lets nobody in but its last owner. */
const transactional: SinkKind = {
  name: "transactional",
  guarantees: all,
  make: (name) => {
    const database = { epoch: 0, owner: "", rows: [] as Array<unknown> };
    const commit = (claim: string, epoch: number, rows: Rows): Effect.Effect<void, Sink.SinkError> =>
      Effect.andThen(
        Effect.sleep(transactionMillis),
        Effect.suspend(() => {
          if (database.owner !== claim) {
            const message = `Cannot publish epoch ${epoch} to "${name}" as another process has taken over`;
            return Effect.fail(new Sink.SinkError({ message, sink: name, epoch, retryable: false, cause: null }));
          }
          database.rows.push(...rows);
          database.epoch = epoch;
          return Effect.void;
        }),
      );
    const sink = Sink.transactional(name, {
      encode: (row: unknown) => row,
      byteLength: () => 1,
      open: ({ claim }) =>
        Effect.sync(() => {
          database.owner = claim;
          return {
            marker: database.epoch,
            publish: ({ epoch, rows }) => commit(claim, epoch, rows),
            // It may be told of an epoch that is visible after all.
            forfeit: ({ epoch }) => epoch <= database.epoch ? Effect.void : commit(claim, epoch, []),
          };
        }),
    });
    return list(name, sink, () => database.rows);
  },
};

const idempotent: SinkKind = {
  name: "idempotent",
  guarantees: all,
  make: (name) => {
    const filed = new Map<number, unknown>();
    const sink = Sink.idempotent(name, {
      encode: (row: unknown) => row,
      byteLength: () => 1,
      open: (_context) =>
        Effect.succeed({
          marker: null,
          publish: ({ rows, offset }) =>
            Effect.forEach(
              rows,
              (row, k) => Effect.andThen(Effect.yieldNow, Effect.sync(() => void filed.set(offset.rows + k, row))),
              { discard: true },
            ),
        }),
    });
    return list(name, sink, () => Array.from(filed).sort(([a], [b]) => a - b).map(([, row]) => row));
  },
};

const ndjson: SinkKind = {
  name: "ndjson",
  guarantees: all,
  make: (name, { disk }) => {
    const path = `out/${name.replaceAll(" ", "-")}.ndjson`;
    const rows = (): Rows => {
      const lines = new TextDecoder().decode(disk.bytesOf(path) ?? new Uint8Array(0)).split("\n");
      assert.equal(lines.pop(), "", `"${path}" ends with a line ending`);
      return lines.filter((line) => line.trim() !== "").map((line) => JSON.parse(line));
    };
    return list(name, Sink.ndjson(name, { path }), rows, (row) => JSON.parse(JSON.stringify(row)));
  },
};

/** Whether a row takes another one back. */
const isRetraction = (row: unknown): boolean => isResult(row) && (row as { change?: unknown }).change === "retract";

/** A text that a key has room for. */
const short = (text: string): string => text.length < 500 ? text : createHash("sha256").update(text).digest("hex");

const table: SinkKind = {
  name: "table",
  guarantees: all,
  make: (name, { kv }) => {
    const path = "table.kv";
    /** A window of a key has one row; whatever else there is is its own key. */
    const keyOf = (row: unknown): Array<string | number> =>
      isResult(row) ? [row.key, row.window.start, row.window.end] : [short(canonical(row))];
    const sink = Sink.table<unknown>(name, {
      path,
      key: keyOf,
      value: (row) => row,
      removes: isRetraction,
      kv: faultyKv(kv),
    });
    const stored = (): Rows => kv.entries(path).filter(({ key }) => key[0] === name).map(({ value }) => value);
    return {
      sink: sink as unknown as Held["sink"],
      rows: () => null,
      check: (expected, guarantee) => {
        const last = new Map<string, unknown>();
        for (const row of expected) {
          if (isRetraction(row)) last.delete(canonical(keyOf(row)));
          else last.set(canonical(keyOf(row)), row);
        }
        if (guarantee === "at-most-once") {
          const known = tally(expected);
          for (const row of stored()) {
            assert.ok(known.has(coarse(row)), `${coarse(row)} is in "${name}", and nobody wrote it`);
          }
          return;
        }
        const snapped = stored().flatMap((row) => {
          const wanted = last.get(canonical(keyOf(row)));
          return wanted === undefined ? [row] : snap([row], [wanted], approximate);
        });
        assertSameBag(snapped, Array.from(last.values()), `the table "${name}" (engine and oracle)`);
      },
    };
  },
};

const appendOnly: SinkKind = {
  name: "append-only",
  guarantees: ["at-least-once", "at-most-once"],
  make: (name) => {
    const rows: Array<unknown> = [];
    const sink = Sink.appendOnly(name, {
      encode: (row: unknown) => row,
      byteLength: () => 1,
      open: (_context) =>
        Effect.succeed({
          marker: null,
          publish: (publication) =>
            Effect.forEach(
              publication.rows,
              (row) => Effect.andThen(Effect.yieldNow, Effect.sync(() => void rows.push(row))),
              { discard: true },
            ),
        }),
    });
    return {
      sink: sink as unknown as Held["sink"],
      rows: () => null,
      check: (expected, guarantee, lostRows) =>
        guarantee === "at-most-once"
          ? checkAtMostOnce(name, rows, expected, lostRows)
          : checkAtLeastOnce(name, rows, expected),
    };
  },
};

/** Every kind of sink. */
export const sinkKinds: ReadonlyArray<SinkKind> = [memory, transactional, idempotent, ndjson, table, appendOnly];

/** Draws kinds whose rows can be looked at as a list: the first ones. */
export const listSinks: fc.Arbitrary<ReadonlyArray<number>> = fc.array(fc.nat(3), { maxLength: 3 });

/** The kinds of sinks that some numbers stand for. */
const kindsOf = (guarantee: Guarantee, drawn: ReadonlyArray<number>): ReadonlyArray<SinkKind> => {
  const kinds = sinkKinds.filter(({ guarantees }) => guarantees.includes(guarantee));
  return (drawn.length === 0 ? [0] : drawn).map((number) => kinds[number % kinds.length]);
};

/** Their names, for whoever has to understand a scenario that fails. */
export const writeSinks = (guarantee: Guarantee, drawn: ReadonlyArray<number>): string =>
  `sinks: ${kindsOf(guarantee, drawn).map(({ name }) => name).join(", ")}, in turn`;

/** Gives the sinks of a job, whose kinds are drawn as numbers: one for each sink in turn. */
export const sinksOf = (outside: Outside, guarantee: Guarantee, drawn: ReadonlyArray<number>) => {
  const kinds = kindsOf(guarantee, drawn);
  return <A>(name: string): Sink.Sink<A, Sink.Transactional> => {
    const held = outside.sinks.get(name) ?? kinds[outside.sinks.size % kinds.length].make(name, outside);
    outside.sinks.set(name, held);
    return held.sink;
  };
};
