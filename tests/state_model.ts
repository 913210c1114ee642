/**
 * A model of keyed state for tests: naive maps that produce deltas like the engine's tables do, and others that apply
 * them, so that what was restored can be compared with what was lost.
 *
 * @module
 */
import fc from "fast-check";
import type { Delta } from "../src/kv-state/delta.ts";

/** One change of the state. */
export type Change =
  | {
    readonly do: "put";
    readonly table: string;
    readonly partition: number;
    readonly namespace: number;
    readonly key: number;
    readonly value: number;
  }
  | {
    readonly do: "remove";
    readonly table: string;
    readonly partition: number;
    readonly namespace: number;
    readonly key: number;
  }
  | { readonly do: "drop"; readonly table: string; readonly partition: number; readonly namespace: number };

type WithoutPlace<C> = C extends unknown ? Omit<C, "table" | "partition"> : never;

/** Changes of one table. */
export const changesOf = (changes: ReadonlyArray<WithoutPlace<Change>>): Array<Change> =>
  changes.map((change) => ({ ...change, table: "counts", partition: 0 }) as Change);

const place = {
  table: fc.constantFrom("counts", "sums"),
  partition: fc.nat({ max: 2 }),
  namespace: fc.constantFrom(0, 60_000, 120_000),
};
const key = fc.nat({ max: 5 });

const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("put" as const), ...place, key, value: fc.nat({ max: 99 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("remove" as const), ...place, key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("drop" as const), ...place }) },
);

/** The changes of several epochs. */
export const changesSequence: fc.Arbitrary<Array<Array<Change>>> = fc.array(fc.array(change, { maxLength: 12 }), {
  minLength: 1,
  maxLength: 14,
});

interface Row {
  readonly key: unknown;
  numbers: ReadonlyArray<number>;
  objects: ReadonlyArray<unknown>;
}

/** A namespace: rows by id, in the order in which they were created. */
interface Namespace {
  nextRow: number;
  readonly rows: Map<number, Row>;
}

type Tables = Map<string, Map<number, Namespace>>;

const tableOf = (tables: Tables, table: string, partition: number): Map<number, Namespace> => {
  const id = `${table}/${partition}`;
  let found = tables.get(id);
  if (found === undefined) tables.set(id, found = new Map());
  return found;
};

/** Everything that a restored state must equal, in a form that shows the order of namespaces and rows. */
const contentsOf = (tables: Tables): unknown =>
  Array.from(tables, ([id, namespaces]) =>
    [
      id,
      Array.from(namespaces, ([namespace, { nextRow, rows }]) => ({
        namespace,
        nextRow,
        rows: Array.from(rows, ([row, { key, numbers, objects }]) => ({ row, key, numbers, objects })),
      })),
    ] as const).filter(([, namespaces]) => namespaces.length > 0).sort(([a], [b]) => a < b ? -1 : 1);

const noRows = new Uint32Array(0);

/** The state of a running job. */
export class LiveState {
  readonly #tables: Tables = new Map();
  readonly #dirty = new Map<
    string,
    {
      table: string;
      partition: number;
      namespace: number;
      firstNewRow: number;
      rows: Set<number>;
      removed: Set<number>;
      keys: Array<unknown>;
    }
  >();
  #drops: Array<Delta> = [];

