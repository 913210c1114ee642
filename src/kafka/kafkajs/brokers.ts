/**
 * The brokers of a cluster: who they are, and a connection to each that is needed, opened when it is and again when it was
 * lost.
 *
 * @module
 */
import { Clock, Effect, type Scope, Semaphore } from "effect";
import type { ClientSettings } from "../client.ts";
import { type Address, addressOf, addressText, type Ask, Link } from "./link.ts";
import type { Library } from "./library.ts";
import { type Refusal, refused, unreachable } from "./refusal.ts";

/** The first pause before a coordinator is asked again, in milliseconds; it doubles each time. */
const pauseMillisMin = 10;

/** The longest pause, in milliseconds. */
const pauseMillisMax = 500;

/**
 * What says that a coordinator is not there yet, or has not done what was asked of it before: it will be soon. These are the
 * only answers after which the same is asked again here. After a transaction, its coordinator is at work for a moment, and
 * so it is when it was just made.
 */
const soonCodes = [
  "COORDINATOR_LOAD_IN_PROGRESS",
  "COORDINATOR_NOT_AVAILABLE",
  "NOT_COORDINATOR",
  "CONCURRENT_TRANSACTIONS",
];

/** What is coordinated, as the protocol numbers it. */
const coordinated = { group: 0, transaction: 1 } as const;

/** A partition, as brokers describe it. */
interface PartitionMetadata {
  readonly partitionErrorCode: number;
  readonly partitionId: number;
  readonly leader: number;
}

/** What brokers say of a topic. */
export interface TopicMetadata {
  readonly topicErrorCode: number;
  readonly topic: string;
  readonly partitionMetadata: ReadonlyArray<PartitionMetadata>;
}

/** What brokers say of themselves and of topics. */
interface Metadata {
  readonly brokers: ReadonlyArray<Address & { readonly nodeId: number }>;
  readonly controllerId: number;
  readonly topicMetadata: ReadonlyArray<TopicMetadata>;
}

interface Coordinator {
  readonly errorCode: number;
  readonly coordinator: Address & { readonly nodeId: number };
}

/** The brokers of a cluster. */
export class Brokers {
  readonly #links = new Map<string, Link>();
  readonly #opening = new Map<string, Semaphore.Semaphore>();
  readonly #coordinators = new Map<string, number>();
  #hasClosed = false;

  constructor(
    readonly library: Library,
    readonly settings: ClientSettings,
    readonly addresses: Map<number, Address>,
  ) {}

