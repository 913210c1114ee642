/**
 * A connection to one broker that has signed in, over which requests go one behind the other.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { Effect } from "effect";
import { errorLine } from "../../windows/error-words.ts";
import type { ClientSettings } from "../client.ts";
import { clientCodes } from "../errors.ts";
import { type Address, addressOf } from "../wire/address.ts";
import { FrameWatch } from "../wire/frame-watch.ts";
import { malformed, Refusal, refused, tooOld } from "../wire/refusal.ts";
import { certificatesOf, serverNameOf } from "../wire/tls.ts";
import { refusalOf } from "./failures.ts";
import type {
  ApiVersions,
  Connection,
  Encoded,
  Library,
  LibraryLogger,
  LibrarySocket,
  RequestName,
} from "./library.ts";

/** What a broker is asked. */
export interface Ask<A> {
  readonly name: RequestName;
  readonly version: number;
  /** What the library's request is told. */
  readonly options?: unknown;
  /** The body of the request, where it is not the library's. */
  readonly body?: () => Uint8Array;
  /** Reads the answer, where that is not the library's business. */
  readonly decode?: (payload: Uint8Array) => A;
  /** The error in an answer as a whole, 0 if there is none. */
  readonly errorOf?: (answer: A) => number;
  /** How long the broker may wait before it answers, in milliseconds. */
  readonly waitMillis?: number;
}

/** KafkaJS logs nothing: what matters is in errors, and it would write to the console. */
const quiet: LibraryLogger = { namespace: () => quiet, debug() {}, info() {}, warn() {}, error() {} };

/** How long TCP waits before it looks whether the other side is still there, in milliseconds. */
const keepAliveMillis = 60_000;

/** A connection to one broker. It is opened once; when anything fails it is closed for good. */
export class Link {
  readonly #settings: ClientSettings;
  readonly #library: Library;
  readonly #connection: Connection;
  #versions: ApiVersions = {};
  #socket: Socket | null = null;
  /** Whether it is a broker that is at the other end. */
  #isKnown = false;
  #hasSignedIn = false;
  #hasClosed = false;
  #broken: Refusal | null = null;

