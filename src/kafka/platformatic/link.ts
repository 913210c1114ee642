/**
 * A connection to one broker that has signed in, by the `Connection` of the library: sockets, TLS, SASL, and which answer is to
 * which request.
 *
 * The library's own clients are not used. Its `Producer` tries everything again for ever where it is idempotent, the end of a
 * transaction included, and its `metadata` forgets every topic when one is missing.
 *
 * @module
 */
import type { Connection, ConnectionOptions, ResponseParser, SASLOptions, Writer } from "@platformatic/kafka";
import { Effect } from "effect";
import type { Socket } from "node:net";
import { errorLine } from "../../windows/error-words.ts";
import type { ClientSettings, SaslSettings } from "../client.ts";
import { addressOf } from "../wire/address.ts";
import { FrameWatch } from "../wire/frame-watch.ts";
import { malformed, Refusal, tooOld } from "../wire/refusal.ts";
import { certificatesOf, serverNameOf } from "../wire/tls.ts";
import { refusalOf } from "./failures.ts";
import type { Library } from "./library.ts";

/** A request of the protocol in one version, as the library has it. All that are used are of "flexible" versions. */
export interface Api<in Args extends Array<unknown>, out Answer> {
  readonly api: { readonly key: number; readonly version: number };
  readonly createRequest: (...args: Args) => Writer;
  readonly parseResponse: ResponseParser<Answer>;
}

/** A connection to one broker. It is opened once; when anything of it is lost it is closed for good. */
export class Link {
  readonly #library: Library;
  readonly #settings: ClientSettings;
  readonly #connection: Connection;
  /** From which to which version the broker knows each kind of request. */
  readonly #versions = new Map<number, readonly [min: number, max: number]>();
  /** Whether it is a broker that is at the other end. */
  #isKnown = false;
  #hasSignedIn = false;
  #hasClosed = false;
  #sessionMillis = Infinity;
  /** Why it was broken, if that is known: whoever waits for an answer is not told. */
  #broken: unknown = null;

