/**
 * A source of Kafka topics: each partition is a split, and a position is an offset.
 *
 * @module
 */
import type * as Schema from "@effect/schema";
import { type Duration, Effect, RcRef, Scope, Stream } from "effect";
import { type DecodeError, SourceError } from "../streams/errors.ts";
import type { Position, Source, SourceBatch } from "../streams/source.ts";
import { unknownSplit } from "../streams/sources/reading.ts";
import { inWords } from "../windows/in-words.ts";
import { atLeastOne, millisOf } from "../windows/millis-of.ts";
import type { Header, Isolation, KafkaClient, TopicDescription } from "./client.ts";
import type { Cluster } from "./cluster.ts";
import { KafkaError } from "./errors.ts";
import { type Fetching, isAnother, madeAnew, openFetching } from "./fetching.ts";
import { type Decode, decoding } from "./decoding.ts";
import type { Format } from "./format.ts";
import { bytes, nullable } from "./formats/plain.ts";
import { PartitionStream } from "./partition-stream.ts";
import { offsetsAhead, positionOf, type Range, rangeOf } from "./position.ts";
import type { KafkaRecord } from "./record.ts";
import { retrying } from "./retrying.ts";
import { type Start, startOffsets, startRefusal } from "./start.ts";

/** Which topics a source reads, and how. */
export interface KafkaSourceOptions<K, V, H> {
  /** The cluster. */
  readonly cluster: Cluster;
  /** A topic, or several. Each partition is a split with a watermark of its own, called `"<topic>-<partition>"`. */
  readonly topics: string | ReadonlyArray<string>;
  /** How values lie in bytes. One that cannot be decoded is an error of the flow, to be handled with `Flow.onError`. */
  readonly value: Format<V>;
  /**
   * How keys lie in bytes.
   *
   * @default {Kafka.nullable(Kafka.bytes())}
   */
  readonly key?: Format<K>;
  /**
   * What the headers are decoded as: an object with a text for each name. Of a name that repeats the last one counts.
   *
   * @default {undefined} A list of names and bytes, as they are.
   */
  readonly headers?: Schema.ConstraintCodec<H, unknown>;
  /**
   * Where to begin when the job starts for the first time. Later it goes on where its state says, whatever a group says;
   * partitions that were added since are read from their beginning.
   *
   * @default {"earliest"}
   */
  readonly start?: Start;
  /**
   * Whether records of transactions are shown once these are committed, and never those of aborted ones
   * (`"read_committed"`), or at once.
   *
   * @default {"read_committed"}
   */
  readonly isolation?: Isolation;
  /**
   * Whether each partition ends at the offset that is its end when the job first starts. The job is then a batch, and its
   * output is the same in every run.
   *
   * @default {false}
   */
  readonly bounded?: boolean;
  /**
   * The consumer group under which the positions are committed, behind each epoch, for tools that show the lag. Nothing is
   * read from there. It must have no members.
   *
   * @default {undefined} None.
   */
  readonly group?: string;
  /**
   * What happens when records were deleted before they were read, by retention or by a person: the job fails and says which
   * (`"fail"`), or a dead letter says which, and reading goes on with the first record that is left (`"dead-letter"`).
   *
   * @default {"fail"}
   */
  readonly lostRecords?: "fail" | "dead-letter";
  /**
   * How often the cluster is asked whether a topic has more partitions. If so the job starts anew from its last epoch, and
   * reads them too.
   *
   * @default {"5 minutes"}
   */
  readonly metadataInterval?: Duration.Input;
  /**
   * About how many bytes a broker sends at once. Up to three answers wait in memory of each partition, so no more than three
   * times `partitionBytesMax` of it, however far behind it is.
   *
   * @default {16_777_216}
   */
  readonly fetchBytesMax?: number;
  /**
   * About how many of these bytes are of one partition. A batch of records that is larger comes whole.
   *
   * @default {1_048_576}
   */
  readonly partitionBytesMax?: number;
}

/** Bounds that hold unless a source says otherwise. */
export const sourceDefaults = {
  metadataMillis: 300_000,
  fetchBytesMax: 16 * 1_024 * 1_024,
  partitionBytesMax: 1_024 * 1_024,
} as const;

