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
  /** Where it is stored. */
  readonly key: KvKey;
  /** What is stored: anything the structured clone algorithm copies. */
  readonly value: unknown;
  /** Its version. A later commit has a greater one. */
  readonly versionstamp: string;
}

/** Holds only if the key's version is still this one; `null` means that the key must be absent. */
export interface KvCheck {
  /** The key that is checked. */
  readonly key: KvKey;
  /** The version that it must have. */
  readonly versionstamp: string | null;
}

/** One change of a commit. */
export type KvMutation =
  | { readonly type: "set"; readonly key: KvKey; readonly value: unknown }
  | { readonly type: "delete"; readonly key: KvKey };

/** What one atomic commit holds: all of it is applied, or nothing. */
export interface KvCommit {
  /** What must hold. */
  readonly checks: ReadonlyArray<KvCheck>;
  /** What changes then, in this order. */
  readonly mutations: ReadonlyArray<KvMutation>;
}

/**
 * An open key-value store.
 *
 * `commit` returns the new versionstamp, or `null` when a check did not hold (nothing was applied). When it fails with
 * {@link KvError} the outcome is unknown. `list` returns entries in key order, at most `limit` of them.
 */
export interface Kv {
  /** The entry of a key, or `null`. */
  readonly get: (key: KvKey) => Effect.Effect<KvEntry | null, KvError>;
  /** The entries of several keys, in their order. */
  readonly getMany: (keys: ReadonlyArray<KvKey>) => Effect.Effect<ReadonlyArray<KvEntry | null>, KvError>;
  /** The entries of a range, in key order, at most `limit` of them. */
  readonly list: (
    range: { readonly prefix: KvKey; readonly start?: KvKey; readonly end?: KvKey },
    limit: number,
  ) => Effect.Effect<ReadonlyArray<KvEntry>, KvError>;
  /** Applies all of a commit or nothing, and returns the new versionstamp, or `null` when a check did not hold. */
  readonly commit: (commit: KvCommit) => Effect.Effect<string | null, KvError>;
}

/** Opens stores by location: a file path, or `":memory:"`. */
export interface KvProvider {
  /** Opens the store of a location. The scope closes it. */
  readonly open: (location: string) => Effect.Effect<Kv, KvError, Scope.Scope>;
}
