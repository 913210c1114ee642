/**
 * The brokers of a cluster: who they are, and a connection to each that is needed, opened when it is and again when it was
 * lost.
 *
 * @module
 */
import { Clock, Effect, type Scope, Semaphore } from "effect";
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

/**
 * How much of the time for which a broker lets somebody in is used, so that what is asked at the end of it still comes in time.
 * Kafka's own client in Java uses 0.85 to 0.95 of it.
 */
const sessionPart = 0.8;

/** Makes a connection to an address, which is not open yet. */
export type Connect = (address: string) => Effect.Effect<BrokerConnection, Refusal>;

/** A topic: what tells it from others of its name, and who leads its partitions, or `null` where nobody does. */
interface Led {
  readonly id: string | null;
  readonly leaders: ReadonlyMap<number, number | null>;
}

/** Topics by their names. */
export type Leaders = ReadonlyMap<string, Led>;

/** What is asked of a broker. */
export type Asking<A> = (connection: BrokerConnection) => Effect.Effect<A, Refusal>;

/** A connection, and what is asked over it. */
interface Held {
  readonly connection: BrokerConnection;
  /** When another takes its place, as it would have to sign in anew, in milliseconds since 1970. */
  until: number;
  /** How much has been asked and not been answered. */
  underWay: number;
}

/** The brokers of a cluster, with connections of their own. */
export class Brokers {
  readonly #connections = new Map<string, Held>();
  /** Those that others have taken the place of, while there is an answer to come. */
  readonly #replaced = new Set<Held>();
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
          const all = [...brokers.#connections.values(), ...brokers.#replaced];
          return Effect.forEach(all, ({ connection }) => connection.close, { concurrency: "unbounded" });
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
      const found = new Map<string, Led>();
      if (topics.length === 0) return found;
      for (const { name, errorCode, id, partitions } of (yield* this.metadata(topics)).topics) {
        if (errorCode === codes.unknownTopicOrPartition) continue;
        if (errorCode !== 0) yield* Effect.fail(refused(errorCode, `topic ${name}`));
        const leaders = new Map(partitions.map(({ partition, leader }) => [partition, leader < 0 ? null : leader]));
        found.set(name, { id, leaders });
      }
      return found;
    });
  }

  /** Asks a broker by its id. */
  ask<A>(nodeId: number, asking: Asking<A>): Effect.Effect<A, Refusal> {
    return Effect.gen({ self: this }, function* () {
      if (!this.addresses.has(nodeId)) yield* this.metadata([]);
      const address = this.addresses.get(nodeId);
      if (address === undefined) return yield* Effect.fail(refused(codes.leaderNotAvailable, `broker ${nodeId}`));
      return yield* this.#over(yield* this.#connection(address), asking);
    });
  }

  /** Asks any broker: one to which a connection is open, or else the first to which one can be opened. */
  askAny<A>(asking: Asking<A>): Effect.Effect<A, Refusal> {
    return Effect.flatMap(this.#any, (held) => this.#over(held, asking));
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

  get #any(): Effect.Effect<Held, Refusal> {
    return Effect.gen({ self: this }, function* () {
      const now = yield* Clock.currentTimeMillis;
      for (const held of this.#connections.values()) if (isUsable(held, now)) return held;
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

  #connection(address: string): Effect.Effect<Held, Refusal> {
    const opening = this.#opening.get(address) ?? Semaphore.makeUnsafe(1);
    this.#opening.set(address, opening);
    return opening.withPermits(1)(Effect.gen({ self: this }, function* () {
      const there = this.#connections.get(address);
      const now = yield* Clock.currentTimeMillis;
      if (there !== undefined && isUsable(there, now)) return there;
      if (this.#hasClosed) {
        return yield* Effect.fail(
          new Refusal(clientCodes.noConnection, "the client must be open", "one that is closed"),
        );
      }
      const connection = yield* this.connect(address);
      const held: Held = { connection, until: Infinity, underWay: 0 };
      this.#connections.set(address, held);
      if (there !== undefined) {
        this.#replaced.add(there);
        yield* this.#closeUnused(there);
      }
      const { connectMillisMax } = this.settings;
      yield* Effect.timeoutOrElse(connection.open, {
        duration: connectMillisMax,
        orElse: () => Effect.fail(silent(address, connectMillisMax)),
      });
      held.until = now + sessionPart * connection.sessionMillis;
      return held;
    }));
  }

  /** Asks over a connection. */
  #over<A>(held: Held, asking: Asking<A>): Effect.Effect<A, Refusal> {
    return Effect.suspend(() => {
      held.underWay++;
      return asking(held.connection);
    }).pipe(Effect.ensuring(Effect.suspend(() => {
      held.underWay--;
      return this.#closeUnused(held);
    })));
  }

  /** Closes one that another has taken the place of, if no answer is to come any more. */
  #closeUnused(held: Held): Effect.Effect<void> {
    if (held.underWay > 0 || !this.#replaced.delete(held)) return Effect.void;
    return held.connection.close;
  }
}

const isUsable = ({ connection, until }: Held, now: number): boolean => connection.isOpen && now < until;

/** The leader of a partition, which must be there. */
export const leaderOf = (leaders: Leaders, topic: string, partition: number): Effect.Effect<number, Refusal> => {
  const leader = leaders.get(topic)?.leaders.get(partition);
  if (typeof leader === "number") return Effect.succeed(leader);
  const code = leader === null ? codes.leaderNotAvailable : codes.unknownTopicOrPartition;
  return Effect.fail(refused(code, `partition ${partition} of ${topic}`));
};