/**
 * A source of Kafka topics.
 *
 * Each partition is a split with a watermark of its own. Positions lie in the job's own state, with the results that they
 * belong to, so consumer groups have no part in what is read. All partitions are read by the one process that runs the job.
 *
 * Records are {@link KafkaRecord}s: their event time is `record.timestamp`, or a field of the value, as `Flow.eventTime`
 * says. A partition without records holds the watermark back, so say `idleAfter` there.
 *
 * The source fails for good (`retryable: false`) when a topic does not exist, the broker does not allow it, or records were
 * lost; and in a way that may pass when brokers cannot be reached: at the start at once, later after `outageTimeout`.
 *
 * @param name A stable name, unique in the job: positions are recorded under it.
 * @throws {RangeError} If an option is out of its range.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Effect } from "effect";
 * import * as Schema from "@effect/schema";
 * import { Flow, Job, Sink } from "@weir/streams";
 * import * as Kafka from "@weir/streams/kafka";
 *
 * const broker = Kafka.memoryBroker({ topics: { clicks: 2 } }); // stands for a cluster
 * broker.append("clicks", 0, { key: "ada", value: '{"page":"/"}' });
 *
 * const clicks = Kafka.source("clicks", {
 *   cluster: Kafka.cluster({ brokers: ["127.0.0.1:9092"], client: broker }),
 *   topics: "clicks",
 *   key: Kafka.string(),
 *   value: Kafka.json(Schema.Struct({ page: Schema.String })),
 *   bounded: true,
 * });
 * const pages = Sink.memory<string>("pages");
 * const flow = Flow.from(clicks).pipe(
 *   Flow.onError("fail"),
 *   Flow.map(({ key, value }) => `${key} saw ${value.page}`),
 *   Flow.to(pages),
 * );
 * const job = Job.make({ name: "pages", guarantee: "exactly-once", flows: [flow] });
 * await Effect.runPromise(Job.run(job, { state: ":memory:" }));
 * assert.deepEqual(pages.values(), ["ada saw /"]);
 * ```
 */
