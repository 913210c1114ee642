/**
 * The nodes of a flow's graph: what the user composed, before it is laid out onto actors.
 *
 * A flow is a value: used twice, it is one node with two consumers.
 *
 * @module
 */
import type { Effect } from "effect";
import type { End, Sink } from "../exactly-once/sink.ts";
import type { Key } from "../kv-state/key.ts";
import type { Aggregate, ObjectCodec } from "../windows/aggregate.ts";
import type { Assigner, SlidingAssigner } from "../windows/assigner.ts";
import type { TriggerRule } from "../windows/trigger.ts";
import type { WatermarkStrategy } from "../windows/watermark.ts";
import type { Source } from "./source.ts";

/** A source's records as they come. */
export interface SourceNode {
  readonly _tag: "Source";
  readonly source: Source<unknown, unknown, unknown, unknown>;
}

/** One value for one. */
export interface MapNode {
  readonly _tag: "Map";
  readonly input: Node;
  readonly f: (value: unknown) => unknown;
}

/** Some of the values. */
export interface FilterNode {
  readonly _tag: "Filter";
  readonly input: Node;
  readonly f: (value: unknown) => boolean;
}

/** Any number of values for one. */
export interface FlatMapNode {
  readonly _tag: "FlatMap";
  readonly input: Node;
  readonly f: (value: unknown) => Iterable<unknown>;
}

/** One value for one, by an Effect. */
export interface MapEffectNode {
  readonly _tag: "MapEffect";
  readonly input: Node;
  readonly f: (value: unknown) => Effect.Effect<unknown, unknown, unknown>;
  readonly concurrency: number;
}

/** Stamps event time and makes watermarks. */
export interface EventTimeNode {
  readonly _tag: "EventTime";
  readonly input: Node;
  readonly timestamp: (value: unknown) => number;
  readonly watermark: WatermarkStrategy;
  /** After which silence a split is idle, in milliseconds; null where silent splits are waited for. */
  readonly idleAfter: number | null;
  /** How far a split may be ahead of the others, in milliseconds; null for no bound. */
  readonly maxDrift: number | null;
}

/** Gives each record a key. */
export interface KeyByNode {
  readonly _tag: "KeyBy";
  readonly input: Node;
  readonly f: (value: unknown) => Key;
}

/**
 * What the panes of a window have to do with each other: each says everything so far (`"accumulating"`), each says only
 * what has come since the one before (`"discarding"`), or each says everything and takes back what the one before said
 * (`"retracting"`).
 */
export type Panes = "accumulating" | "discarding" | "retracting";

/** Aggregates by key and window. Its late records come out of `late`. */
export interface WindowNode {
  readonly _tag: "Window";
  readonly name: string;
  readonly input: Node;
  readonly assigner: Assigner<unknown>;
  readonly aggregate: Aggregate<unknown, unknown>;
  readonly trigger: TriggerRule;
  readonly panes: Panes;
  readonly allowedLateness: number;
  /** The side output and the sinks it ends in; null where late records are dropped. */
  readonly late: { readonly side: SideNode; readonly ends: ReadonlyArray<SinkNode> } | null;
}

/** Folds records that a window will add, before they are routed to it. */
export interface PreAggregateNode {
  readonly _tag: "PreAggregate";
  /** The name of the window. */
  readonly name: string;
  readonly input: Node;
  readonly assigner: SlidingAssigner;
  readonly aggregate: Aggregate<unknown, unknown>;
}

/** Lets one of several close records of a key through. Its late records come out of `late`. */
export interface DeduplicateNode {
  readonly _tag: "Deduplicate";
  readonly name: string;
  readonly input: Node;
  /** How far duplicates are apart at most, in milliseconds. */
  readonly within: number;
  /** How values are stored where the last of them goes on; null where the first does. */
  readonly stored: ObjectCodec | null;
  /** What its state depends on. */
  readonly description: string;
  readonly late: { readonly side: SideNode; readonly ends: ReadonlyArray<SinkNode> } | null;
}

/** Ranks the records of a key. */
export interface TopNNode {
  readonly _tag: "TopN";
  readonly name: string;
  readonly input: Node;
  readonly n: number;
  readonly by: (value: unknown) => number;
  readonly id: (value: unknown) => Key;
  /** How many entries of a key are kept; Infinity for all. */
  readonly entriesMax: number;
  readonly stored: ObjectCodec;
  /** What its state depends on. */
  readonly description: string;
}

/** A second output of an operator, such as its late records. */
export interface SideNode {
  readonly _tag: "Side";
  /** The operator; set as soon as it exists, which is after the flow of the side output was composed. */
  owner: OnErrorNode | WindowNode | DeduplicateNode | BranchNode | null;
}

/** Handles the errors of the flow so far. */
export interface OnErrorNode {
  readonly _tag: "OnError";
  readonly input: Node;
  readonly defects: boolean;
  readonly handling: "fail" | "drop" | { readonly side: SideNode; readonly ends: ReadonlyArray<SinkNode> };
}

/** Records of several flows, as they come. */
export interface MergeNode {
  readonly _tag: "Merge";
  readonly inputs: ReadonlyArray<Node>;
}

/** Sends each record to the first case that it matches. */
export interface BranchNode {
  readonly _tag: "Branch";
  readonly input: Node;
  readonly cases: ReadonlyArray<{ readonly f: (value: unknown) => boolean; readonly side: SideNode }>;
  readonly otherwise: SideNode;
}

/** Where a flow ends. */
export interface SinkNode {
  readonly _tag: "Sink";
  readonly input: Node;
  readonly sink: Sink<unknown, End>;
}

/** An operator of a flow's graph. */
export type Node =
  | SourceNode
  | MapNode
  | FilterNode
  | FlatMapNode
  | MapEffectNode
  | EventTimeNode
  | KeyByNode
  | PreAggregateNode
  | WindowNode
  | DeduplicateNode
  | TopNNode
  | SideNode
  | OnErrorNode
  | MergeNode
  | BranchNode
  | SinkNode;
