/**
 * Connections to brokers: one for each broker, opened when it is needed first, and anew after it has broken.
 *
 * The library's own clients are not used. Its `Producer` tries everything again for ever where it is idempotent, the end of a
 * transaction included, and its `metadata` forgets every topic when one is missing. What is used of it is its protocol, and the
 * `Connection`: sockets, TLS, SASL, and which answer is to which request. A request is sent once.
 *
 * @module
 */
import type { Connection, ConnectionOptions, ResponseParser, SASLOptions, Writer } from "@platformatic/kafka";
import { Effect, type Scope } from "effect";
import type { Socket } from "node:net";
import { isIP } from "node:net";
import { errorLine } from "../../windows/error-words.ts";
import type { ClientSettings, SaslSettings, TlsSettings } from "../client.ts";
import { clientCodes, type KafkaError } from "../errors.ts";
import { FrameWatch } from "../kafkajs/frame-watch.ts";
import { malformed, Refusal, tooLarge } from "../kafkajs/refusal.ts";
import { protocolError } from "../protocol-errors.ts";
import { codes } from "./codes.ts";
import { type Failures, failuresOf } from "./failures.ts";
import type { Library } from "./library.ts";

/** A request of the protocol in one version, as the library has it. All that are used are of "flexible" versions. */
export interface Api<in Args extends Array<unknown>, out Answer> {
  readonly api: { readonly key: number; readonly version: number };
  readonly createRequest: (...args: Args) => Writer;
  readonly parseResponse: ResponseParser<Answer>;
}

/** Connections of one purpose, to any brokers of the cluster. */
export interface Connections {
  readonly library: Library;
  readonly settings: ClientSettings;
  /** The brokers of the settings, for messages. */
  readonly shown: string;
  readonly failures: Failures;
  /** Asks the broker at an address. `action` reads as in "Cannot ⟨action⟩ at 127.0.0.1:9092 as …". */
  readonly ask: <Args extends Array<unknown>, Answer>(
    address: string,
    action: string,
    api: Api<Args, Answer>,
    ...args: Args
  ) => Effect.Effect<Answer, KafkaError>;
  /** Asks any broker: the one that was asked last, else those of the settings, else those that have been heard of. */
  readonly askAny: <Args extends Array<unknown>, Answer>(
    action: string,
    api: Api<Args, Answer>,
    ...args: Args
  ) => Effect.Effect<Answer, KafkaError>;
  /** Where the brokers are, by their ids, as the cluster said last. */
  readonly brokers: Map<number, string>;
}

/** A request whose answer is wanted even if it says of some topics or partitions that something is wrong with them. */
export const despiteErrors = <Args extends Array<unknown>, Answer>(
  library: Library,
  { api, createRequest, parseResponse }: Api<Args, Answer>,
): Api<Args, Answer> => ({
  api,
  createRequest,
  parseResponse: (...args) => {
    try {
      return parseResponse(...args);
    } catch (error) {
      if (error instanceof library.ResponseError) return (error as unknown as { readonly response: Answer }).response;
      throw error;
    }
  },
});

/** A connection that is open. */
interface Link {
  readonly connection: Connection;
  /** From which to which version the broker knows each kind of request. */
  readonly versions: ReadonlyMap<number, readonly [min: number, max: number]>;
  /** Why it was broken from this side. */
  refusal: Refusal | null;
}