export function source<V, K = Uint8Array | null, H = ReadonlyArray<Header>>(
  name: string,
  options: KafkaSourceOptions<K, V, H>,
): Source<KafkaRecord<K, V, H>, DecodeError, never, never> {
  const rules = rulesOf(name, options);
  const { cluster, topics, start, bounded, group, isolation } = rules;

  /** One client and its connections for all partitions, as long as any of them is read. */
  const shared = Effect.runSync(Scope.provide(
    RcRef.make({ acquire: Effect.suspend(() => openShared(name, options, rules, listed.topics)) }),
    Scope.makeUnsafe(),
  ));
  /** What the topics were when they were listed, in the order in which they are named. */
  const listed: { topics: ReadonlyArray<TopicDescription> | null } = { topics: null };
  const idOf = (topic: string): string | null => listed.topics?.[topics.indexOf(topic)].id ?? null;

  const failure = (action: string, split: string, position: Position | null) => (cause: KafkaError): SourceError =>
    new SourceError({
      message: `Cannot ${action} for source "${name}": ${cause.message}`,
      source: name,
      split,
      position,
      retryable: cause.retryable,
      cause,
    });

  const splits: Effect.Effect<ReadonlyArray<string>, SourceError> = Effect.scoped(
    Effect.gen(function* () {
      const client = yield* cluster.open;
      const found = yield* client.topics(topics);
      const missing = topics.find((topic) => !found.has(topic));
      if (missing !== undefined) {
        return yield* new KafkaError({
          message:
            `Cannot read topic "${missing}" as it must exist at ${cluster.shown}: current value is no such topic`,
          code: "UNKNOWN_TOPIC_OR_PARTITION",
          retryable: false,
        });
      }
      listed.topics = topics.map((topic) => found.get(topic)!);
      return topics.flatMap((topic) =>
        Array.from({ length: found.get(topic)!.partitions }, (_, partition) => `${topic}-${partition}`)
      );
    }),
  ).pipe(Effect.mapError(failure("list the partitions", "", null)));

  /** Where partitions of a topic begin: all that depends on the moment is asked now. */
  const beginningsOf = (
    client: KafkaClient,
    topic: string,
    partitions: ReadonlyArray<number>,
    from: Start,
    endsAtStart: boolean,
  ): Effect.Effect<ReadonlyMap<number, Range>, KafkaError> =>
    Effect.gen(function* () {
      const offsets = yield* startOffsets(client, from, topic, partitions, isolation);
      const ends = !bounded || endsAtStart ? offsets : yield* client.offsets(topic, partitions, "latest", isolation);
      return new Map(partitions.map((partition) => {
        const offset = offsets.get(partition)!;
        return [partition, { offset, end: bounded ? ends.get(partition)! : null }];
      }));
    });

  const begin: NonNullable<Source<KafkaRecord<K, V, H>, DecodeError, never, never>["begin"]> = (splits, isFirst) =>
    Effect.scoped(Effect.gen(function* () {
      const client = yield* cluster.open;
      // A partition that came later is read from its beginning; it has nothing of what a bounded source is bounded to.
      const from = isFirst ? start : "earliest";
      const unknown = typeof start === "object" && "offsets" in start
        ? Object.keys(start.offsets).find((split) => isFirst && !splits.includes(split))
        : undefined;
      if (unknown !== undefined) {
        return yield* new KafkaError({
          message: `Cannot begin as start.offsets must name partitions that are there: current value is ${unknown}`,
          code: "UNKNOWN_TOPIC_OR_PARTITION",
          retryable: false,
        });
      }
      const positions = yield* Effect.forEach(
        Map.groupBy(splits.map((split) => partitionOf(split)!), ({ topic }) => topic),
        ([topic, its]) =>
          Effect.map(
            beginningsOf(client, topic, its.map(({ partition }) => partition), from, !isFirst),
            (ranges) =>
              [...ranges].map(([partition, { offset, end }]) =>
                [`${topic}-${partition}`, positionOf(offset, end)] as const
              ),
          ),
        { concurrency: topicsAtOnceMax },
      );
      return new Map(positions.flat());
    })).pipe(Effect.mapError(failure("find the beginnings of the partitions", "", null)));

  const read = (
    split: string,
    from: Position | null,
    batchRecordsMax: number,
  ): Stream.Stream<SourceBatch<KafkaRecord<K, V, H>>, SourceError> => {
    const of = partitionOf(split);
    if (of === null || !topics.includes(of.topic)) {
      return Stream.fail(unknownSplit(name, split, topics.map((one) => `${one}-…`)));
    }
    const { topic, partition } = of;
    const failed = failure(`read partition ${split}`, split, from);
    return Stream.unwrap(Effect.gen(function* () {
      const { fetching, decode } = yield* Effect.mapError(RcRef.get(shared), failed);
      const { client } = fetching;
      const recorded = from === null ? null : yield* rangeOf(name, split, from);
      // The engine has asked `begin`; a state of an unbounded source has no end.
      const { offset, end } = recorded !== null && (recorded.end !== null || !bounded)
        ? { offset: recorded.offset, end: bounded ? recorded.end : null }
        : yield* Effect.mapError(
          Effect.map(
            beginningsOf(client, topic, [partition], start, false),
            (begun) => ({ ...begun.get(partition)!, offset: recorded?.offset ?? begun.get(partition)!.offset }),
          ),
          failed,
        );
      const feed = yield* fetching.subscribe({ name: topic, id: idOf(topic) }, partition, offset, end);
      const stream = new PartitionStream<KafkaRecord<K, V, H>>({
        source: name,
        split,
        feed,
        end,
        offset,
        decode: (records) => decode(topic, partition, records),
        skips: rules.skipsLost,
        batchRecordsMax,
        failed,
      });
      return Stream.fromPull(Effect.succeed(stream.pull));
    }));
  };

  return {
    "~weir/Source": undefined as never,
    name,
    bounded,
    replayable: true,
    reportsLag: true,
    lagUnit: "records",
    // Partitions that wait for their turn have an end, too.
    lagAt: (_split, position) => bounded ? offsetsAhead(position) : null,
    splits,
    // An offset means nothing in a topic that was made in the place of the one in which it was recorded.
    identities: (splits) =>
      Effect.sync(() =>
        new Map(splits.flatMap((split) => {
          const id = idOf(partitionOf(split)!.topic);
          return id === null ? [] : [[split, id]];
        }))
      ),
    read,
    begin,
    committed: (positions) =>
      Effect.gen(function* () {
        const known = [...positions].filter(([, position]) => position !== null);
        if (group === null || known.length === 0) return;
        const offsets = yield* Effect.forEach(known, ([split, position]) =>
          Effect.map(rangeOf(name, split, position!), ({ offset }) => {
            return { ...partitionOf(split)!, offset };
          }));
        yield* Effect.scoped(
          Effect.flatMap(
            RcRef.get(shared),
            ({ fetching }) =>
              retrying(`Source "${name}"`, fetching.client.commit(group, offsets), cluster.outageMillisMax),
          ),
        ).pipe(Effect.mapError(failure(`commit positions to group "${group}"`, "", null)));
      }),
  };
}

/** Of how many topics it is asked at once where their partitions begin. */
const topicsAtOnceMax = 32;

/** The partition that a split is. */
const partitionOf = (split: string): { readonly topic: string; readonly partition: number } | null => {
  const [, topic, digits] = /^(.+)-(\d+)$/.exec(split) ?? [];
  return topic === undefined ? null : { topic, partition: Number(digits) };
};

/** The options of a source, checked. */
interface Rules {
  readonly cluster: Cluster;
  readonly topics: ReadonlyArray<string>;
  readonly start: Start;
  readonly isolation: Isolation;
  readonly bounded: boolean;
  readonly group: string | null;
  readonly skipsLost: boolean;
  readonly metadataMillis: number;
  readonly fetchBytesMax: number;
  readonly partitionBytesMax: number;
}

