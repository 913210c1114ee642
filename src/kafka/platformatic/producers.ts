/**
 * Producers, made of the protocol's requests. Each of these is sent once, but for those that a coordinator has refused because it
 * was not ready.
 *
 * @module
 */
import { Effect, type Scope, Semaphore } from "effect";
import type {
  ClientSettings,
  Compression,
  IdempotentProducer,
  KafkaTransaction,
  OutgoingRecord,
  TransactionalProducer,
} from "../client.ts";
import { clientCodes, KafkaError } from "../errors.ts";
import { openConnections } from "./connections.ts";
import { type Coordinator, coordinatorOf, whileSettling } from "./coordinators.ts";
import type { Library } from "./library.ts";
import { offsetTopics } from "./offsets.ts";
import { partsOf, partWriter } from "./writer.ts";

/** What a producer says that has no id yet. With an id it would be let go on where an earlier one has been shut out. */
const noIdentity = { id: -1n, epoch: -1 } as const;

/** What a group's offsets are committed by where it has no members. */
const noMember = { id: "", generation: -1 } as const;

/** Opens a producer in transactions. When it is there, nobody else can end a transaction of its id. */
export const openTransactionalProducer = (
  library: Library,
  settings: ClientSettings,
  { transactionalId, timeoutMillis, compression }: {
    readonly transactionalId: string;
    readonly timeoutMillis: number;
    readonly compression: Compression;
  },
): Effect.Effect<TransactionalProducer, KafkaError, Scope.Scope> =>
  Effect.gen(function* () {
    const connections = yield* openConnections(library, settings);
    const coordinator = coordinatorOf(connections, "transaction", transactionalId);
    const { producerId: id, producerEpoch: epoch } = yield* coordinator.ask(
      `open producer "${transactionalId}"`,
      library.initProducerIdV4,
      transactionalId,
      timeoutMillis,
      noIdentity.id,
      noIdentity.epoch,
    );
    const write = partWriter(connections, { id, epoch, transactionalId }, compression);
    const groups = new Map<string, Coordinator>();

    // While a call is under way the producer is busy, and it stays so when the call does not succeed.
    let state: "idle" | "open" | "busy" = "idle";
    let begun = 0;

    const transaction = (turn: number): KafkaTransaction => {
      const addedPlaces = new Set<string>();
      const addedGroups = new Set<string>();

      const step = (
        action: string,
        next: "open" | "idle",
        effect: Effect.Effect<void, KafkaError>,
      ): Effect.Effect<void, KafkaError> =>
        Effect.suspend(() => {
          if (state !== "open" || turn !== begun) {
            return Effect.fail(misuse(action, "its transaction must be open and nothing of it have failed", state));
          }
          state = "busy";
          return Effect.tap(effect, () =>
            Effect.sync(() => {
              state = next;
            }));
        });

      const end = (commit: boolean): Effect.Effect<void, KafkaError> => {
        const action = `${commit ? "commit" : "abort"} a transaction of "${transactionalId}"`;
        return step(
          action,
          "idle",
          Effect.suspend(() =>
            // A transaction that has nothing has not begun for the coordinator.
            addedPlaces.size + addedGroups.size === 0
              ? Effect.void
              : Effect.asVoid(coordinator.askOnce(action, library.endTxnV3, transactionalId, id, epoch, commit))
          ),
        );
      };

      return {
        send: (records) => {
          const action = `write in a transaction of "${transactionalId}"`;
          return step(
            action,
            "open",
            Effect.gen(function* () {
              const parts = partsOf(records);
              const added = parts.filter(({ place }) => !addedPlaces.has(place));
              if (added.length > 0) {
                const topics = [...Map.groupBy(added, ({ topic }) => topic)].map(([name, parts]) => ({
                  name,
                  partitions: parts.map(({ partition }) => partition),
                }));
                // Later versions are for brokers among themselves: others may not send them.
                yield* coordinator.ask(action, library.addPartitionsToTxnV3, [
                  { transactionalId, producerId: id, producerEpoch: epoch, verifyOnly: false, topics },
                ]);
                for (const { place } of added) addedPlaces.add(place);
              }
              yield* write(action, parts);
            }),
          );
        },
        sendOffsets: ({ group, member, offsets }) => {
          const action = `commit offsets of group "${group}" in a transaction of "${transactionalId}"`;
          return step(
            action,
            "open",
            Effect.gen(function* () {
              if (!addedGroups.has(group)) {
                yield* coordinator.ask(action, library.addOffsetsToTxnV3, transactionalId, id, epoch, group);
                addedGroups.add(group);
              }
              const groupCoordinator = groups.get(group) ?? coordinatorOf(connections, "group", group);
              groups.set(group, groupCoordinator);
              const { generation, id: memberId } = member ?? noMember;
              yield* groupCoordinator.ask(
                action,
                library.txnOffsetCommitV3,
                transactionalId,
                group,
                id,
                epoch,
                generation,
                memberId,
                null,
                offsetTopics(offsets),
              );
            }),
          );
        },
        commit: end(true),
        abort: end(false),
      };
    };

    return {
      begin: Effect.suspend(() => {
        if (state !== "idle") {
          const action = `begin a transaction of "${transactionalId}"`;
          return Effect.fail(misuse(action, "the one before must have ended without a failure", state));
        }
        state = "open";
        return Effect.succeed(transaction(++begun));
      }),
    };
  });

/** Opens a producer without transactions. */
export const openIdempotentProducer = (
  library: Library,
  settings: ClientSettings,
  { compression }: { readonly compression: Compression },
): Effect.Effect<IdempotentProducer, KafkaError, Scope.Scope> =>
  Effect.gen(function* () {
    const connections = yield* openConnections(library, settings);
    const action = "write to Kafka";
    const { id, epoch } = noIdentity;
    const connect = Effect.map(
      // It has no transactions that could take too long.
      whileSettling(
        connections.askAny(action, library.initProducerIdV4, null, settings.requestMillisMax, id, epoch),
        settings.requestMillisMax,
      ),
      ({ producerId: id, producerEpoch: epoch }) =>
        partWriter(connections, { id, epoch, transactionalId: null }, compression),
    );
    let write = yield* connect;
    // What was sent last, if it may have been written or not: nothing else may have its numbers, or it would be lost.
    let unsettled: ReadonlyArray<OutgoingRecord> | null = null;
    const oneAtATime = yield* Semaphore.make(1);
    return {
      send: (records) =>
        oneAtATime.withPermit(Effect.gen(function* () {
          if (unsettled !== null && unsettled !== records) write = yield* connect;
          unsettled = records;
          yield* write(action, partsOf(records));
          unsettled = null;
        })),
    };
  });

const misuse = (action: string, rule: string, state: string): KafkaError =>
  new KafkaError({
    message: `Cannot ${action} as ${rule}: current value is ${state}`,
    code: clientCodes.client,
    retryable: false,
  });
