/**
 * The contract between the engine and a sink: how the output of an epoch becomes visible.
 *
 * A sink is like a letterbox that must never hold the same letter twice. A *transactional* sink remembers the number of
 * the last bundle it took, in the same transaction as the letters; an *idempotent* one files each letter under its own
 * name, so a second copy changes nothing; an *append-only* one just takes what comes.
 *
 * @module
 */
import type { Effect, Scope } from "effect";
import type { SinkError, SinkOpenError } from "./errors.ts";

/** The sink stores the epoch in the same transaction as the data: publishing it twice is refused. */
export interface Transactional {
  /** What a type error about it ends in. */
  readonly end: "transactional";
}
/** Writing a row twice gives the same row; a reader may see part of an epoch while it is being published. */
export interface Idempotent {
  /** What a type error about it ends in. */
  readonly end: "idempotent";
}
/** Each write shows at once and for ever, so a crash may repeat it. */
export interface AppendOnly {
  /** What a type error about it ends in. */
  readonly end: "append-only: it may repeat output, which guarantee at-least-once allows";
}
/** A source that cannot be read again from a recorded position: what was in flight is lost in a crash. */
export interface LiveOnly {
  /** What a type error about it ends in. */
  readonly end: "live source: it cannot replay, which guarantee at-most-once allows";
}
/**
 * A source whose records come again until they are acknowledged, but not from a recorded position: a record whose
 * acknowledgement was lost on its way comes twice.
 */
export interface Acknowledged {
  /** What a type error about it ends in. */
  readonly end: "acknowledged source: what got no answer is sent again, which guarantee at-least-once allows";
}
/** What a flow is attached to: its sinks' kinds, and whether a source of it cannot replay. */
export type End = Transactional | Idempotent | AppendOnly | LiveOnly | Acknowledged;

/** How much a sink has taken: a number of rows, and their bytes as {@link SinkDriver.byteLength} counts them. */
export interface SinkOffset {
  /** How many rows. */
  readonly rows: number;
  /** How many bytes. */
  readonly bytes: number;
}

/** One epoch's rows for one sink, in their final order. */
export interface Publication<out Row> {
  /** The epoch, counted from 1. Epochs without output for this sink are not published. */
  readonly epoch: number;
  /** The rows, in the order in which they are to be seen. */
  readonly rows: ReadonlyArray<Row>;
  /** How much this sink had taken before this epoch. */
  readonly offset: SinkOffset;
}

/** What a sink is told when it is opened. */
export interface SinkContext {
  /** The name of the job. */
  readonly job: string;
  /** A random id made at the job's first start, so that a sink can tell two jobs of one name apart. */
  readonly lineage: string;
  /** The claim under which this process owns the job. A later claim is a different string. */
  readonly claim: string;
  /** The last epoch recorded as published to this sink; 0 when none was. */
  readonly published: number;
  /** How much the sink has taken up to and including `published`. */
  readonly publishedOffset: SinkOffset;
  /** The last epoch that the manifest holds. A sink that is ahead of it fails with `StateBehindOutput`. */
  readonly committed: number;
  /** How much the sink will have taken once every committed epoch is published. */
  readonly committedOffset: SinkOffset;
  /**
   * Fails if another process has claimed the job, or if that cannot be found out. A sink that shuts out its earlier owners
   * looks at it before it does so, lest an owner that has lost its claim shuts out the rightful one, and again behind it.
   */
  readonly checkClaim: Effect.Effect<void, SinkError>;
}

/** The output of an epoch that was committed, and may never have reached the sink as a whole. */
export interface ForfeitedOutput {
  /** The epoch, counted from 1. */
  readonly epoch: number;
  /** How many rows it had for this sink. */
  readonly rows: number;
  /** How many bytes they take in the sink. */
  readonly bytes: number;
  /** How much this sink had taken before this epoch. */
  readonly offset: SinkOffset;
}

/** An open sink. `publish` is called with ascending epochs, one call at a time. */
export interface SinkWriter<in Row> {
  /**
   * The last epoch that the sink itself knows to be visible, read when it was opened, or `null` if the sink keeps no
   * marker. Epochs up to it are not published again.
   */
  readonly marker: number | null;
  /** Makes the rows of an epoch visible, and has stored them for good when it succeeds. */
  readonly publish: (publication: Publication<Row>) => Effect.Effect<void, SinkError>;
  /**
   * Leaves the sink readable where the rows of an epoch are missing: under at-most-once they are gone when the process
   * died while it published them. Only sinks that rely on their offsets need it. It may be
   * called more than once for an epoch, and for one that is visible after all.
   */
  readonly forfeit?: (lost: ForfeitedOutput) => Effect.Effect<void, SinkError>;
}

/** A file that a sink writes. */
export interface SinkFile {
  /** Where it is. */
  readonly path: string;
  /** Whether other sinks that share it, too, may write it. */
  readonly shared: boolean;
}

/** What the engine needs of a sink, whatever the type of its rows. */
export interface SinkDriver<in A, in out Row> {
  /** How an epoch becomes visible: the same as the sink's type says. */
  readonly kind: "transactional" | "idempotent" | "append-only";
  /**
   * Turns a value into the row to store: something the structured clone algorithm can copy. Synchronous; what it throws
   * is an error of the job with the record's coordinates.
   */
  readonly encode: (value: A) => Row;
  /** The bytes a row takes in the sink. It bounds the outbox, and is exact where the sink relies on its offsets. */
  readonly byteLength: (row: Row) => number;
  /**
   * The file that the sink writes, if it writes one. A job in which another sink, or the job's state, has the same file is
   * refused, unless both sinks share it.
   */
  readonly file?: SinkFile | undefined;
  /** Opens the sink, so that whoever wrote it before cannot write any more. The scope closes it. */
  readonly open: (
    context: SinkContext,
  ) => Effect.Effect<SinkWriter<Row>, SinkOpenError, Scope.Scope>;
}

/**
 * Where a flow ends.
 *
 * `A` is what it takes; `S` states how an epoch becomes visible, and a job's guarantee is checked against it.
 */
export interface Sink<in A, out S extends End> {
  /** Exists for the compiler alone. */
  readonly "~weir/Sink": { readonly end: S };
  /** A stable name, unique in the job: the outbox and the published epoch are recorded under it. */
  readonly name: string;
  /** What the engine asks of it. */
  // deno-lint-ignore no-explicit-any -- a sink hides the type of its rows
  readonly driver: SinkDriver<A, any>;
}