  /** The brokers of a cluster, until a scope ends; those that others know can be known from the beginning. */
  static make(
    library: Library,
    settings: ClientSettings,
    addresses: Map<number, Address> = new Map(),
  ): Effect.Effect<Brokers, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => new Brokers(library, settings, addresses)),
      (brokers) =>
        Effect.suspend(() => {
          brokers.#hasClosed = true;
          return Effect.forEach([...brokers.#links.values()], (link) => link.close, { concurrency: "unbounded" });
        }),
    );
  }

  /** What any broker says of some topics, of which there must be one. */
  metadata(topics: ReadonlyArray<string>): Effect.Effect<Metadata, Refusal> {
    return Effect.gen({ self: this }, function* () {
      const link = yield* this.any;
      const metadata = yield* link.ask<Metadata>({
        name: "Metadata",
        version: 6,
        options: { topics, allowAutoTopicCreation: false },
      });
      for (const { nodeId, host, port } of metadata.brokers) this.addresses.set(nodeId, { host, port });
      return metadata;
    });
  }

  /**
   * Who leads each partition of some topics that has a leader. A topic that is missing is left out; one that may not be
   * described is an error.
   */
  leaders(topics: ReadonlyArray<string>): Effect.Effect<Map<string, Map<number, number>>, Refusal> {
    return Effect.gen({ self: this }, function* () {
      const leaders = new Map<string, Map<number, number>>();
      for (const topic of yield* this.describe(topics)) {
        const led = topic.partitionMetadata.filter(({ leader }) => leader >= 0);
        leaders.set(topic.topic, new Map(led.map(({ partitionId, leader }) => [partitionId, leader])));
      }
      return leaders;
    });
  }

  /** What there is of some topics. */
  describe(topics: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<TopicMetadata>, Refusal> {
    return Effect.gen({ self: this }, function* () {
      // None would mean all.
      if (topics.length === 0) return [];
      const { topicMetadata } = yield* this.metadata([...new Set(topics)]);
      const found = topicMetadata.filter(({ topicErrorCode }) => topicErrorCode !== 3);
      for (const { topicErrorCode } of found) if (topicErrorCode !== 0) yield* Effect.fail(refused(topicErrorCode));
      return found;
    });
  }

  /** Asks a broker by its id. */
  ask<A>(nodeId: number, ask: Ask<A>): Effect.Effect<A, Refusal> {
    return Effect.flatMap(this.#broker(nodeId), (link) => link.ask(ask));
  }

  /** Asks any broker; again where the answer is that what it takes will be there soon. */
  askAny<A>(ask: Ask<A>): Effect.Effect<A, Refusal> {
    return this.#soon(Effect.flatMap(this.any, (link) => link.ask(ask)));
  }

  /** Asks who coordinates a group, or the transactions of an id; again where the answer is that it will be there soon. */
  askCoordinator<A>(of: keyof typeof coordinated, id: string, ask: Ask<A>): Effect.Effect<A, Refusal> {
    return this.#soon(this.askCoordinatorOnce(of, id, ask));
  }

  /** The same, but asks once only. */
  askCoordinatorOnce<A>(of: keyof typeof coordinated, id: string, ask: Ask<A>): Effect.Effect<A, Refusal> {
    return Effect.flatMap(this.#coordinator(of, id), (nodeId) => this.ask(nodeId, ask)).pipe(
      // It may be another one from now on.
      Effect.tapError(() => Effect.sync(() => this.#coordinators.delete(`${of} ${id}`))),
    );
  }

  /** A connection to any broker: one that is open, or else the first that can be opened. */
  get any(): Effect.Effect<Link, Refusal> {
    return Effect.gen({ self: this }, function* () {
      for (const link of this.#links.values()) if (link.isOpen) return link;
      const texts = new Set([...this.settings.brokers, ...[...this.addresses.values()].map(addressText)]);
      let refusal: Refusal | null = null;
      for (const text of texts) {
        const result = yield* Effect.result(this.#link(addressOf(text)));
        if (result._tag === "Success") return result.success;
        refusal = result.failure;
        // Others do not know us any better.
        if (!refusal.retryable) break;
      }
      return yield* Effect.fail(refusal ?? unreachable("no address", "none"));
    });
  }

  #broker(nodeId: number): Effect.Effect<Link, Refusal> {
    return Effect.gen({ self: this }, function* () {
      if (!this.addresses.has(nodeId)) yield* this.#learn;
      const address = this.addresses.get(nodeId);
      if (address === undefined) return yield* Effect.fail(unreachable(`broker ${nodeId}`, "not part of the cluster"));
      return yield* this.#link(address);
    });
  }

  /** Who the brokers are. */
  get #learn(): Effect.Effect<void, Refusal> {
    // No topic has this name. Asked for none, the library would ask for all.
    return Effect.asVoid(this.metadata([""]));
  }

  #link(address: Address): Effect.Effect<Link, Refusal> {
    const text = addressText(address);
    const opening = this.#opening.get(text) ?? Semaphore.makeUnsafe(1);
    this.#opening.set(text, opening);
    return opening.withPermits(1)(Effect.gen({ self: this }, function* () {
      const there = this.#links.get(text);
      if (there?.isOpen) return there;
      if (this.#hasClosed) return yield* Effect.fail(unreachable(text, "its client was closed", false));
      const link = yield* Link.make(this.library, this.settings, address);
      this.#links.set(text, link);
      yield* link.open;
      return link;
    }));
  }

  #coordinator(of: keyof typeof coordinated, id: string): Effect.Effect<number, Refusal> {
    return Effect.gen({ self: this }, function* () {
      const known = this.#coordinators.get(`${of} ${id}`);
      if (known !== undefined) return known;
      const { coordinator } = yield* this.askAny<Coordinator>({
        name: "GroupCoordinator",
        version: 2,
        options: { groupId: id, coordinatorType: coordinated[of] },
        errorOf: ({ errorCode }) => errorCode,
      });
      this.addresses.set(coordinator.nodeId, coordinator);
      this.#coordinators.set(`${of} ${id}`, coordinator.nodeId);
      return coordinator.nodeId;
    });
  }

  /** Tries again while the answer is that it will be there soon, for as long as an answer may take. */
  #soon<A>(what: Effect.Effect<A, Refusal>): Effect.Effect<A, Refusal> {
    return Effect.gen({ self: this }, function* () {
      const until = (yield* Clock.currentTimeMillis) + this.settings.requestMillisMax;
      for (let pause = pauseMillisMin;; pause = Math.min(2 * pause, pauseMillisMax)) {
        const result = yield* Effect.result(what);
        if (result._tag === "Success") return result.success;
        const { failure } = result;
        const isLate = (yield* Clock.currentTimeMillis) + pause > until;
        if (!soonCodes.includes(failure.code) || isLate) return yield* Effect.fail(failure);
        yield* Effect.sleep(pause);
      }
    });
  }
}

/** The first error of some answers, or 0. */
export const firstErrorOf = (answers: ReadonlyArray<{ readonly errorCode: number }>): number =>
  answers.find(({ errorCode }) => errorCode !== 0)?.errorCode ?? 0;
