/**
 * A connection to a server of events: what is asked, and what its answers mean.
 *
 * @module
 */
import { Data, Effect } from "effect";
import { errorLine } from "../../../windows/error-words.ts";

/** A server that cannot be reached, or a connection that was lost. Asking again may help. */
export class Unreachable extends Data.TaggedError("Unreachable")<{ readonly reason: string }> {}

/** An answer that will be the same when the server is asked again. */
export class NoEvents extends Data.TaggedError("NoEvents")<{ readonly rule: string; readonly current: string }> {}

/** An answer that goes on and on. */
export interface EventConnection {
  /** The next bytes; `null` at the end. */
  readonly read: Effect.Effect<Uint8Array | null, Unreachable>;
  readonly close: () => void;
}

/** Where to ask, and with which words. */
export interface EventServer {
  /** The address without anything secret, for messages. */
  readonly shown: string;
  /** Asks for what comes after an event, or for whatever there is (`""`). `null`: there is no more, ever. */
  readonly connect: (lastId: string) => Effect.Effect<EventConnection | null, Unreachable | NoEvents>;
}

/** Statuses of a server that may answer otherwise next time. */
const isPassing = (status: number): boolean => status === 408 || status === 425 || status === 429 || status >= 500;

/** A server at an address. */
export const eventServer = (
  address: URL,
  headers: Readonly<Record<string, string>>,
  silenceMillisMax: number | null,
): EventServer => {
  const url = new URL(address);
  const secrets = new Headers();
  if (url.username !== "" || url.password !== "") {
    const words = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    secrets.set("authorization", `Basic ${btoa(latin1(words))}`);
  }
  url.username = url.password = "";
  const shown = url.origin + url.pathname;
  // Deno's messages name the address, and what stands in its query may be a secret.
  const reasonOf = (error: unknown): string => errorLine(error).replaceAll(/https?:\/\/[^\s"')]+/g, shown);
  const unreachable = (error: unknown): Unreachable => new Unreachable({ reason: reasonOf(error) });

  for (const [name, value] of Object.entries(headers)) secrets.set(name, value);

  const ask = (lastId: string, cut: AbortController): Effect.Effect<Response, Unreachable | NoEvents> =>
    Effect.tryPromise({
      try: () => {
        const headers = new Headers(secrets);
        headers.set("accept", "text/event-stream");
        headers.set("cache-control", "no-store");
        if (lastId !== "") headers.set("last-event-id", latin1(lastId));
        return fetch(url, { signal: cut.signal, headers });
      },
      catch: (error) =>
        error instanceof Deno.errors.NotCapable
          ? new NoEvents({ rule: "the process must be allowed to reach it", current: reasonOf(error) })
          : unreachable(error),
    }).pipe(Effect.onInterrupt(() => Effect.sync(() => cut.abort())));

  const connect = (lastId: string): Effect.Effect<EventConnection | null, Unreachable | NoEvents> =>
    Effect.suspend(() => {
      const cut = new AbortController();
      type Connected = Effect.Effect<EventConnection | null, Unreachable | NoEvents>;
      return Effect.flatMap(ask(lastId, cut), ({ status, headers, body }): Connected => {
        if (status === 200 && isEventStream(headers) && body !== null) {
          return Effect.succeed(connectionOf(body.getReader(), () => cut.abort()));
        }
        cut.abort();
        if (status === 204) return Effect.succeed(null);
        if (isPassing(status)) return Effect.fail(new Unreachable({ reason: `the server answers ${status}` }));
        return Effect.fail(
          status === 200
            ? new NoEvents({
              rule: 'the answer must be of type "text/event-stream"',
              current: `"${headers.get("content-type") ?? ""}"`,
            })
            : new NoEvents({ rule: "the server must answer 200", current: String(status) }),
        );
      });
    });

  const connectionOf = (reader: ReadableStreamDefaultReader<Uint8Array>, close: () => void): EventConnection => {
    const read = Effect.tryPromise({ try: () => reader.read(), catch: unreachable }).pipe(
      Effect.map(({ done, value }) => done ? null : value),
    );
    return {
      close,
      read: silenceMillisMax === null ? read : Effect.timeoutOrElse(read, {
        duration: silenceMillisMax,
        orElse: () => Effect.fail(new Unreachable({ reason: `it was silent for ${silenceMillisMax} milliseconds` })),
      }),
    };
  };
  return { shown, connect };
};

const isEventStream = (headers: Headers): boolean =>
  /^text\/event-stream\s*(;|$)/i.test(headers.get("content-type") ?? "");

/** A text whose characters are the bytes of another one in UTF-8: headers are sent as bytes. */
const latin1 = (text: string): string =>
  Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
