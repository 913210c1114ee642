/**
 * Messages of a server that sends each of them until it is acknowledged: every one has its effect, and none is left with
 * the server. It may have it twice, where an acknowledgement was lost on its way.
 */
import assert from "node:assert/strict";
import { Effect, Stream } from "effect";
import fc from "fast-check";
import { Flow, Job, Source } from "@weir/streams";
import { once, type Rows } from "../once.ts";
import type { Outside } from "../outside.ts";
import type { Guarantee } from "../guarantee.ts";
import type { Pipeline } from "../pipeline.ts";
import { listSinks, sinksOf, writeSinks } from "../sinks.ts";

interface Acknowledged {
  /** For how long the server is silent before each message, in virtual milliseconds. */
  readonly pauses: ReadonlyArray<number>;
  readonly sinks: ReadonlyArray<number>;
}

/** A server with one connection at a time: a new one closes the one before it. */
class Server {
  /** The messages that are not acknowledged, in their order, with the position under which each was sent last. */
  readonly pending: Map<number, number | null>;
  #position = 0;
  #connection = 0;

  constructor(messages: number) {
    this.pending = new Map(Array.from({ length: messages }, (_, message) => [message, null]));
  }

  /** What was sent to others and not acknowledged is as if it had not been sent: these may have lost the job. */
  connect(): number {
    for (const message of this.pending.keys()) this.pending.set(message, null);
    return ++this.#connection;
  }

  isConnected(connection: number): boolean {
    return connection === this.#connection;
  }

  send(message: number): number {
    this.pending.set(message, ++this.#position);
    return this.#position;
  }

  acknowledge(position: number): void {
    for (const [message, sent] of this.pending) if (sent !== null && sent <= position) this.pending.delete(message);
  }
}

const serverOf = ({ servers }: Outside, messages: number): Server => {
  const server = servers.get("messages") as Server | undefined ?? new Server(messages);
  servers.set("messages", server);
  return server;
};

const closed = new Source.SourceError({
  message: "Cannot read messages as another process has connected",
  source: "messages",
  split: "all",
  position: null,
  retryable: false,
  cause: null,
});

/** Exactly-once jobs refuse such a source. */
const admitted = (guarantee: Guarantee) => guarantee === "exactly-once" ? "at-least-once" : guarantee;

export const acknowledgedPipeline: Pipeline<Acknowledged> = {
  name: "acknowledged",
  weight: 1,
  plans: fc.record({
    pauses: fc.array(
      fc.oneof({ arbitrary: fc.constant(0), weight: 3 }, { arbitrary: fc.constantFrom(1, 90, 1_500), weight: 1 }),
      { maxLength: 40, size: "max" },
    ),
    sinks: listSinks,
  }),
  draw: ({ pauses, sinks }) => ({
    write: (guarantee) => `messages after ${pauses.join(", ")} ms\n${writeSinks(admitted(guarantee), sinks)}`,
    records: pauses.length,
    inPasses: false,
    inOrder: false,
    job: (outside, drawnGuarantee) => {
      const guarantee = admitted(drawnGuarantee);
      const server = serverOf(outside, pauses.length);
      const source = Source.make({
        name: "messages",
        bounded: false,
        replays: "until-acknowledged",
        splits: Effect.succeed(["all"]),
        read: () =>
          Stream.suspend(() => {
            const connection = server.connect();
            return Stream.fromIterable(Array.from(server.pending.keys())).pipe(
              Stream.mapEffect((message) =>
                Effect.andThen(
                  Effect.sleep(pauses[message]),
                  Effect.suspend(() =>
                    server.isConnected(connection)
                      ? Effect.succeed({ records: [message], positions: [server.send(message)] })
                      : Effect.fail(closed)
                  ),
                )
              ),
            );
          }),
        committed: (positions) =>
          Effect.sync(() => {
            const position = positions.get("all");
            if (typeof position === "number") server.acknowledge(position);
          }),
      });
      const flow = Flow.from(source).pipe(Flow.to(sinksOf(outside, guarantee, sinks)<number>("results")));
      return Job.make({ name: "acknowledged", guarantee, flows: [flow] });
    },
    check: (outside, drawnGuarantee, { hadZombies }) => {
      const guarantee = admitted(drawnGuarantee);
      const messages = Array.from(pauses.keys());
      const seen: Rows = outside.sinks.get("results")?.rows() ?? [];
      // Under at-least-once an acknowledgement may be lost, so that a message comes twice.
      if (guarantee === "at-least-once") once(messages, Array.from(new Set(seen)), guarantee);
      else for (const message of seen) assert.ok(messages.includes(message as number), `#${message} was made up`);
      // One that connects though it has lost the job is sent again what its successor has not acknowledged yet.
      if (!hadZombies) {
        assert.deepEqual(Array.from(serverOf(outside, pauses.length).pending.keys()), [], "what is not acknowledged");
      }
    },
  }),
};
