/**
 * The brokers that keep the offsets of a group, or the transactions of an id.
 *
 * @module
 */
import { Effect, Schedule } from "effect";
import { clientCodes, type KafkaError } from "../errors.ts";
import { addressAt, type Api, type Connections } from "./connections.ts";

/** The pause before a coordinator that is not ready is asked again, in milliseconds. */
const settlingPauseMillis = 20;

/** What a coordinator is of, as `FindCoordinator` numbers it. */
const kinds = { group: 0, transaction: 1 } as const;

/**
 * What a coordinator says that has done nothing, and will be able to in a moment: it has just taken over, or the markers of the
 * transaction before are still being written, which is usual behind a commit.
 */
const settlingCodes: ReadonlySet<string> = new Set([
  "COORDINATOR_LOAD_IN_PROGRESS",
  "COORDINATOR_NOT_AVAILABLE",
  "NOT_COORDINATOR",
  "CONCURRENT_TRANSACTIONS",
]);

/** After these it may be another broker. */
const movedCodes: ReadonlySet<string> = new Set([
  "COORDINATOR_NOT_AVAILABLE",
  "NOT_COORDINATOR",
  clientCodes.noConnection,
  clientCodes.timedOut,
]);

/** Asks the coordinator of a group or of a transactional id. */
export interface Coordinator {
  /** Asks once. */
  readonly askOnce: <Args extends Array<unknown>, Answer>(
    action: string,
    api: Api<Args, Answer>,
    ...args: Args
  ) => Effect.Effect<Answer, KafkaError>;
  /** Asks again while the coordinator is not ready, which does nothing, for as long as an answer may take. */
  readonly ask: Coordinator["askOnce"];
}

/** The coordinator of a group or of a transactional id, which is looked for when it is asked first. */
export const coordinatorOf = (
  { library, settings, ask, askAny }: Connections,
  kind: keyof typeof kinds,
  id: string,
): Coordinator => {
  let address: string | null = null;
  const find = (action: string): Effect.Effect<string, KafkaError> =>
    Effect.suspend(() =>
      address !== null ? Effect.succeed(address) : Effect.map(
        askAny(action, library.findCoordinatorV3, kinds[kind], [id]),
        ({ coordinators: [{ host, port }] }) => address = addressAt(host, port),
      )
    );
  const askOnce: Coordinator["askOnce"] = (action, api, ...args) =>
    Effect.tapError(
      Effect.flatMap(find(action), (found) => ask(found, action, api, ...args)),
      ({ code }) =>
        Effect.sync(() => {
          if (movedCodes.has(code)) address = null;
        }),
    );
  return {
    askOnce,
    ask: (action, api, ...args) => whileSettling(askOnce(action, api, ...args), settings.requestMillisMax),
  };
};

/** Asks again, for a bounded time, what a broker has not done because it was not ready. */
export const whileSettling = <A>(
  asking: Effect.Effect<A, KafkaError>,
  millisMax: number,
): Effect.Effect<A, KafkaError> =>
  Effect.retry(asking, {
    while: ({ code }) => settlingCodes.has(code),
    schedule: Schedule.spaced(settlingPauseMillis).pipe(Schedule.upTo({ duration: millisMax })),
  });
