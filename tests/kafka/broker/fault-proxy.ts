/**
 * A proxy on loopback in front of a server, which does on demand what networks do: it delays, throttles, refuses, goes
 * silent, and breaks off in the middle of an answer.
 *
 * A broker tells its clients where to go. For clients to stay behind a proxy the broker has to advertise its port:
 * {@linkcode startBrokerBehindProxy} sees to that.
 *
 * @module
 */
import { type Broker, type BrokerOptions, startBroker } from "./broker.ts";
import { freePort, loopback } from "./ports.ts";

/** A proxy. As long as none of its faults is on it only forwards. */
export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  /** As "host:port". */
  readonly address: string;
  /** How many connections are open. */
  readonly connections: number;
  /**
   * Holds back each chunk that it reads for so many milliseconds, or for as many as it draws between two; 0 turns it off.
   * A chunk waits for the one before it, so this limits the rate too.
   */
  delay(millisMin: number, millisMax?: number): void;
  /** Forwards no more than so many bytes a second, each way of each connection; null turns it off. */
  throttle(bytesPerSecond: number | null): void;
  /** Whether new connections are refused, as by a server that is down; as of when the promise is kept. Open ones stay. */
  refuse(on: boolean): Promise<void>;
  /** Whether it takes connections and bytes and forwards nothing. What was held back is forwarded when it is turned off. */
  blackHole(on: boolean): void;
  /**
   * Breaks a connection after so many more bytes of answers, counted over all connections from now on. The promise is
   * kept when it has happened. Only the last call counts.
   */
  cutAfter(bytes: number): Promise<void>;
  /** Breaks this share of all chunks of answers off in their middle; 0 turns it off. The places are drawn from the seed. */
  cutShare(share: number): void;
  /** Breaks every open connection now, and says how many there were. */
  drop(): number;
  /** Turns every fault off. */
  heal(): Promise<void>;
}

/** How much is read at once. */
const chunkBytesMax = 65_536;

/** How much a throttled connection forwards at once, as a share of a second. */
const throttleShare = 1 / 20;

