/** Exchanges: what waits for a stage that is slow is what is meant for it, and little else. */
import assert from "node:assert/strict";
import { freshColumns } from "../src/actors/columns.ts";
import { Exchange } from "../src/actors/exchange.ts";
import { Mailbox } from "../src/actors/mailbox.ts";
import type { Batch } from "../src/actors/message.ts";
import { TaskContext } from "../src/actors/task-context.ts";

/** How many records are read at once. */
const read = 4_096;

/** Sends some records of a round, by their rows, to some destinations, and gives what waits for each. */
const sent = (rows: ReadonlyArray<number>, destinations: number, keyOf: (row: number) => string): Array<Batch> => {
  const context = new TaskContext("exchange", [{ source: "s", split: "0" }], 1);
  const mailboxes = Array.from({ length: destinations }, () => new Mailbox(16_384));
  const isKeyed = destinations > 1;
  const exchange = new Exchange({ context, mailboxes, isKeyed, onLetter: null, marking: "none", hotKeys: null });
  const all = Array.from({ length: read }, (_, row) => row);
  const columns = freshColumns(all, Float64Array.from(all), 0).withKeys(all.map(keyOf));
  exchange.batch(columns, Uint32Array.from(rows));
  assert.equal(exchange.flush(false), undefined);
  return mailboxes.map((mailbox) => mailbox.tryTake() as Batch);
};

/** What a batch says of its records. */
const recordsOf = ({ columns, selection }: Batch) =>
  Array.from(selection, (row) => [
    columns.values[row],
    columns.keys[row],
    columns.positions[row],
    columns.ordinals[row],
    columns.ids.length > 0 ? columns.ids[row] : columns.keys[row],
  ]);

const expected = (rows: ReadonlyArray<number>, keyOf: (row: number) => string) =>
  rows.map((row) => [row, keyOf(row), row, row, keyOf(row)]);

//   read      0 1 2 3 … 4095
//   filtered          7         300                      two of them wait, not all
Deno.test("what a filter has dropped does not wait in a mailbox along with what it has kept", () => {
  const rows = [7, 300];
  const [batch] = sent(rows, 1, String);
  assert.deepEqual(recordsOf(batch), expected(rows, String));
  assert.ok(batch.columns.size <= 4 * rows.length, `${batch.columns.size} records are kept for ${rows.length}`);
});

Deno.test("a destination that gets a few records of a round does not keep those of the others", () => {
  const keyOf = (row: number): string => row === 9 ? "rare" : `k${row % 2}`;
  const all = Array.from({ length: read }, (_, row) => row);
  const batches = sent(all, 64, keyOf);
  assert.deepEqual(batches.flatMap(recordsOf).sort((a, b) => Number(a[0]) - Number(b[0])), expected(all, keyOf));
  for (const { columns, selection } of batches) {
    const most = 4 * 64 * selection.length;
    assert.ok(columns.size <= most, `${columns.size} records are kept for ${selection.length}`);
  }
});
