/**
 * Publishing in transactions: an epoch's records and its number become visible together, or not at all.
 *
 * The number is the offset that the helper group of the sink commits: its *marker*. The rules, each of which a model checker has
 * shown to be needed:
 *
 * - *Fence, then read the marker.* A new producer shuts out the earlier ones of its id, and ends their transactions, before the
 *   marker is read. What the marker says then stays true until this producer changes it.
 * - *Any error in a transaction* leaves its outcome unknown. Nothing is tried again with that producer: the claim is looked at, a
 *   new producer shuts the old one out, the claim is looked at again, the marker says whether the epoch is there.
 * - *Only a lost claim means that another process owns the job.* A producer that is shut out may have been too slow, no more.
 * - *A marker that is gone says nothing.* So it is there from the beginning, and is written anew every day.
 * - *Two states of one job would write everything twice.* A claim is of one state, so the sink has an *owner*, too: the state
 *   whose lineage was written last. It is read whenever the marker is; who has been the owner and is not any more gives up.
 *
 * @module
 */
import { Clock, Effect, Exit, Scope, Semaphore } from "effect";
import { PublicationUnknown, type SinkError, type SinkOpenError, StateBehindOutput } from "../exactly-once/errors.ts";
import type { SinkContext } from "../exactly-once/sink.ts";
import type { GroupOffsets, KafkaClient, OutgoingRecord, TransactionalProducer } from "./client.ts";
import { clientCodes, KafkaError } from "./errors.ts";
import type { Publisher } from "./idempotent-publisher.ts";
import { Outage } from "./outage.ts";
import { mayPass, retryPauseMillis } from "./retrying.ts";
import { shutOutMayPass } from "./shut-out.ts";
import type { SinkRules } from "./sink.ts";

/** How often the marker is written anew, in milliseconds, lest the broker forgets it: by default it does so after a week. */
export const markerRefreshMillis = 24 * 60 * 60 * 1_000;

/** Which part of the transaction time-out an epoch may take to be written: the rest is for what goes wrong. */
export const publishShare = 0.25;

