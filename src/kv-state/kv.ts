/**
 * The storage port: the few things that Weir asks of a key-value store, so that Deno KV, an in-memory model and a
 * fault-injecting wrapper are interchangeable.
 *
 * @module
 */
import type { Effect, Scope } from "effect";
import type { KvError } from "./errors.ts";

/** A key: a path of parts, ordered as Deno KV orders them. */
export type KvKey = ReadonlyArray<string | number>;

/** A stored value with the version that a later {@link KvCheck} can name. */
export interface KvEntry {
  readonly key: KvKey;
  readonly value: unknown;
  readonly versionstamp: string;
}

/** Holds only if the key's version is still this one; `null` means that the key must be absent. */
export interface KvCheck {
  readonly key: KvKey;
  readonly versionstamp: string | null;
}

/** One change of a commit. */
export type KvMutation =
  | { readonly type: "set"; readonly key: KvKey; readonly value: unknown }
  | { readonly type: "delete"; readonly key: KvKey };

/** What one atomic commit holds: all of it is applied, or nothing. */
export interface KvCommit {
  readonly checks: ReadonlyArray<KvCheck>;
  readonly mutations: ReadonlyArray<KvMutation>;
}

/**
 * An open key-value store.
 *
 * `commit` returns the new versionstamp, or `null` when a check did not hold (nothing was applied). When it fails with
 * {@link KvError} the outcome is unknown. `list` returns entries in key order, at most `limit` of them.
 */
export interface Kv {
  readonly get: (key: KvKey) => Effect.Effect<KvEntry | null, KvError>;
  readonly getMany: (keys: ReadonlyArray<KvKey>) => Effect.Effect<ReadonlyArray<KvEntry | null>, KvError>;
  readonly list: (
    range: { readonly prefix: KvKey; readonly start?: KvKey; readonly end?: KvKey },
    limit: number,
  ) => Effect.Effect<ReadonlyArray<KvEntry>, KvError>;
  readonly commit: (commit: KvCommit) => Effect.Effect<string | null, KvError>;
}

/** Opens stores by location: a file path, or `":memory:"`. */
export interface KvProvider {
  readonly open: (location: string) => Effect.Effect<Kv, KvError, Scope.Scope>;
}
