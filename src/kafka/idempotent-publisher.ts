/**
 * Publishing without transactions, by an idempotent producer: what it sends again is written once. Only where it is given up,
 * as it is with its process, may a request be repeated whose outcome is unknown.
 *
 * @module
 */
import { Effect, Exit, Scope } from "effect";
import type { SinkError } from "../exactly-once/errors.ts";
import type { SinkContext } from "../exactly-once/sink.ts";
import type { IdempotentProducer, KafkaClient, OutgoingRecord } from "./client.ts";
import type { KafkaError } from "./errors.ts";
import { mayPass, retrying } from "./retrying.ts";
import { shutOutMayPass } from "./shut-out.ts";
import type { SinkRules } from "./sink.ts";

/** Makes the records of epochs visible. */
export interface Publisher {
  /** The last epoch that is known to be visible, or `null`. */
  readonly marker: number | null;
  /** Publishes an epoch, request by request. */
  readonly publish: (
    epoch: number,
    requests: ReadonlyArray<ReadonlyArray<OutgoingRecord>>,
  ) => Effect.Effect<void, KafkaError | SinkError>;
}

/** Opens a publisher whose epochs a crash may repeat. */
export const openIdempotentPublisher = (
  client: KafkaClient,
  sink: string,
  { compression, cluster }: SinkRules,
  { checkClaim }: SinkContext,
): Effect.Effect<Publisher, KafkaError, Scope.Scope> =>
  Effect.gen(function* () {
    const outer = yield* Effect.scope;
    let current: { readonly producer: IdempotentProducer; readonly scope: Scope.Closeable } | null = null;
    const connect = Effect.gen(function* () {
      if (current !== null) return current.producer;
      const scope = yield* Scope.fork(outer);
      const producer = yield* Scope.provide(client.idempotentProducer({ compression }), scope).pipe(
        Effect.tapError(() => Scope.close(scope, Exit.void)),
      );
      current = { producer, scope };
      return producer;
    });
    const drop = Effect.suspend(() => {
      const dropped = current;
      current = null;
      return dropped === null ? Effect.void : Scope.close(dropped.scope, Exit.void);
    });
    yield* connect;
    return {
      marker: null,
      publish: (_epoch, requests) =>
        Effect.andThen(
          checkClaim,
          Effect.forEach(requests, (request) => {
            const send = Effect.flatMap(connect, (producer) => producer.send(request));
            const dropUnlessMayPass = (error: KafkaError): Effect.Effect<void> => mayPass(error) ? Effect.void : drop;
            return retrying(
              `Sink "${sink}"`,
              send.pipe(
                Effect.tapError(dropUnlessMayPass),
                Effect.mapError(shutOutMayPass),
              ),
              cluster.outageMillisMax,
            );
          }, { discard: true }),
        ).pipe(Effect.tapError(() => drop)),
    };
  });