/** Opens a publisher whose epochs are transactions. */
export const openTransactionalPublisher = (
  client: KafkaClient,
  sink: string,
  rules: SinkRules,
  context: SinkContext,
): Effect.Effect<Publisher, KafkaError | SinkOpenError, Scope.Scope> =>
  Effect.gen(function* () {
    const { compression, transactionMillis, markerTopic, whenUnknown, otherState, cluster, topic } = rules;
    const { job, lineage, published, committed, checkClaim } = context;
    const outer = yield* Effect.scope;
    const [jobPart, sinkPart] = [partOf(job), partOf(sink)];
    const transactionalId = rules.transactionalId ?? `weir.${jobPart}.${sinkPart}`;
    const group = `${jobPart}.${sinkPart}.${lineage}.epochs`;
    // Who shuts out whom goes by the transactional id.
    const idPart = rules.transactionalId === null ? "" : `${partOf(rules.transactionalId)}.`;
    const ownerGroup = `${jobPart}.${sinkPart}.${idPart}owner`;
    const self = ownerOf(lineage);
    const offsetOf = (group: string, offset: number): GroupOffsets => ({
      group,
      member: null,
      offsets: [{ topic: markerTopic, partition: 0, offset }],
    });
    if (!(yield* client.topics([markerTopic])).has(markerTopic)) yield* client.createTopic(markerTopic, 1);

    /** Whether this state has been the owner, so that it must still be. */
    let isOwner = published > 0;

    let current: { readonly producer: TransactionalProducer; readonly scope: Scope.Closeable } | null = null;

    const drop = Effect.suspend(() => {
      const dropped = current;
      current = null;
      return dropped === null ? Effect.void : Scope.close(dropped.scope, Exit.void);
    });

    /** Shuts out every earlier producer, and reads the marker and the owner. */
    const takeOver: Effect.Effect<Found, KafkaError | SinkError> = Effect.gen(function* () {
      yield* drop;
      yield* checkClaim;
      const scope = yield* Scope.fork(outer);
      const opening = client.transactionalProducer({ transactionalId, timeoutMillis: transactionMillis, compression });
      const producer = yield* Scope.provide(opening, scope).pipe(
        Effect.tapError(() => Scope.close(scope, Exit.void)),
      );
      current = { producer, scope };
      yield* checkClaim;
      const [marker, owner] = yield* Effect.all([readOffset(group), readOffset(ownerGroup)]);
      isOwner ||= owner === self || marker !== null;
      const isOther = owner !== null && owner !== self && otherState !== "replace";
      if (isOther && (isOwner || otherState === "fail")) return yield* otherStateIs(sink, topic, job, isOwner);
      return { marker, isOther, isClaimed: owner === self };
    }).pipe(Effect.catchTag("KafkaError", (error) => Effect.fail(shutOutMayPass(error))));

    const readOffset = (group: string): Effect.Effect<number | null, KafkaError> =>
      Effect.map(client.committed(group, markerTopic, [0]), (found) => found.get(0) ?? null);

    /** One transaction of records and the marker; where there are no records, of the owner, too. */
    const transact = (
      requests: ReadonlyArray<ReadonlyArray<OutgoingRecord>>,
      epoch: number,
    ): Effect.Effect<void, KafkaError> =>
      Effect.gen(function* () {
        const transaction = yield* current!.producer.begin;
        for (const request of requests) yield* transaction.send(request);
        yield* transaction.sendOffsets(offsetOf(group, epoch));
        if (requests.length === 0) yield* transaction.sendOffsets(offsetOf(ownerGroup, self));
        yield* transaction.commit;
      }).pipe(
        Effect.mapError(shutOutMayPass),
        Effect.timeoutOrElse({
          duration: transactionMillis * publishShare,
          orElse: () => Effect.fail(tooSlow(sink, epoch, transactionMillis)),
        }),
      );

    /** Publishes an epoch unless it is there, and does not give up while what stands in the way may pass. */
    const settle = (
      requests: ReadonlyArray<ReadonlyArray<OutgoingRecord>>,
      epoch: number,
    ): Effect.Effect<void, KafkaError | SinkError> =>
      Effect.gen(function* () {
        const until = (yield* Clock.currentTimeMillis) + cluster.outageMillisMax;
        const outage = new Outage(`Sink "${sink}"`, cluster.outageMillisMax);
        for (let failures = 1;; failures++) {
          const attempt = Effect.gen(function* () {
            if (current === null) {
              const { marker, isClaimed } = yield* takeOver;
              if (marker !== null && marker >= epoch && (requests.length > 0 || isClaimed)) return;
              // When the sink is opened anew it is found out again, and decided as `whenUnknown` says.
              if (marker === null && requests.length > 0) return yield* markerGone(sink, epoch, group);
            }
            yield* transact(requests, epoch);
            isOwner ||= requests.length === 0;
          });
          const result = yield* Effect.result(attempt);
          if (result._tag === "Success") return yield* outage.passed;
          const { failure } = result;
          yield* drop;
          const isWorthIt = failure._tag === "SinkError"
            ? failure.retryable
            : mayPass(failure) && failure.code !== markerGoneCode;
          const pause = retryPauseMillis(failures);
          if (isWorthIt && (yield* Clock.currentTimeMillis) + pause <= until) {
            yield* outage.failed(failure.message);
            yield* Effect.sleep(pause);
            continue;
          }
          // A transaction that stays open keeps readers waiting. The broker ends it in the end, and so does the next start.
          yield* Effect.ignore(takeOver);
          return yield* failure;
        }
      });

    const found = yield* takeOver;
    let { marker } = found;
    if (marker !== null && marker > committed) {
      return yield* new StateBehindOutput({
        message: `Cannot go on with sink "${sink}" as topic "${topic}" must hold no more than the job's state knows: ` +
          `current value is epoch ${marker}, and the state's is ${committed}`,
        sink,
        committed,
        found: marker,
      });
    }
    if (marker === null) {
      const hasUnpublished = context.committedOffset.rows > context.publishedOffset.rows;
      if (hasUnpublished && whenUnknown === "fail") {
        return yield* new PublicationUnknown({
          message:
            `Cannot go on with sink "${sink}" as the broker must know which epochs it has published: current value ` +
            `is nothing, as group "${group}" has expired or topic "${markerTopic}" was deleted, and of epochs ${
              published + 1
            } to ${committed} some rows may be in topic "${topic}" (whenUnknown: "publish" writes them, "skip" does not)`,
          sink,
          published,
          committed,
        });
      }
      marker = hasUnpublished && whenUnknown === "skip" ? committed : published;
      if (found.isOther) yield* Effect.logWarning(beginsAnew(sink, topic, job));
    }
    if (!found.isClaimed || found.marker === null) yield* settle([], marker);

    // One transaction at a time: an epoch's, or that of the daily refreshment.
    const semaphore = yield* Semaphore.make(1);
    let last = marker;
    yield* Effect.sleep(markerRefreshMillis).pipe(
      Effect.andThen(semaphore.withPermit(Effect.suspend(() => settle([], last)))),
      // The next epoch, or the next day, will meet what is wrong.
      Effect.ignore,
      Effect.forever,
      Effect.forkScoped,
    );

    return {
      marker,
      publish: (epoch, requests) =>
        semaphore.withPermit(Effect.andThen(settle(requests, epoch), Effect.sync(() => void (last = epoch)))),
    };
  });