/** Makes connections that are closed with the scope. Nothing is connected yet. */
export const openConnections = (
  library: Library,
  settings: ClientSettings,
): Effect.Effect<Connections, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(Effect.sync(() => new Pool(library, settings)), (pool) => Effect.promise(() => pool.close())),
    (pool): Connections => {
      const { failures, brokers } = pool;
      const shown = settings.brokers.join(", ");
      const send = <Args extends Array<unknown>, Answer>(
        link: Link,
        address: string,
        action: string,
        { api, createRequest, parseResponse }: Api<Args, Answer>,
        args: Args,
      ): Effect.Effect<Answer, KafkaError> =>
        Effect.callback((resume) => {
          const [min, max] = link.versions.get(api.key) ?? [0, -1];
          if (api.version < min || api.version > max) {
            return resume(Effect.fail(failures.of(action, address, versionRefusal(library, api, min, max))));
          }
          link.connection.send<Answer>(
            api.key,
            api.version,
            () => createRequest(...args),
            believing(library, parseResponse),
            true,
            true,
            (error, answer) =>
              resume(
                error === null || error === undefined
                  ? Effect.succeed(answer as Answer)
                  : Effect.fail(failures.of(action, address, link.refusal ?? error)),
              ),
          );
        });
      const linkTo = (address: string, action: string): Effect.Effect<Link, KafkaError> =>
        Effect.tryPromise({ try: () => pool.get(address), catch: (cause) => failures.of(action, address, cause) });
      return {
        library,
        settings,
        shown,
        failures,
        brokers,
        ask: (address, action, api, ...args) =>
          Effect.flatMap(linkTo(address, action), (link) => send(link, address, action, api, args)),
        askAny: (action, api, ...args) =>
          Effect.gen(function* () {
            const known = [...(pool.last === null ? [] : [pool.last]), ...settings.brokers, ...brokers.values()];
            let cause: unknown;
            for (const address of new Set(known)) {
              const opened = yield* Effect.result(Effect.tryPromise({ try: () => pool.get(address), catch: (e) => e }));
              if (opened._tag === "Success") {
                pool.last = address;
                return yield* send(opened.success, address, action, api, args);
              }
              cause = opened.failure;
              const error = failures.of(action, address, cause);
              if (!error.retryable) return yield* error;
            }
            pool.last = null;
            return yield* failures.of(action, shown, cause);
          }),
      };
    },
  );

class Pool {
  readonly brokers = new Map<number, string>();
  readonly failures: Failures;
  /** The broker that answered last when any could have. */
  last: string | null = null;
  readonly #links = new Map<string, Promise<Link>>();
  /** All that are not closed yet, those included that are only being opened. */
  readonly #connections = new Set<Connection>();
  #isClosed = false;

  constructor(readonly library: Library, readonly settings: ClientSettings) {
    const { sasl, tls, requestMillisMax } = settings;
    const secrets = [sasl?.password ?? "", tls?.key ?? ""].filter((secret) => secret !== "");
    this.failures = failuresOf(library, secrets, requestMillisMax);
  }

  get(address: string): Promise<Link> {
    const found = this.#links.get(address);
    if (found !== undefined) return found;
    const opening = this.#open(address, () => {
      if (this.#links.get(address) === opening) this.#links.delete(address);
    });
    this.#links.set(address, opening);
    return opening;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#connections].map(shut));
  }

  async #open(address: string, forget: () => void): Promise<Link> {
    const { library, settings } = this;
    const { host, port } = hostAndPort(address);
    if (this.#isClosed) throw new library.NetworkError("The client is closed");
    const connection = new library.Connection(settings.clientId, connectionOptions(library, settings, host));
    this.#connections.add(connection);
    const versions = new Map<number, readonly [number, number]>();
    const link: Link = { connection, versions, refusal: null };
    let broken: unknown = null;
    // Whoever waits for an answer is told by its own callback, which does not say why.
    connection.on("error", (error) => void (broken ??= error));
    connection.once("close", () => {
      forget();
      // It would sign in again in the end otherwise, although it is closed.
      connection.close(ignore);
      this.#connections.delete(connection);
    });
    try {
      const connected = connection.connect(host, port);
      const event = settings.tls === null ? "connect" : "secureConnect";
      watchFrames(event, connection.socket, settings.responseBytesMax, (refusal) => {
        link.refusal = refusal;
      });
      await connected;
      const { apiKeys } = await library.apiVersionsV1.api.async(connection, "", "");
      for (const { apiKey, minVersion, maxVersion } of apiKeys) versions.set(apiKey, [minVersion, maxVersion]);
      return link;
    } catch (error) {
      forget();
      await shut(connection);
      this.#connections.delete(connection);
      throw link.refusal ?? broken ?? error;
    }
  }
}

const ignore = (): void => {};

/** Closes a connection at once. The library's own way to do so waits until everything has been sent. */
const shut = (connection: Connection): Promise<void> =>
  new Promise((done) => {
    const { socket } = connection;
    if (socket === undefined || socket.closed) return connection.close(() => done());
    socket.once("close", () => done());
    connection.close(ignore);
    socket.destroy();
  });

/** The address of a host, which may be a number of IPv6, and a port. */
export const addressAt = (host: string, port: number): string => `${host.includes(":") ? `[${host}]` : host}:${port}`;

/** Which part of an address is what. */
const hostAndPort = (address: string): { readonly host: string; readonly port: number } => {
  const colon = address.lastIndexOf(":");
  const port = Number(address.slice(colon + 1));
  if (!(port <= 65_535)) throw new Refusal(clientCodes.client, "the port must be at most 65535", `${port}`);
  return { host: address.slice(0, colon).replace(/^\[(.*)\]$/, "$1"), port };
};

