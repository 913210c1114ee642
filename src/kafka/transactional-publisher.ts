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
 *
 * @module
 */
import { Clock, Effect, Exit, Scope, Semaphore } from "effect";
import { PublicationUnknown, type SinkError, type SinkOpenError, StateBehindOutput } from "../exactly-once/errors.ts";
import type { SinkContext } from "../exactly-once/sink.ts";
import type { GroupOffsets, KafkaClient, OutgoingRecord, TransactionalProducer } from "./client.ts";
import { clientCodes, KafkaError } from "./errors.ts";
import type { Publisher } from "./idempotent-publisher.ts";
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
    const { compression, transactionMillis, markerTopic, whenUnknown, cluster, topic } = rules;
    const { job, lineage, published, committed, checkClaim } = context;
    const outer = yield* Effect.scope;
    const [jobPart, sinkPart] = [partOf(job), partOf(sink)];
    const transactionalId = rules.transactionalId ?? `weir.${jobPart}.${sinkPart}`;
    const group = `${jobPart}.${sinkPart}.${lineage}.epochs`;
    const markerOf = (epoch: number): GroupOffsets => ({
      group,
      member: null,
      offsets: [{ topic: markerTopic, partition: 0, offset: epoch }],
    });
    if (!(yield* client.topics([markerTopic])).has(markerTopic)) yield* client.createTopic(markerTopic, 1);

    let current: { readonly producer: TransactionalProducer; readonly scope: Scope.Closeable } | null = null;

    const drop = Effect.suspend(() => {
      const dropped = current;
      current = null;
      return dropped === null ? Effect.void : Scope.close(dropped.scope, Exit.void);
    });

    /** Shuts out every earlier producer, and reads the marker. */
    const takeOver: Effect.Effect<number | null, KafkaError | SinkError> = Effect.gen(function* () {
      yield* drop;
      yield* checkClaim;
      const scope = yield* Scope.fork(outer);
      const opening = client.transactionalProducer({ transactionalId, timeoutMillis: transactionMillis, compression });
      const producer = yield* Scope.provide(opening, scope).pipe(
        Effect.tapError(() => Scope.close(scope, Exit.void)),
      );
      current = { producer, scope };
      yield* checkClaim;
      return (yield* client.committed(group, markerTopic, [0])).get(0) ?? null;
    }).pipe(Effect.catchTag("KafkaError", (error) => Effect.fail(shutOutMayPass(error))));

    /** One transaction of records and the marker. */
    const transact = (
      requests: ReadonlyArray<ReadonlyArray<OutgoingRecord>>,
      epoch: number,
    ): Effect.Effect<void, KafkaError> =>
      Effect.gen(function* () {
        const transaction = yield* current!.producer.begin;
        for (const request of requests) yield* transaction.send(request);
        yield* transaction.sendOffsets(markerOf(epoch));
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
        for (let failures = 1;; failures++) {
          const attempt = Effect.gen(function* () {
            if (current === null) {
              const found = yield* takeOver;
              if (found !== null && found >= epoch) return;
              // When the sink is opened anew it is found out again, and decided as `whenUnknown` says.
              if (found === null && requests.length > 0) return yield* markerGone(sink, epoch, group);
            }
            yield* transact(requests, epoch);
          });
          const result = yield* Effect.result(attempt);
          if (result._tag === "Success") return;
          const { failure } = result;
          yield* drop;
          const isWorthIt = failure._tag === "SinkError"
            ? failure.retryable
            : mayPass(failure) && failure.code !== markerGoneCode;
          const pause = retryPauseMillis(failures);
          if (isWorthIt && (yield* Clock.currentTimeMillis) + pause <= until) {
            yield* Effect.sleep(pause);
            continue;
          }
          // A transaction that stays open keeps readers waiting. The broker ends it in the end, and so does the next start.
          yield* Effect.ignore(takeOver);
          return yield* failure;
        }
      });

    let marker = yield* takeOver;
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
      yield* settle([], marker);
    }

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

const tooSlow = (sink: string, epoch: number, transactionMillis: number): KafkaError =>
  new KafkaError({
    message: `Cannot publish epoch ${epoch} of sink "${sink}" as it must take at most ${
      transactionMillis * publishShare
    } ms, a quarter of transactionTimeout: current value is more`,
    code: clientCodes.timedOut,
    retryable: true,
  });
