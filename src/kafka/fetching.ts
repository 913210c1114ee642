/**
 * Fetching: keeps the feeds of some partitions filled, with one request at a time under way to each broker that leads any of
 * them.
 *
 * A broker answers the requests of a connection in their order, and lets one that finds nothing wait. So the partitions of a
 * broker are asked for together, and a partition whose feed is full is left out: it is paused, however far behind it is.
 *
 * @module
 */
import { Effect, type Scope } from "effect";
import { Signal } from "../actors/signal.ts";
import type { FetchedPartition, Isolation, KafkaClient } from "./client.ts";
import { clientCodes, KafkaError } from "./errors.ts";
import { Outage } from "./outage.ts";
import { OutOfRange, PartitionFeed } from "./partition-feed.ts";
import { protocolErrorNamed } from "./protocol-errors.ts";
import { mayPass, retryPauseMillis } from "./retrying.ts";
import { visibleRecords } from "./visible.ts";

/** How long a broker waits for records before it says that there are none, in milliseconds. */
export const fetchWaitMillisMax = 500;

/**
 * How long it waits at first while a partition is paused or has just been subscribed to, in milliseconds: those that are
 * wanted next would have to wait too. The longer it is paused the longer it may wait: twice as long each time.
 */
export const fetchWaitPausedMillisMin = 10;

/** How a source fetches. */
export interface FetchRules {
  /** Its name. */
  readonly source: string;
  readonly isolation: Isolation;
  /** About how many bytes an answer has at most. */
  readonly bytesMax: number;
  /** About how many bytes of an answer are of one partition. */
  readonly partitionBytesMax: number;
  /** How long a partition may be out of reach before its feed fails, in milliseconds. */
  readonly outageMillisMax: number;
}

/** A topic, and what tells it from others of its name, where that is known. */
export interface Topic {
  readonly name: string;
  readonly id: string | null;
}

/** Fetches the partitions that are subscribed to. */
export interface Fetching {
  readonly client: KafkaClient;
  /**
   * The feed of a partition from an offset on, up to an end if there is one, until the scope closes. It fails when the topic is
   * another than the one of the id; where that is not known, than the one that was found first.
   */
  readonly subscribe: (
    topic: Topic,
    partition: number,
    offset: number,
    end: number | null,
  ) => Effect.Effect<PartitionFeed, never, Scope.Scope>;
  /** Makes all feeds fail. */
  readonly fail: (error: KafkaError) => void;
}