/** What a producer has found that has shut out those before it. */
interface Found {
  /** The last epoch that is in the topic; `null` where nobody knows. */
  readonly marker: number | null;
  /** Whether another state was the owner. */
  readonly isOther: boolean;
  /** Whether this state is the owner. */
  readonly isClaimed: boolean;
}

/** How many hexadecimal digits of a lineage fit into an offset. */
const ownerDigits = 12;

/** A lineage as an offset. */
const ownerOf = (lineage: string): number => Number.parseInt(lineage.slice(0, ownerDigits), 16);

/** A name as a part between dots, so that no two pairs of names make one id. */
const partOf = (name: string): string => name.replaceAll("%", "%25").replaceAll(".", "%2E");

const markerGoneCode = "MARKER_GONE";

/** The outcome of an epoch was unknown, and the broker has forgotten it since. */
const markerGone = (sink: string, epoch: number, group: string): KafkaError =>
  new KafkaError({
    message:
      `Cannot publish epoch ${epoch} of sink "${sink}" as group "${group}" must say whether it is there: current ` +
      "value is nothing",
    code: markerGoneCode,
    retryable: true,
  });

/** Another state of the same job writes. */
const otherStateIs = (sink: string, topic: string, job: string, isOwner: boolean): KafkaError =>
  new KafkaError({
    message:
      `Cannot publish to topic "${topic}" by sink "${sink}" as one state of job "${job}" may write there, lest all is ` +
      `written twice: current value is another state, ${
        isOwner ? "which has begun since" : "whose results are there"
      } (otherState: "replace" goes on with this one)`,
    code: "OTHER_STATE",
    retryable: false,
  });

const beginsAnew = (sink: string, topic: string, job: string): string =>
  `Sink "${sink}" begins anew: topic "${topic}" holds results of another state of job "${job}", and what this state reads ` +
  "again it writes again. The other state may not go on";

const tooSlow = (sink: string, epoch: number, transactionMillis: number): KafkaError =>
  new KafkaError({
    message: `Cannot publish epoch ${epoch} of sink "${sink}" as it must take at most ${
      transactionMillis * publishShare
    } ms, a quarter of transactionTimeout: current value is more`,
    code: clientCodes.timedOut,
    retryable: true,
  });
