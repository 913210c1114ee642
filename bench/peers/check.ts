/**
 * Whether Weir and Flink give the same rows, at small scale.
 *
 * @module
 */
import { measureInChild } from "../measure/child.ts";
import { flinkCommand } from "./flink.ts";

/** How many rows there were, and their digest. */
export interface Rows {
  readonly results: number;
  readonly digest: number;
}

/** What both said to a query. */
export interface Verdict {
  readonly query: string;
  readonly weir: Rows;
  readonly flink: Rows;
}

/** What is compared: a thousand seconds of event time, in which even the longest windows end. */
const checked = ["--mode=check", "--events=20000", "--events-per-second=20"];

const timeoutMillis = 120_000;

/** The rows of queries on Flink, by their names. They run in one process. */
export const rowsOnFlink = async (
  queries: ReadonlyArray<string>,
  options: ReadonlyArray<string>,
): Promise<ReadonlyMap<string, Rows>> => {
  const command = await flinkCommand([
    `--query=${queries.join(",")}`,
    "--mode=check",
    "--epoch-millis=100",
    ...options,
  ]);
  const measured = await measureInChild(command, { pinned: false, timeoutMillis }) as ReadonlyArray<
    Rows & { readonly query: string }
  >;
  return new Map(measured.map(({ query, results, digest }) => [query, { results, digest }]));
};

/** Runs queries on both, on Weir with a crash in the middle. */
export const checkPeers = async (queries: ReadonlyArray<string>): Promise<ReadonlyArray<Verdict>> => {
  const onFlink = await rowsOnFlink(queries, checked);
  const verdicts: Array<Verdict> = [];
  for (const query of queries) {
    const command = ["deno", "run", "-P=nexmark", "--no-prompt", "--quiet", "bench/nexmark/run-query.ts"];
    const { results, digest } = await measureInChild([...command, `--query=${query}`, ...checked], {
      pinned: false,
      timeoutMillis,
    }) as Rows;
    verdicts.push({ query, weir: { results, digest }, flink: onFlink.get(query)! });
  }
  return verdicts;
};