  constructor(library: Library, settings: ClientSettings, readonly address: string) {
    this.#library = library;
    this.#settings = settings;
    const connection = new library.Connection(
      settings.clientId,
      connectionOptions(library, settings, addressOf(address).host, (millis) => void (this.#sessionMillis = millis)),
    );
    this.#connection = connection;
    connection.on("error", (error) => void (this.#broken ??= error));
    connection.once("close", () => {
      this.#hasClosed = true;
      // It would sign in again in the end otherwise, although it is closed.
      connection.close(ignore);
    });
  }

  /** Whether requests can be sent. */
  get isOpen(): boolean {
    return this.#hasSignedIn && !this.#hasClosed;
  }

  /** For how long the broker lets us in, from when it was opened on, in milliseconds. */
  get sessionMillis(): number {
    return this.#sessionMillis;
  }

  /** Connects, and signs in. */
  get open(): Effect.Effect<void, Refusal> {
    const opening = async (): Promise<void> => {
      const connection = this.#connection;
      const { host, port } = addressOf(this.address);
      const connected = connection.connect(host, port);
      this.#watch(connection.socket);
      await connected;
      const { apiKeys } = await this.#library.apiVersionsV1.api.async(connection, "", "");
      for (const { apiKey, minVersion, maxVersion } of apiKeys) this.#versions.set(apiKey, [minVersion, maxVersion]);
      this.#hasSignedIn = true;
    };
    return Effect.tryPromise({ try: opening, catch: (error) => this.#refusalOf(this.#broken ?? error) }).pipe(
      Effect.onError(() => this.close),
    );
  }

  /** Asks the broker for something. */
  ask<Args extends Array<unknown>, Answer>(
    { api, createRequest, parseResponse }: Api<Args, Answer>,
    ...args: Args
  ): Effect.Effect<Answer, Refusal> {
    return Effect.callback((resume) => {
      const range = this.#versions.get(api.key) ?? null;
      if (range === null || api.version < range[0] || api.version > range[1]) {
        return resume(Effect.fail(tooOld(this.#library.protocolAPIsById[api.key], api.version, range)));
      }
      this.#connection.send<Answer>(
        api.key,
        api.version,
        () => createRequest(...args),
        believing(this.#library, parseResponse),
        true,
        true,
        (error, answer) =>
          resume(
            error === null || error === undefined
              ? Effect.succeed(answer as Answer)
              : Effect.fail(this.#refusalOf(this.#broken instanceof Refusal ? this.#broken : error)),
          ),
      );
    });
  }

  /** Closes it at once. The library's own way to do so waits until everything has been sent. */
  get close(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const done = (): void => resume(Effect.void);
      if (this.#hasClosed) return done();
      const { socket } = this.#connection;
      if (socket === undefined || socket.closed) return this.#connection.close(done);
      socket.once("close", done);
      this.#connection.close(ignore);
      socket.destroy();
    });
  }

  #refusalOf(error: unknown): Refusal {
    const { requestMillisMax } = this.#settings;
    return refusalOf(this.#library, error, { address: this.address, requestMillisMax });
  }

  /**
   * Breaks the connection when an answer comes that claims more bytes than are allowed, or less than there must be. The library
   * does not get to see it: it would wait for it, or stumble over it where nobody catches that.
   */
  #watch(socket: Socket): void {
    const { tls, responseBytesMax } = this.#settings;
    // The library has added its listener just now, and nothing has come yet.
    socket.once(tls === null ? "connect" : "secureConnect", () => {
      const listeners = socket.listeners("data");
      socket.removeAllListeners("data");
      const watch = new FrameWatch(responseBytesMax);
      let isBroken = false;
      socket.on("data", (chunk) => {
        if (isBroken) return;
        const length = watch.see(chunk as Uint8Array);
        if (length === null) {
          this.#isKnown = true;
          for (const listener of listeners) listener.call(socket, chunk);
        } else {
          isBroken = true;
          this.#broken = watch.refusalOf(length, this.address, this.#isKnown);
          socket.destroy();
        }
      });
    });
  }
}

const ignore = (): void => {};

const connectionOptions = (
  library: Library,
  { connectMillisMax, requestMillisMax, sasl, tls }: ClientSettings,
  host: string,
  letIn: LetIn,
): ConnectionOptions => {
  const serverName = tls === null ? undefined : serverNameOf(tls, host);
  return {
    connectTimeout: connectMillisMax,
    requestTimeout: requestMillisMax,
    ...(tls === null ? {} : { tls: certificatesOf(tls) }),
    ...(serverName === undefined ? {} : { tlsServerName: serverName }),
    ...(sasl === null ? {} : { sasl: saslOptions(library, sasl, letIn) }),
  };
};

const mechanisms = { plain: "PLAIN", "scram-sha-256": "SCRAM-SHA-256", "scram-sha-512": "SCRAM-SHA-512" } as const;

/** Is told for how long the broker lets us in, in milliseconds. */
type LetIn = (millis: number) => void;

/**
 * How the library is to sign in. What it makes of a SCRAM server's answers, it throws where nobody catches it; so its callbacks
 * are called with care here.
 *
 * It is not told that a session has an end: it would sign in anew over a connection that is used meanwhile, which a broker closes
 * for that.
 */
const saslOptions = (library: Library, { mechanism, username, password }: SaslSettings, letIn: LetIn): SASLOptions => ({
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
    const signedIn: typeof callback = (error, response) => {
      if (error !== null || response === undefined) return callback(error, response);
      const { sessionLifetimeMs } = response;
      if (sessionLifetimeMs > 0n) letIn(Number(sessionLifetimeMs));
      callback(null, { ...response, sessionLifetimeMs: 0n });
    };
    if (name === "PLAIN") library.saslPlain.authenticate(careful, connection, username, password, signedIn);
    else {
      const algorithm = mechanism === "scram-sha-256" ? "SHA-256" : "SHA-512";
      const { defaultCrypto } = library.saslScramSha;
      library.saslScramSha.authenticate(careful, connection, algorithm, username, password, defaultCrypto, signedIn);
    }
  },
});

/** A parser that says of an answer that makes no sense that it makes none. What Kafka refuses is thrown as the library does. */
const believing = <Answer>(library: Library, parse: ResponseParser<Answer>): ResponseParser<Answer> => (...args) => {
  try {
    return parse(...args);
  } catch (error) {
    if (error instanceof library.ResponseError || error instanceof Refusal) throw error;
    throw malformed(errorLine(error));
  }
};
