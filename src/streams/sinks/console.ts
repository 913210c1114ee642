/**
 * A sink that prints its rows to standard output.
 *
 * @module
 */
import { Effect } from "effect";
import { SinkError } from "../../exactly-once/errors.ts";
import type { AppendOnly, Sink } from "../../exactly-once/sink.ts";
import { errorWords } from "../../windows/error-words.ts";
import { printLines } from "./standard-output.ts";
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
   * Where lines go instead.
   *
   * @default {undefined} Standard output: an epoch at a time, and no faster than it is read.
   */
  readonly write?: (line: string) => void;
}

/**
 * Prints a line per value to standard output. What was printed stays printed, so a crash may repeat lines: an exactly-once
 * job refuses this sink.
 *
 * The job waits while standard output is not read, as in a pipe whose next program is busy. When nobody reads it any more
 * (`| head -1`), the job fails with a `SinkError` whose cause is a `Deno.errors.BrokenPipe`; `Job.main` then ends without
 * another word, and with exit code 0.
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
  const { format = oneLine, write } = options;
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
            (write === undefined ? printLines(rows) : Effect.try({
              try: () => {
                for (const line of rows) write(line);
              },
              catch: (thrown) => ({ thrown }),
            })).pipe(Effect.mapError(({ thrown }) => failureOf(name, epoch, thrown))),
        }),
    },
  };
}

const failureOf = (sink: string, epoch: number, cause: unknown): SinkError =>
  new SinkError({
    message: `Cannot print epoch ${epoch} to console sink "${sink}": ${errorWords(cause)}`,
    sink,
    epoch,
    retryable: false,
    cause,
  });

const oneLine = (value: unknown): string =>
  typeof value === "string"
    ? value
    : JSON.stringify(value, (_, part) => typeof part === "bigint" ? String(part) : part) ?? String(value);
