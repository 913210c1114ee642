/**
 * A sink that prints its rows.
 *
 * @module
 */
import { Effect } from "effect";
import { SinkError } from "../../exactly-once/errors.ts";
import type { AppendOnly, Sink } from "../../exactly-once/sink.ts";
import { utf8Bytes } from "./utf8.ts";

/** How {@link console} prints. */
export interface ConsoleOptions<A> {
  /**
   * The line for a value.
   *
   * @default {JSON on one line; text as it is.}
   */
  readonly format?: (value: NoInfer<A>) => string;
  /**
   * Where lines go.
   *
   * @default {console.log}
   */
  readonly write?: (line: string) => void;
}

/**
 * Prints a line per value. What was printed stays printed, so a crash may repeat lines: an exactly-once job refuses this
 * sink.
 *
 * @param name A stable name, unique in the job.
 *
 * @example
 * ```ts
 * import { Flow, Sink, Source } from "@weir/streams";
 *
 * const cities = Source.array("cities", [{ city: "Bern" }]);
 * const printed = Flow.from(cities).pipe(
 *   Flow.to(Sink.console("print", { format: (row) => row.city })),
 * );
 * ```
 */
export function console<A>(name: string, options: ConsoleOptions<A> = {}): Sink<A, AppendOnly> {
  const { format = oneLine, write = globalThis.console.log } = options;
  return {
    "~weir/Sink": undefined as never,
    name,
    driver: {
      kind: "append-only",
      encode: (value: A): string => format(value),
      byteLength: (line: string) => utf8Bytes(line) + 1,
      open: () =>
        Effect.succeed({
          marker: null,
          publish: ({ epoch, rows }: { readonly epoch: number; readonly rows: ReadonlyArray<string> }) =>
            Effect.try({
              try: () => {
                for (const line of rows) write(line);
              },
              catch: (cause) =>
                new SinkError({
                  message: `Cannot print epoch ${epoch} to console sink "${name}": ${String(cause)}`,
                  sink: name,
                  epoch,
                  retryable: false,
                  cause,
                }),
            }),
        }),
    },
  };
}

const oneLine = (value: unknown): string =>
  typeof value === "string"
    ? value
    : JSON.stringify(value, (_, part) => typeof part === "bigint" ? String(part) : part) ?? String(value);