/** A sequence of numbers from 0 to below 1 that a seed decides (Mulberry32). */
const drawsOf = (seed: number): () => number => {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** Whether an error says that a connection is gone, whoever closed it. */
const isGone = (error: unknown): boolean => {
  const { BadResource, BrokenPipe, ConnectionAborted, ConnectionReset, Interrupted, NotConnected } = Deno.errors;
  return [BadResource, BrokenPipe, ConnectionAborted, ConnectionReset, Interrupted, NotConnected]
    .some((kind) => error instanceof kind);
};

const writeAll = async (to: Deno.Conn, bytes: Uint8Array): Promise<void> => {
  for (let written = 0; written < bytes.length;) written += await to.write(bytes.subarray(written));
};

/** A connection of a client and the one that goes on from it. */
class Link {
  readonly #closed = Promise.withResolvers<void>();
  isOpen = true;

  constructor(readonly client: Deno.Conn, readonly server: Deno.Conn) {}

  close(): void {
    this.isOpen = false;
    this.#closed.resolve();
    this.client[Symbol.dispose]();
    this.server[Symbol.dispose]();
  }

  /** Waits for something, but not longer than it is open. */
  async unlessClosed(promise: Promise<void>): Promise<void> {
    await Promise.race([promise, this.#closed.promise]);
  }

  /** Waits for some time, but not longer than it is open. */
  async sleep(millis: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await this.unlessClosed(new Promise((done) => timer = setTimeout(done, millis)));
    clearTimeout(timer);
  }
}

class Proxy implements FaultProxy {
  readonly port: number;
  readonly #target: number;
  readonly #draw: () => number;
  readonly #links = new Set<Link>();
  readonly #work = new Set<Promise<void>>();
  #listener: Deno.Listener | null;
  #accepting: Promise<void>;
  #delay: readonly [min: number, max: number] = [0, 0];
  #bytesPerSecond: number | null = null;
  #cutShare = 0;
  #cut: { bytes: number; readonly done: () => void } | null = null;
  #light: PromiseWithResolvers<void> | null = null;

  constructor(target: number, port: number, seed: number) {
    this.#target = target;
    this.port = port;
    this.#draw = drawsOf(seed);
    this.#listener = Deno.listen({ hostname: loopback, port });
    this.#accepting = this.#accept(this.#listener);
  }

  get address(): string {
    return `${loopback}:${this.port}`;
  }

  get connections(): number {
    return this.#links.size;
  }

  delay(millisMin: number, millisMax = millisMin): void {
    this.#delay = [millisMin, millisMax];
  }

  throttle(bytesPerSecond: number | null): void {
    this.#bytesPerSecond = bytesPerSecond;
  }

  async refuse(on: boolean): Promise<void> {
    if (on) {
      this.#listener?.close();
      this.#listener = null;
      await this.#accepting;
    } else if (this.#listener === null) {
      await this.#accepting;
      this.#listener = Deno.listen({ hostname: loopback, port: this.port });
      this.#accepting = this.#accept(this.#listener);
    }
  }

  blackHole(on: boolean): void {
    if (on) this.#light ??= Promise.withResolvers();
    else {
      this.#light?.resolve();
      this.#light = null;
    }
  }

  cutAfter(bytes: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#cut = { bytes, done: resolve };
    return promise;
  }

  cutShare(share: number): void {
    this.#cutShare = share;
  }

  drop(): number {
    const links = [...this.#links];
    for (const link of links) link.close();
    return links.length;
  }

  async heal(): Promise<void> {
    this.delay(0);
    this.throttle(null);
    this.blackHole(false);
    this.cutShare(0);
    this.#cut = null;
    await this.refuse(false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.refuse(true);
    this.drop();
    this.blackHole(false);
    await Promise.all(this.#work);
  }

  #keep(work: Promise<void>): void {
    this.#work.add(work);
    work.finally(() => this.#work.delete(work));
  }

  async #accept(listener: Deno.Listener): Promise<void> {
    for await (const client of listener) this.#keep(this.#join(client));
  }

  /** Forwards both ways until either side is gone. */
  async #join(client: Deno.Conn): Promise<void> {
    let server: Deno.Conn;
    try {
      server = await Deno.connect({ hostname: loopback, port: this.#target });
    } catch (error) {
      client[Symbol.dispose]();
      if (error instanceof Deno.errors.ConnectionRefused || isGone(error)) return;
      throw error;
    }
    const link = new Link(client, server);
    this.#links.add(link);
    // It may have been told to refuse while this one came in.
    if (this.#listener === null) link.close();
    await Promise.all([this.#forward(link, client, server, false), this.#forward(link, server, client, true)]);
    link.close();
    this.#links.delete(link);
  }

  async #forward(link: Link, from: Deno.Conn, to: Deno.Conn, isAnswer: boolean): Promise<void> {
    const buffer = new Uint8Array(chunkBytesMax);
    try {
      while (link.isOpen) {
        const slice = this.#bytesPerSecond === null
          ? chunkBytesMax
          : Math.max(1, Math.min(chunkBytesMax, Math.floor(this.#bytesPerSecond * throttleShare)));
        const read = await from.read(buffer.subarray(0, slice));
        if (read === null) return await to.closeWrite();
        const [min, max] = this.#delay;
        if (max > 0) await link.sleep(min + this.#draw() * (max - min));
        if (this.#bytesPerSecond !== null) await link.sleep(read / this.#bytesPerSecond * 1_000);
        if (this.#light !== null) await link.unlessClosed(this.#light.promise);
        if (!link.isOpen) return;
        const kept = isAnswer ? this.#keptOf(read) : read;
        await writeAll(to, buffer.subarray(0, kept));
        if (kept < read) link.close();
      }
    } catch (error) {
      link.close();
      if (!isGone(error)) throw error;
    }
  }

  /** How many bytes of a chunk of an answer are forwarded. */
  #keptOf(read: number): number {
    const cut = this.#cut;
    if (cut !== null) {
      if (cut.bytes < read) {
        this.#cut = null;
        cut.done();
        return cut.bytes;
      }
      cut.bytes -= read;
    }
    return this.#cutShare > 0 && this.#draw() < this.#cutShare ? Math.floor(this.#draw() * read) : read;
  }
}

/**
 * Starts a proxy before a server on loopback, which need not listen yet. Whatever is drawn at random depends on the seed
 * alone, and on the order in which chunks come.
 */
export const startProxy = ({ target, port = freePort(), seed = 1 }: {
  /** The port of the server. */
  readonly target: number;
  /** @default A free one */
  readonly port?: number;
  /** @default 1 */
  readonly seed?: number;
}): FaultProxy => new Proxy(target, port, seed);

/** A broker, and the proxy behind which its clients stay. */
export interface BrokerBehindProxy extends AsyncDisposable {
  /** Its `brokers` are the address of the proxy. */
  readonly broker: Broker;
  readonly proxy: FaultProxy;
}

/**
 * Starts a broker with a proxy before it, to which its metadata sends clients too.
 *
 * @throws {BrokerUnavailable} If it cannot be started here
 */
export const startBrokerBehindProxy = async (
  { seed = 1, ...options }: BrokerOptions & { readonly seed?: number } = {},
): Promise<BrokerBehindProxy> => {
  const port = options.port ?? freePort();
  const proxy = startProxy({
    target: port,
    seed,
    ...(options.advertisedPort === undefined ? {} : { port: options.advertisedPort }),
  });
  try {
    const broker = await startBroker({ ...options, port, advertisedPort: proxy.port });
    const end = async () => {
      await proxy[Symbol.asyncDispose]();
      await broker[Symbol.asyncDispose]();
    };
    return { broker, proxy, [Symbol.asyncDispose]: end };
  } catch (error) {
    await proxy[Symbol.asyncDispose]();
    throw error;
  }
};