  private constructor(library: Library, settings: ClientSettings, readonly address: string) {
    const { sasl } = settings;
    const at = addressOf(address);
    this.#library = library;
    this.#settings = settings;
    this.#connection = new library.Connection({
      ...at,
      clientId: settings.clientId,
      logger: quiet,
      sasl: sasl === null ? null : { ...sasl },
      socketFactory: ({ onConnect }) => this.#socketTo(at, onConnect),
      connectionTimeout: settings.connectMillisMax,
      requestTimeout: settings.requestMillisMax,
      enforceRequestTimeout: true,
      // It would sign in anew amid other requests, before each one where sessions are short; brokers close for that.
      reauthenticationThreshold: 0,
    });
    // It would look every millisecond, for ever, whether there is a request that waits for its turn.
    const queue = this.#connection.requestQueue;
    const schedule = queue.scheduleCheckPendingRequests.bind(queue);
    queue.scheduleCheckPendingRequests = () => {
      if (queue.pending.length > 0) schedule();
    };
  }

  /** A connection that is not open yet. */
  static make(library: Library, settings: ClientSettings, address: string): Effect.Effect<Link, Refusal> {
    return Effect.try({
      try: () => new Link(library, settings, address),
      catch: (error) =>
        error instanceof Refusal ? error : new Refusal(
          clientCodes.client,
          error instanceof Deno.errors.NotCapable
            // It reads two when it is made, which nobody needs to set.
            ? "KafkaJS must be allowed to read its variables of the environment, or be shown an empty one (--ignore-env)"
            : "KafkaJS must be able to begin",
          errorLine(error),
        ),
    });
  }

  /** Whether requests can be sent. */
  get isOpen(): boolean {
    return this.#hasSignedIn && !this.#hasClosed;
  }

  /** For how long the broker lets us in, from when it was opened on, in milliseconds. */
  get sessionMillis(): number {
    const millis = Number(this.#connection.sessionLifetime);
    return millis > 0 ? millis : Infinity;
  }

  /** Whether the broker understands a version of a kind of request. */
  knows(name: RequestName, version: number): boolean {
    const range = this.#rangeOf(name);
    return range !== undefined && version >= range.minVersion && version <= range.maxVersion;
  }

  #rangeOf(name: RequestName): ApiVersions[number] | undefined {
    return this.#versions[this.#library.apiKeys[name]];
  }

  /** Connects, and signs in. */
  get open(): Effect.Effect<void, Refusal> {
    const opening = async (): Promise<void> => {
      const connection = this.#connection;
      await connection.connect();
      const { apiVersions } = await connection.send<{ readonly apiVersions: ReadonlyArray<ApiVersion> }>(
        this.#library.requests.ApiVersions.protocol({ version: 2 })({}),
      );
      this.#isKnown = true;
      for (const { apiKey, minVersion, maxVersion } of apiVersions) this.#versions[apiKey] = { minVersion, maxVersion };
      connection.setVersions(this.#versions);
      connection.setSupportAuthenticationProtocol(saslAuthenticate in this.#versions);
      await connection.authenticate();
      this.#hasSignedIn = true;
    };
    return this.#attempt(opening);
  }

  /** Asks the broker for something. */
  ask<A>(ask: Ask<A>): Effect.Effect<A, Refusal> {
    return Effect.flatMap(this.#attempt(() => this.#send(ask)), (answer) => {
      const code = ask.errorOf?.(answer) ?? 0;
      return code === 0 ? Effect.succeed(answer) : Effect.fail(refused(code));
    });
  }

  async #send<A>({ name, version, options = {}, body, decode, waitMillis = 0 }: Ask<A>): Promise<A> {
    if (!this.knows(name, version)) {
      const range = this.#rangeOf(name);
      throw tooOld(name, version, range === undefined ? null : [range.minVersion, range.maxVersion]);
    }
    const { protocol, versions } = this.#library.requests[name];
    const known = Math.max(...versions.map(Number));
    const { request, response } = protocol({ version: Math.min(version, known) })(options);
    return await this.#connection.send<A>({
      request: {
        ...request,
        apiVersion: version,
        ...(body === undefined ? {} : { encode: () => Promise.resolve(encoded(body())) }),
      },
      response: {
        decode: decode === undefined ? response.decode : (payload) => Promise.resolve(decode(payload)),
        // The library's own ones throw away all but the first error.
        parse: (answer) => Promise.resolve(answer),
      },
      requestTimeout: this.#settings.requestMillisMax + waitMillis,
    });
  }

  /** Closes it. What is under way fails. */
  get close(): Effect.Effect<void> {
    return Effect.promise(() => this.#end());
  }

  /** Does something by the library. Where it fails or is interrupted, nobody knows what is still to come: it is closed. */
  #attempt<A>(what: () => Promise<A>): Effect.Effect<A, Refusal> {
    return Effect.tryPromise({
      try: what,
      catch: (error) =>
        this.#broken ?? refusalOf(error, {
          address: this.address,
          requestMillisMax: this.#settings.requestMillisMax,
          hasEnded: this.#hasClosed,
        }),
    }).pipe(Effect.onError(() => this.close));
  }

  async #end(): Promise<void> {
    const socket = this.#socket;
    this.#hasClosed = true;
    if (socket === null) return;
    if (!socket.closed) {
      const closed = new Promise((resolve) => socket.once("close", resolve));
      // Told as an error, so that the library gives up whatever waits.
      if (!socket.destroyed) socket.destroy(new Error("Closed here"));
      await closed;
    }
    this.#connection.requestQueue.destroy();
  }

  #socketTo({ host, port }: Address, onConnect: () => void): LibrarySocket {
    const { tls, responseBytesMax } = this.#settings;
    const servername = tls === null ? undefined : serverNameOf(tls, host);
    const socket = tls === null ? connectPlain({ host, port }, onConnect) : connectTls({
      host,
      port,
      ...certificatesOf(tls),
      ...(servername === undefined ? {} : { servername }),
    }, onConnect);
    this.#socket = socket;
    socket.setKeepAlive(true, keepAliveMillis);
    for (const event of ["end", "error", "close"]) socket.on(event, () => this.#hasClosed = true);
    const watch = new FrameWatch(responseBytesMax);
    // What the library throws where it listens, it throws to nobody. So of an answer that cannot be right it is shown nothing.
    const watched = (listener: (bytes: Buffer) => void) => (bytes: Buffer): void => {
      if (this.#broken !== null) return;
      try {
        const length = watch.see(bytes);
        if (length !== null) throw watch.refusalOf(length, this.address, this.#isKnown);
        listener(bytes);
      } catch (error) {
        this.#broken = error instanceof Refusal ? error : malformed(errorLine(error));
        socket.destroy(this.#broken);
      }
    };
    return {
      on: (event, listener) => socket.on(event, event === "data" ? watched(listener) : listener),
      write: (bytes, encoding) => socket.write(bytes, encoding),
      end: () => socket.end(),
      unref: () => socket.unref(),
    };
  }
}

const encoded = (bytes: Uint8Array): Encoded => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { buf: buffer, buffer };
};

/** A kind of requests, by its number, and which versions of it a broker understands. */
interface ApiVersion {
  readonly apiKey: number;
  readonly minVersion: number;
  readonly maxVersion: number;
}

/** The number of the request by which secrets are sent since Kafka 1.0. */
const saslAuthenticate = 36;