  /** Applies changes. */
  change(changes: ReadonlyArray<Change>): void {
    for (const change of changes) {
      const { table, partition, namespace } = change;
      const namespaces = tableOf(this.#tables, table, partition);
      const id = `${table}/${partition}/${namespace}`;
      if (change.do === "drop") {
        if (!namespaces.delete(namespace)) continue;
        this.#dirty.delete(id);
        this.#drops.push({
          table,
          partition,
          namespace,
          dropped: true,
          firstNewRow: 0,
          newKeys: [],
          rows: noRows,
          width: 0,
          numbers: new Float64Array(0),
          objects: [],
          removed: noRows,
        });
        continue;
      }
      let found = namespaces.get(namespace);
      if (found === undefined) {
        if (change.do === "remove") continue;
        namespaces.set(namespace, found = { nextRow: 0, rows: new Map() });
      }
      let dirty = this.#dirty.get(id);
      if (dirty === undefined) {
        dirty = {
          table,
          partition,
          namespace,
          firstNewRow: found.nextRow,
          rows: new Set(),
          removed: new Set(),
          keys: [],
        };
        this.#dirty.set(id, dirty);
      }
      let row = [...found.rows].find(([, row]) => row.key === change.key)?.[0];
      if (change.do === "remove") {
        if (row === undefined) continue;
        found.rows.delete(row);
        dirty.rows.delete(row);
        dirty.removed.add(row);
        continue;
      }
      if (row === undefined) {
        row = found.nextRow++;
        found.rows.set(row, { key: change.key, numbers: [], objects: [] });
        dirty.keys.push(change.key);
      }
      const stored = found.rows.get(row)!;
      stored.numbers = [change.value, row];
      stored.objects = table === "sums" ? [`value ${change.value}`, [row]] : [];
      dirty.rows.add(row);
    }
  }

  /** What has changed since the last call. Drops come before what was created after them. */
  takeDeltas(): Array<Delta> {
    const deltas = this.#drops;
    for (const { table, partition, namespace, firstNewRow, rows, removed, keys } of this.#dirty.values()) {
      if (rows.size === 0 && removed.size === 0 && keys.length === 0) continue;
      const found = tableOf(this.#tables, table, partition).get(namespace)!;
      // Any order of rows will do: the last one changed comes first.
      const ids = Uint32Array.from(rows).reverse();
      deltas.push({
        table,
        partition,
        namespace,
        dropped: false,
        firstNewRow,
        newKeys: keys,
        rows: ids,
        width: 2,
        numbers: Float64Array.from(Array.from(ids).flatMap((id) => found.rows.get(id)!.numbers)),
        objects: table === "sums" ? Array.from(ids, (id) => found.rows.get(id)!.objects) : [],
        removed: Uint32Array.from(removed),
      });
    }
    this.#drops = [];
    this.#dirty.clear();
    return deltas;
  }

  /** The deltas of several epochs. */
  epochs(sequence: ReadonlyArray<ReadonlyArray<Change>>): Array<Array<Delta>> {
    return sequence.map((changes) => {
      this.change(changes);
      return this.takeDeltas();
    });
  }

  /** Everything that is in it. */
  contents(): unknown {
    return contentsOf(this.#tables);
  }
}

/** State that is built from deltas. */
export class RestoredState {
  readonly #tables: Tables = new Map();

  /** The state after some deltas. */
  static of(deltas: Iterable<Delta>): RestoredState {
    const state = new RestoredState();
    for (const delta of deltas) state.apply(delta);
    return state;
  }

  /** Applies one delta, as the contract of deltas says. */
  apply(delta: Delta): void {
    const namespaces = tableOf(this.#tables, delta.table, delta.partition);
    if (delta.dropped) return void namespaces.delete(delta.namespace);
    let found = namespaces.get(delta.namespace);
    if (found === undefined) namespaces.set(delta.namespace, found = { nextRow: 0, rows: new Map() });
    delta.newKeys.forEach((key, i) => {
      const row = delta.firstNewRow + i;
      if (row !== found.nextRow) throw new RangeError(`Row ${row} is not the next one, ${found.nextRow}`);
      found.nextRow++;
      found.rows.set(row, { key, numbers: [], objects: [] });
    });
    delta.rows.forEach((row, i) => {
      const stored = found.rows.get(row);
      if (stored === undefined) throw new RangeError(`Row ${row} has no key`);
      stored.numbers = Array.from(delta.numbers.subarray(i * delta.width, (i + 1) * delta.width));
      stored.objects = delta.objects[i] ?? [];
    });
    for (const row of delta.removed) {
      if (!found.rows.delete(row)) throw new RangeError(`Row ${row} was not there to be removed`);
    }
  }

  /** Everything that is in it. */
  contents(): unknown {
    return contentsOf(this.#tables);
  }
}
