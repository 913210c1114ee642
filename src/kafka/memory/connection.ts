/**
 * How requests reach a broker in memory, and how they fail on their way.
 *
 * @module
 */
import { Effect, type Scope } from "effect";
import { clientCodes, KafkaError } from "../errors.ts";
import { brokerError } from "./broker-error.ts";
import type { Groups } from "./groups.ts";
import type { Topics } from "./topics.ts";
import type { Transactions } from "./transactions.ts";

/** A kind of request, by its name in Kafka's protocol. */
export type BrokerApi =
  | "AddOffsetsToTxn"
  | "AddPartitionsToTxn"
  | "CreateTopics"
  | "DescribeConfigs"
  | "EndTxn"
  | "Fetch"
  | "InitProducerId"
  | "ListOffsets"
  | "Metadata"
  | "OffsetCommit"
  | "OffsetFetch"
  | "Produce"
  | "TxnOffsetCommit";

/** A request that a client makes. */
export interface BrokerRequest {
  /** What it asks for. */
  readonly api: BrokerApi;
  /** Which client asks: they are numbered from 0, in the order in which they were opened. */
  readonly client: number;
}

/**
 * What becomes of one request.
 *
 * - `ok`: it is answered.
 * - `lost`: it fails with `NO_CONNECTION`, and was not applied.
 * - `applied`: it fails with `NO_CONNECTION`, but was applied.
 * - `{ error }`: the broker refuses it with the error that Kafka or `KafkaError` calls so. `Fetch` is refused partition by
 *   partition.
 */
export type RequestFate = "ok" | "lost" | "applied" | { readonly error: string };

/** What a broker in memory consists of. */
export interface BrokerState {
  readonly topics: Topics;
  readonly groups: Groups;
  readonly transactions: Transactions;
  /** How many brokers the cluster seems to have. */
  readonly brokers: number;
  fateOf: (request: BrokerRequest) => RequestFate;
}

/** A way to the broker, open as long as its scope. */
export interface Connection {
  /** Brings a request to the broker: what is to become of it there, or with what error it is to be refused. */
  readonly arrive: (api: BrokerApi) => Effect.Effect<"ok" | "applied" | KafkaError, KafkaError>;
  /** Fails as a request whose outcome is unknown. */
  readonly lose: (api: BrokerApi) => Effect.Effect<never, KafkaError>;
  /** Brings a request to the broker, and applies it there or not, as its fate is. */
  readonly ask: <A>(api: BrokerApi, apply: () => A) => Effect.Effect<A, KafkaError>;
}

/** What may change what a reader is shown. */
const writes: ReadonlySet<BrokerApi> = new Set(["CreateTopics", "EndTxn", "InitProducerId", "Produce"]);

/** Does something at the broker, which may refuse it. */
export const attempt = <A>(apply: () => A): Effect.Effect<A, KafkaError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(apply());
    } catch (error) {
      return error instanceof KafkaError ? Effect.fail(error) : Effect.die(error);
    }
  });

/** Opens a way to the broker. `brokers` is what messages call it. */
export const openConnection = (
  state: BrokerState,
  client: number,
  brokers: string,
): Effect.Effect<Connection, never, Scope.Scope> =>
  Effect.suspend(() => {
    let isOpen = true;
    const refusal = (code: string, rule: string, api: BrokerApi): KafkaError =>
      brokerError(code, `ask ${brokers} for ${api} as ${rule}: current value is ${code}`);

    const lose: Connection["lose"] = (api) =>
      Effect.fail(refusal(clientCodes.noConnection, "a test breaks the connection", api));

    const arrive: Connection["arrive"] = (api) =>
      // Every request gives other fibers a turn, as a real one does.
      Effect.andThen(
        Effect.yieldNow,
        Effect.suspend(() => {
          if (!isOpen) return Effect.fail(refusal(clientCodes.client, "the scope of what asks is closed", api));
          const fate = state.fateOf({ api, client });
          if (fate === "lost") return lose(api);
          return Effect.succeed(
            typeof fate === "object" ? refusal(fate.error, "a test has it refused", api) : fate,
          );
        }),
      );

    const ask: Connection["ask"] = (api, apply) =>
      Effect.flatMap(arrive(api), (fate) => {
        if (fate instanceof KafkaError) return Effect.fail(fate);
        const attempted = attempt(apply);
        const answer = writes.has(api) ? Effect.ensuring(attempted, Effect.sync(() => state.topics.ring())) : attempted;
        if (fate === "ok") return answer;
        return Effect.matchEffect(answer, { onFailure: () => lose(api), onSuccess: () => lose(api) });
      });

    return Effect.acquireRelease(
      Effect.succeed({ arrive, lose, ask }),
      () => Effect.sync(() => void (isOpen = false)),
    );
  });