/** Starts fetching in the background of a scope. */
export const openFetching = (
  client: KafkaClient,
  rules: FetchRules,
): Effect.Effect<Fetching, KafkaError, Scope.Scope> =>
  Effect.gen(function* () {
    const fetcher = yield* client.fetcher;
    const clock = yield* Effect.clockWith(Effect.succeed);
    const scope = yield* Effect.scope;
    const feeds = new Set<PartitionFeed>();
    const loops = new Map<number, Signal>();
    const lost = new Signal(); // Some feed does not know its leader.
    const outage = new Outage(`Source "${rules.source}"`, rules.outageMillisMax);
    let failures = 0;
    /** What was last wrong with a feed; `null` where nothing is. */
    let lastTrouble: string | null = null;

    /** How long brokers wait while a partition is paused: longer and longer, until it has room again. */
    let patienceMillis = fetchWaitPausedMillisMin;

    const wakeAll = (): void => {
      patienceMillis = fetchWaitPausedMillisMin;
      for (const signal of loops.values()) signal.notify();
    };

    /** A feed could not be fetched: its leader is looked up anew, unless that has been in vain for too long. */
    const trouble = (feed: PartitionFeed, error: KafkaError): void => {
      const now = clock.currentTimeMillisUnsafe();
      feed.troubledSince ??= now;
      lastTrouble = error.message;
      feed.leader = null;
      if (!mayPass(error) || now - feed.troubledSince >= rules.outageMillisMax) feed.fail(error);
      else lost.notify();
    };

    const settle = (
      feed: PartitionFeed,
      wanted: number,
      fetched: FetchedPartition,
    ): Effect.Effect<void, KafkaError> => {
      // It may have been sought elsewhere, or given up, meanwhile.
      if (!feeds.has(feed) || feed.offset !== wanted || feed.hasFailed) return Effect.void;
      if (fetched.error === "OFFSET_OUT_OF_RANGE") return outOfRange(client, rules, feed, wanted);
      if (fetched.error !== null) {
        trouble(feed, partitionError(feed, fetched.error));
        return Effect.void;
      }
      const end = rules.isolation === "read_committed" ? fetched.lastStableOffset : fetched.highWatermark;
      feed.troubledSince = null;
      feed.put({ ...visibleRecords(fetched, wanted), end });
      return Effect.void;
    };

    const fetchFrom = (leader: number, signal: Signal): Effect.Effect<never> =>
      Effect.gen(function* () {
        for (let turn = 0;; turn++) {
          const led = [...feeds].filter((feed) => feed.leader === leader && !feed.isOver);
          const open = led.filter((feed) => feed.isWanted);
          if (open.length === 0) {
            yield* signal.wait;
            continue;
          }
          // What a broker has no room for is at the end of its answer, so each has its turn to be first. Of two feeds of one
          // partition, as there are where two jobs share a source, one is asked for at a time.
          const first = turn % open.length;
          const byPartition = new Map<string, PartitionFeed>();
          for (const feed of [...open.slice(first), ...open.slice(0, first)]) {
            const name = `${feed.topic}-${feed.partition}`;
            if (!byPartition.has(name)) byPartition.set(name, feed);
          }
          const wanted = [...byPartition.values()];
          const offsets = new Map(wanted.map((feed) => [feed, feed.offset]));
          // Partitions are subscribed to one after the other: the first of them must not wait while the others come.
          const isShort = open.length < led.length || wanted.some((feed) => feed.isFresh);
          const failure = yield* fetcher.fetch({
            leader,
            partitions: wanted.map(({ topic, partition, offset }) => ({ topic, partition, offset })),
            isolation: rules.isolation,
            waitMillisMax: isShort ? patienceMillis : fetchWaitMillisMax,
            bytesMax: rules.bytesMax,
            partitionBytesMax: rules.partitionBytesMax,
          }).pipe(
            Effect.flatMap((answers) =>
              Effect.forEach(answers, (answer) => {
                const feed = byPartition.get(`${answer.topic}-${answer.partition}`);
                return feed === undefined ? Effect.void : settle(feed, offsets.get(feed)!, answer);
              }, { discard: true })
            ),
            Effect.match({ onFailure: (error) => error, onSuccess: () => null }),
          );
          if (failure !== null) { for (const feed of wanted) trouble(feed, failure); }
          if (wanted.every((feed) => feed.troubledSince === null)) failures = 0;
          // One broker that answers does not say that the others do.
          if (lastTrouble !== null && [...feeds].every((feed) => feed.troubledSince === null)) {
            lastTrouble = null;
            yield* outage.passed;
          }
          const hasNews = wanted.some((feed) => feed.offset !== offsets.get(feed));
          if (isShort && !hasNews) patienceMillis = Math.min(2 * patienceMillis, fetchWaitMillisMax);
        }
      });

    /** Looks up who leads the feeds that do not know it, and sees to it that their leaders are asked. */
    const direct = Effect.gen(function* () {
      for (;;) {
        const unled = [...feeds].filter((feed) => feed.leader === null && !feed.hasFailed);
        if (unled.length === 0) {
          yield* lost.wait;
          continue;
        }
        if (unled.some((feed) => feed.troubledSince !== null)) {
          if (lastTrouble !== null) yield* outage.failed(lastTrouble);
          yield* Effect.sleep(retryPauseMillis(++failures));
        }
        const found = yield* Effect.result(fetcher.leaders([...new Set(unled.map(({ topic }) => topic))]));
        for (const feed of unled) {
          const topic = found._tag === "Success" ? found.success.get(feed.topic) : undefined;
          if (topic !== undefined && isAnother(feed.topicId, topic.id)) {
            feed.fail(madeAnew(feed.topic, feed.topicId, topic.id));
            continue;
          }
          feed.topicId ??= topic?.id ?? null;
          const leader = topic?.leaders.get(feed.partition);
          if (leader === undefined) {
            trouble(feed, found._tag === "Failure" ? found.failure : noLeader(feed));
            continue;
          }
          feed.leader = leader;
          if (loops.has(leader)) continue;
          const signal = new Signal();
          loops.set(leader, signal);
          yield* Effect.forkIn(fetchFrom(leader, signal), scope);
        }
        wakeAll();
      }
    });
    yield* Effect.forkIn(direct, scope);

    return {
      client,
      subscribe: ({ name, id }, partition, offset, end) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            const feed = new PartitionFeed(name, id, partition, offset, end, wakeAll);
            feeds.add(feed);
            lost.notify();
            return feed;
          }),
          (feed) => Effect.sync(() => void feeds.delete(feed)),
        ),
      fail: (error) => {
        for (const feed of feeds) feed.fail(error);
      },
    };
  });

/** What is left of a partition, where what was asked for is not. */
const outOfRange = (
  client: KafkaClient,
  { isolation }: FetchRules,
  feed: PartitionFeed,
  wanted: number,
): Effect.Effect<void, KafkaError> =>
  Effect.gen(function* () {
    const { topic, partition } = feed;
    const earliest = (yield* client.offsets(topic, [partition], "earliest", isolation)).get(partition)!;
    const latest = (yield* client.offsets(topic, [partition], "latest", "read_uncommitted")).get(partition)!;
    // Records may have been deleted, or written, between the two.
    if (wanted < earliest || wanted > latest) feed.fail(new OutOfRange(wanted, earliest, latest));
  });

const partitionError = ({ topic, partition }: PartitionFeed, code: string): KafkaError =>
  new KafkaError({
    message: `Cannot read partition ${topic}-${partition} as the broker must allow it: current value is ${code}`,
    code,
    retryable: protocolErrorNamed(code).retryable,
  });

/** Whether a topic of the same name is another one. Where an id is not known, it may be the same. */
export const isAnother = (before: string | null, now: string | null): boolean =>
  before !== null && now !== null && before !== now;

/** A topic was deleted, and another one has its name: offsets of the one mean nothing in the other. */
export const madeAnew = (topic: string, before: string | null, now: string | null): KafkaError =>
  new KafkaError({
    message:
      `Cannot go on with topic "${topic}" as it must be the one that was read before: current value is topic id ` +
      `${now}, where it was ${before}; so it was deleted and made anew`,
    code: "TOPIC_MADE_ANEW",
    retryable: false,
  });

const noLeader = ({ topic, partition }: PartitionFeed): KafkaError =>
  new KafkaError({
    message: `Cannot read partition ${topic}-${partition} as a broker must lead it: current value is none`,
    code: clientCodes.noConnection,
    retryable: true,
  });