const connectionOptions = (
  library: Library,
  { connectMillisMax, requestMillisMax, sasl, tls }: ClientSettings,
  host: string,
): ConnectionOptions => ({
  connectTimeout: connectMillisMax,
  requestTimeout: requestMillisMax,
  ...(tls === null ? {} : tlsOptions(tls, host)),
  ...(sasl === null ? {} : { sasl: saslOptions(library, sasl) }),
});

const tlsOptions = ({ ca, cert, key, serverName }: TlsSettings, host: string): ConnectionOptions => ({
  tls: {
    rejectUnauthorized: true,
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
  },
  // An IP address is no name that a server could be asked for; it is checked all the same.
  ...(serverName !== null ? { tlsServerName: serverName } : isIP(host) === 0 ? { tlsServerName: host } : {}),
});

const mechanisms = { plain: "PLAIN", "scram-sha-256": "SCRAM-SHA-256", "scram-sha-512": "SCRAM-SHA-512" } as const;

/**
 * How the library is to sign in. What it makes of a SCRAM server's answers, it throws where nobody catches it; so its callbacks
 * are called with care here.
 */
const saslOptions = (library: Library, { mechanism, username, password }: SaslSettings): SASLOptions => ({
  mechanism: mechanisms[mechanism],
  username,
  password,
  authenticate: (name, connection, authenticate, _username, _password, _token, callback) => {
    const careful: typeof authenticate = Object.assign(
      (...[connection, bytes, answered]: Parameters<typeof authenticate>) =>
        authenticate(connection, bytes, (error, response) => {
          try {
            answered?.(error, response);
          } catch (cause) {
            callback(new library.AuthenticationError(`An answer makes no sense: ${errorLine(cause)}`));
          }
        }),
      authenticate,
    );
    if (name === "PLAIN") library.saslPlain.authenticate(careful, connection, username, password, callback);
    else {
      const algorithm = mechanism === "scram-sha-256" ? "SHA-256" : "SHA-512";
      const { defaultCrypto } = library.saslScramSha;
      library.saslScramSha.authenticate(careful, connection, algorithm, username, password, defaultCrypto, callback);
    }
  },
});

/**
 * Breaks a connection on which an answer comes that claims more bytes than are allowed, or less than there must be. The library
 * does not get to see it: it would wait for it, or stumble over it where nobody catches that.
 */
const watchFrames = (
  connected: string,
  socket: Socket,
  bytesMax: number,
  refused: (refusal: Refusal) => void,
): void => {
  // The library has added its listener just now, and nothing has come yet.
  socket.once(connected, () => {
    const listeners = socket.listeners("data");
    socket.removeAllListeners("data");
    const watch = new FrameWatch(bytesMax);
    let isBroken = false;
    socket.on("data", (chunk) => {
      if (isBroken) return;
      const length = watch.see(chunk as Uint8Array);
      if (length === null) {
        for (const listener of listeners) listener.call(socket, chunk);
      } else {
        isBroken = true;
        refused(frameRefusal(length, bytesMax));
        socket.destroy();
      }
    });
  });
};

const frameRefusal = (length: number, bytesMax: number): Refusal => {
  // An alert (0x15) or a handshake (0x16) of TLS 1.x, if it is read as the length of an answer.
  if (length >>> 8 === 0x150303 || length >>> 8 === 0x160303) {
    return new Refusal(clientCodes.noConnection, "the connection must be encrypted (tls)", "one that is not");
  }
  return length > bytesMax ? tooLarge("an answer", bytesMax, `${length}`) : malformed(`an answer of ${length} bytes`);
};

/** A parser that says of an answer that makes no sense that it makes none. What Kafka refuses is thrown as the library does. */
const believing = <Answer>(library: Library, parse: ResponseParser<Answer>): ResponseParser<Answer> => (...args) => {
  try {
    return parse(...args);
  } catch (error) {
    if (error instanceof library.ResponseError || error instanceof Refusal) throw error;
    throw malformed(errorLine(error));
  }
};

const versionRefusal = (
  library: Library,
  { key, version }: Api<[], unknown>["api"],
  min: number,
  max: number,
): Refusal =>
  new Refusal(
    protocolError(codes.unsupportedVersion).name,
    `the broker must know version ${version} of ${library.protocolAPIsById[key]}, as Kafka 2.8 and later do`,
    max < min ? "none" : `versions ${min} to ${max}`,
  );