const rulesOf = <K, V, H>(name: string, options: KafkaSourceOptions<K, V, H>): Rules => {
  const action = `make source "${name}"`;
  const refuse = (rule: string, current: string): never => {
    throw new RangeError(`Cannot ${action} as ${rule}: current value is ${current}`);
  };
  const topics = typeof options.topics === "string" ? [options.topics] : [...options.topics];
  if (topics.length === 0 || new Set(topics).size < topics.length || !topics.every(isTopic)) {
    refuse("topics must name at least one topic and none twice", inWords(options.topics));
  }
  const { start = "earliest", isolation = "read_committed", group = null, lostRecords = "fail" } = options;
  const refusal = startRefusal(start, topics);
  if (refusal !== null) refuse(...refusal);
  if (isolation !== "read_committed" && isolation !== "read_uncommitted") {
    refuse('isolation must be "read_committed" or "read_uncommitted"', inWords(isolation));
  }
  if (lostRecords !== "fail" && lostRecords !== "dead-letter") {
    refuse('lostRecords must be "fail" or "dead-letter"', inWords(lostRecords));
  }
  if (group !== null && (typeof group !== "string" || group === "")) {
    refuse("group must be the name of a consumer group", inWords(group));
  }
  const bytesOf = (option: "fetchBytesMax" | "partitionBytesMax"): number => {
    const value = options[option] ?? sourceDefaults[option];
    if (!Number.isSafeInteger(value) || value < 1 || value > 2 ** 31 - 1) {
      refuse(`${option} must be a whole number from 1 to 2,147,483,647`, inWords(value));
    }
    return value;
  };
  const { metadataInterval = sourceDefaults.metadataMillis } = options;
  return {
    cluster: options.cluster,
    topics,
    start,
    isolation,
    bounded: options.bounded ?? false,
    group,
    skipsLost: lostRecords === "dead-letter",
    metadataMillis: millisOf(action, "metadataInterval", metadataInterval, atLeastOne),
    fetchBytesMax: bytesOf("fetchBytesMax"),
    partitionBytesMax: bytesOf("partitionBytesMax"),
  };
};

/** Kafka's rule for the names of topics. */
const isTopic = (name: unknown): boolean => typeof name === "string" && /^[a-zA-Z0-9._-]{1,249}$/.test(name);

/** What is said of a topic that is not there. */
const noTopic: TopicDescription = { id: null, partitions: 0 };

/** What the partitions of a source share. */
interface Shared<A> {
  readonly fetching: Fetching;
  readonly decode: Decode<A>;
}

const openShared = <K, V, H>(
  name: string,
  options: KafkaSourceOptions<K, V, H>,
  rules: Rules,
  listed: ReadonlyArray<TopicDescription> | null,
): Effect.Effect<Shared<KafkaRecord<K, V, H>>, KafkaError, Scope.Scope> =>
  Effect.gen(function* () {
    const { cluster, isolation, fetchBytesMax, partitionBytesMax } = rules;
    const client = yield* cluster.open;
    const key = yield* (options.key ?? nullable(bytes()) as Format<unknown> as Format<K>).open({
      writesTo: null,
      part: "key",
    });
    const value = yield* options.value.open({ writesTo: null, part: "value" });
    const fetching = yield* openFetching(client, {
      source: name,
      isolation,
      bytesMax: fetchBytesMax,
      partitionBytesMax,
      outageMillisMax: cluster.outageMillisMax,
    });
    // What has come since its start, a bounded source does not read.
    if (!rules.bounded) yield* Effect.forkScoped(watchPartitions(name, fetching, rules, listed));
    return {
      fetching,
      decode: decoding(name, key, value, options.headers, cluster.outageMillisMax),
    };
  });

/** Makes the feeds fail when a topic has got more partitions, in a way that passes; and when it is another one, for good. */
const watchPartitions = (
  name: string,
  { client, fail }: Fetching,
  rules: Rules,
  listed: ReadonlyArray<TopicDescription> | null,
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { topics, metadataMillis } = rules;
    const list = Effect.map(client.topics(topics), (found) => topics.map((topic) => found.get(topic) ?? noTopic));
    const before = listed ?? (yield* list);
    for (;;) {
      yield* Effect.sleep(metadataMillis);
      const now = yield* retrying(`Source "${name}"`, list, metadataMillis);
      const another = now.findIndex(({ id }, k) => isAnother(before[k].id, id));
      if (another !== -1) return fail(madeAnew(topics[another], before[another].id, now[another].id));
      const k = now.findIndex(({ partitions }, k) => partitions > before[k].partitions);
      if (k === -1) continue;
      return fail(
        new KafkaError({
          message: `Cannot go on with source "${name}" as all partitions of topic "${topics[k]}" must be read: ` +
            `current value is ${before[k].partitions} of ${now[k].partitions}`,
          code: "PARTITIONS_ADDED",
          retryable: true,
        }),
      );
    }
  }).pipe(Effect.catch((error) => Effect.sync(() => fail(error))));
