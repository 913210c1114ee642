/** Mailboxes: whoever has his turn when, nobody waits for what has happened. */
import assert from "node:assert/strict";
import { Effect } from "effect";
import { Mailbox } from "../src/actors/mailbox.ts";
import type { Message } from "../src/actors/message.ts";
import { World } from "../src/testing/simulation/world.ts";

/** How many messages go through. */
const messages = 100;

const message = (epoch: number): Message => ({ _tag: "Barrier", epoch, last: false });

//  writer   is there room? no ............... waits        for ever, if it does not look again
//  reader                      takes the last
Deno.test("a writer that finds a mailbox full, and a reader that empties it before the writer waits, both go on", () => {
  for (let seed = 0; seed < 300; seed++) {
    const world = new World({ seed, shuffles: true });
    const process = world.spawn("process");
    const mailbox = new Mailbox(1 + seed % 3);
    const got: Array<number> = [];
    const writer = Effect.gen(function* () {
      for (let k = 0; k < messages; k++) yield* mailbox.offer(message(k), () => mailbox.wakeReader());
      mailbox.wakeReader();
    });
    const reader = Effect.gen(function* () {
      while (got.length < messages) {
        const next = mailbox.tryTake();
        if (next === undefined) yield* mailbox.available;
        else if (next._tag === "Barrier") got.push(next.epoch);
        yield* Effect.yieldNow;
      }
    });
    process.run(writer, () => {});
    process.run(reader, () => {});
    assert.equal(world.run(() => got.length === messages, 1_000_000), "done", `seed ${seed}`);
    assert.deepEqual(got, Array.from({ length: messages }, (_, k) => k));
  }
});
