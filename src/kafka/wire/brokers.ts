/**
 * The brokers of a cluster: who they are, and a connection to each that is needed, opened when it is and again when it was
 * lost.
 *
 * @module
 */
import { Effect, type Scope, Semaphore } from "effect";
import type { ClientSettings } from "../client.ts";
import { clientCodes } from "../errors.ts";
import { addressText } from "./address.ts";
import type { BrokerConnection, coordinated, Metadata } from "./broker-connection.ts";
import { codes, Refusal, refused, silent, unreachable } from "./refusal.ts";
import { whileSettling } from "./settling.ts";

/** After these the coordinator may be another broker. */
const movedCodes: ReadonlyArray<string> = [
  "COORDINATOR_NOT_AVAILABLE",
  "NOT_COORDINATOR",
  clientCodes.noConnection,
  clientCodes.timedOut,
];

/** Makes a connection to an address, which is not open yet. */
export type Connect = (address: string) => Effect.Effect<BrokerConnection, Refusal>;

/** The broker that leads each partition of some topics, or `null` where there is none. */
export type Leaders = ReadonlyMap<string, ReadonlyMap<number, number | null>>;

/** What is asked of a broker. */
export type Asking<A> = (connection: BrokerConnection) => Effect.Effect<A, Refusal>;

/** The brokers of a cluster, with connections of their own. */
export class Brokers {
  readonly #connections = new Map<string, BrokerConnection>();
  readonly #opening = new Map<string, Semaphore.Semaphore>();
  readonly #coordinators = new Map<string, number>();
  #hasClosed = false;

  private constructor(
    readonly connect: Connect,
    readonly settings: ClientSettings,
    /** Where the brokers are, by their ids, as far as was heard. */
    readonly addresses: Map<number, string>,
  ) {}

  /** Connections until a scope ends. What is heard of addresses can be shared with others. */
  static make(
    connect: Connect,
    settings: ClientSettings,
    addresses: Map<number, string> = new Map(),
  ): Effect.Effect<Brokers, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => new Brokers(connect, settings, addresses)),
      (brokers) =>
        Effect.suspend(() => {
          brokers.#hasClosed = true;
          return Effect.forEach([...brokers.#connections.values()], ({ close }) => close, { concurrency: "unbounded" });
        }),
    );
  }

  /** What any broker says of some topics. */
  metadata(topics: ReadonlyArray<string>): Effect.Effect<Metadata, Refusal> {
    return Effect.tap(
      this.askAny((any) => any.metadata([...new Set(topics)])),
      ({ brokers }) =>
        Effect.sync(() => {
          for (const broker of brokers) this.addresses.set(broker.nodeId, addressText(broker));
        }),
    );
  }

  /** Who leads the partitions of some topics. One that is missing is left out; one that may not be described is an error. */
  leaders(topics: ReadonlyArray<string>): Effect.Effect<Leaders, Refusal> {
    return Effect.gen({ self: this }, function* () {
      const leaders = new Map<string, ReadonlyMap<number, number | null>>();
      if (topics.length === 0) return leaders;
      for (const { name, errorCode, partitions } of (yield* this.metadata(topics)).topics) {
        if (errorCode === codes.unknownTopicOrPartition) continue;
        if (errorCode !== 0) yield* Effect.fail(refused(errorCode, `topic ${name}`));
        leaders.set(name, new Map(partitions.map(({ partition, leader }) => [partition, leader < 0 ? null : leader])));
      }
      return leaders;
    });
  }

  /** Asks a broker by its id. */
  ask<A>(nodeId: number, asking: Asking<A>): Effect.Effect<A, Refusal> {
    return Effect.gen({ self: this }, function* () {
      if (!this.addresses.has(nodeId)) yield* this.metadata([]);
      const address = this.addresses.get(nodeId);
      if (address === undefined) return yield* Effect.fail(refused(codes.leaderNotAvailable, `broker ${nodeId}`));
      return yield* asking(yield* this.#connection(address));
    });
  }

  /** Asks any broker: one to which a connection is open, or else the first to which one can be opened. */
  askAny<A>(asking: Asking<A>): Effect.Effect<A, Refusal> {
    return Effect.flatMap(this.#any, asking);
  }

  /** Asks who coordinates a group, or the transactions of an id; again while it is not ready, for as long as an answer may take. */
  askCoordinator<A>(of: keyof typeof coordinated, id: string, asking: Asking<A>): Effect.Effect<A, Refusal> {
    return whileSettling(this.askCoordinatorOnce(of, id, asking), this.settings.requestMillisMax);
  }

  /** The same, but asks once only. */
  askCoordinatorOnce<A>(of: keyof typeof coordinated, id: string, asking: Asking<A>): Effect.Effect<A, Refusal> {
    const key = `${of} ${id}`;
    return Effect.gen({ self: this }, function* () {
      let nodeId = this.#coordinators.get(key);
      if (nodeId === undefined) {
        const found = yield* whileSettling(
          this.askAny((any) => any.findCoordinator(of, id)),
          this.settings.requestMillisMax,
        );
        nodeId = found.nodeId;
        this.addresses.set(nodeId, addressText(found));
        this.#coordinators.set(key, nodeId);
      }
      return yield* this.ask(nodeId, asking);
    }).pipe(Effect.tapError(({ code }) =>
      Effect.sync(() => {
        if (movedCodes.includes(code)) this.#coordinators.delete(key);
      })
    ));
  }

  get #any(): Effect.Effect<BrokerConnection, Refusal> {
    return Effect.gen({ self: this }, function* () {
      for (const connection of this.#connections.values()) if (connection.isOpen) return connection;
      let refusal = unreachable("no address", "none");
      for (const address of new Set([...this.settings.brokers, ...this.addresses.values()])) {
        const result = yield* Effect.result(this.#connection(address));
        if (result._tag === "Success") return result.success;
        refusal = result.failure;
        // Others do not know us any better.
        if (!refusal.retryable) break;
      }
      return yield* Effect.fail(refusal);
    });
  }

  #connection(address: string): Effect.Effect<BrokerConnection, Refusal> {
    const opening = this.#opening.get(address) ?? Semaphore.makeUnsafe(1);
    this.#opening.set(address, opening);
    return opening.withPermits(1)(Effect.gen({ self: this }, function* () {
      const there = this.#connections.get(address);
      if (there?.isOpen) return there;
      if (this.#hasClosed) {
        return yield* Effect.fail(
          new Refusal(clientCodes.noConnection, "the client must be open", "one that is closed"),
        );
      }
      const connection = yield* this.connect(address);
      this.#connections.set(address, connection);
      const { connectMillisMax } = this.settings;
      yield* Effect.timeoutOrElse(connection.open, {
        duration: connectMillisMax,
        orElse: () => Effect.fail(silent(address, connectMillisMax)),
      });
      return connection;
    }));
  }
}

/** The leader of a partition, which must be there. */
export const leaderOf = (leaders: Leaders, topic: string, partition: number): Effect.Effect<number, Refusal> => {
  const leader = leaders.get(topic)?.get(partition);
  if (typeof leader === "number") return Effect.succeed(leader);
  const code = leader === null ? codes.leaderNotAvailable : codes.unknownTopicOrPartition;
  return Effect.fail(refused(code, `partition ${partition} of ${topic}`));
};
