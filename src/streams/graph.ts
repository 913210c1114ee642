/**
 * The graph of a job: every node that its sinks need, who consumes what, and on which stage each operator runs.
 *
 * A stage is one actor or, where records are grouped by key, one actor for each keyed partition. Operators of one stage
 * are fused. A new stage begins where records are grouped, where an Effect is awaited, and where outputs of different
 * stages meet.
 *
 * @module
 */
import { keyHash } from "../kv-state/key.ts";
import { describeAssigner } from "../windows/assigner.ts";
import { describeTrigger } from "../windows/trigger.ts";
import { InvalidJob } from "./errors.ts";
import type {
  DeduplicateNode,
  EventTimeNode,
  MapEffectNode,
  MergeNode,
  Node,
  OnErrorNode,
  SinkNode,
  SourceNode,
  TopNNode,
  WindowNode,
} from "./node.ts";

/** One actor, or one for each keyed partition. */
export interface Stage {
  readonly kind: "ingest" | "single" | "keyed";
  readonly index: number;
  /** How many stages are between a source and this one at most. */
  depth: number;
  /** The stateful operators or the Effect that made the stage necessary, for people to read. */
  name: string;
}

/** Records of a node on their way from one stage to another. */
export interface Edge {
  readonly node: Node;
  readonly from: Stage;
  readonly to: Stage;
}

/** A consumer of a node's output. */
export interface Consumer {
  readonly node: Node;
  /** Which of the consumer's inputs it is. */
  readonly input: number;
}

/** A job's graph, laid out onto stages. */
export interface Graph {
  readonly nodes: ReadonlyArray<Node>;
  readonly sources: ReadonlyArray<SourceNode>;
  readonly sinks: ReadonlyArray<SinkNode>;
  readonly stages: ReadonlyArray<Stage>;
  readonly edges: ReadonlyArray<Edge>;
  readonly inputsOf: (node: Node) => ReadonlyArray<Node>;
  readonly stageOf: (node: Node) => Stage;
  readonly consumersOf: (node: Node) => ReadonlyArray<Consumer>;
  /** A name that is the same in every run of the same code. */
  readonly nameOf: (node: Node) => string;
  /** The sources whose records reach a node. */
  readonly sourcesOf: (node: Node) => ReadonlySet<SourceNode>;
}

const inputsOf = (node: Node): ReadonlyArray<Node> => {
  switch (node._tag) {
    case "Source":
      return [];
    case "Merge":
      return node.inputs;
    case "Side":
      return [node.owner!];
    default:
      return [node.input];
  }
};

/** The sinks in which a node's side output ends. */
const sideEndsOf = (node: Node): ReadonlyArray<SinkNode> => {
  if ((node._tag === "Window" || node._tag === "Deduplicate") && node.late !== null) return node.late.ends;
  if (node._tag === "OnError" && typeof node.handling === "object") return node.handling.ends;
  return [];
};

/** Finds every node that some sinks need, inputs before their consumers. */
const collect = (ends: ReadonlyArray<SinkNode>): ReadonlyArray<Node> => {
  const found = new Set<Node>();
  const later: Array<Node> = [...ends];
  const visit = (node: Node): void => {
    if (found.has(node)) return;
    for (const input of inputsOf(node)) visit(input);
    if (found.has(node)) return;
    found.add(node);
    later.push(...sideEndsOf(node));
  };
  for (let node = later.shift(); node !== undefined; node = later.shift()) visit(node);
  return [...found];
};

/** Names are written into keys of the state; "#" sets an operator's tables apart. */
const checkNames = (job: string, kind: string, names: ReadonlyArray<string>): void => {
  const seen = new Set<string>();
  for (const name of names) {
    const rule = name === ""
      ? "a name must not be empty"
      : name.includes("#")
      ? 'a name must not contain "#"'
      : seen.has(name)
      ? `two ${kind}s must not have one name`
      : null;
    if (rule !== null) {
      throw new InvalidJob({
        message: `Cannot make job "${job}" as ${rule}: current value is "${name}" of a ${kind}`,
        job,
        rule,
      });
    }
    seen.add(name);
  }
};

/** Lays a job's flows out onto stages. */
export const layOut = (job: string, ends: ReadonlyArray<SinkNode>): Graph => {
  const nodes = collect(ends);
  const of = <Tag extends Node["_tag"]>(tag: Tag): Array<Extract<Node, { readonly _tag: Tag }>> =>
    nodes.filter((node): node is Extract<Node, { readonly _tag: Tag }> => node._tag === tag);
  const sources = of("Source");
  const sinks = of("Sink");
  const windows: ReadonlyArray<WindowNode> = of("Window");
  checkNames(job, "job", [job]);
  checkNames(job, "source", [...new Set(sources.map(({ source }) => source))].map((source) => source.name));
  checkNames(job, "sink", [...new Set(sinks.map(({ sink }) => sink))].map((sink) => sink.name));
  checkNames(job, "window", windows.map((window) => window.name));
  // Their state is found by name, whatever they are.
  const keyedOperators = nodes.filter(isKeyedOperator);
  checkNames(job, "keyed operator", keyedOperators.map((operator) => operator.name));

  const consumers = new Map<Node, Array<Consumer>>(nodes.map((node) => [node, []]));
  for (const node of nodes) {
    inputsOf(node).forEach((input, k) => {
      if (node._tag !== "Side") consumers.get(input)!.push({ node, input: k });
    });
  }

  const names = new Map<Node, string>();
  const name = (list: ReadonlyArray<Node>, nameIt: (k: number) => string): void =>
    list.forEach((node, k) => names.set(node, nameIt(k)));
  for (const operator of keyedOperators) names.set(operator, operator.name);
  name(of("EventTime") as ReadonlyArray<EventTimeNode>, (k) => `eventTime#${k}`);
  name(of("Merge") as ReadonlyArray<MergeNode>, (k) => `merge#${k}`);
  name(of("OnError") as ReadonlyArray<OnErrorNode>, (k) => `onError#${k}`);
  name(of("MapEffect") as ReadonlyArray<MapEffectNode>, (k) => `mapEffect#${k}`);
  for (const tag of ["Map", "Filter", "FlatMap", "KeyBy", "Branch"] as const) {
    name(of(tag), (k) => `${tag[0].toLowerCase()}${tag.slice(1)}#${k}`);
  }

  const ingest: Stage = { kind: "ingest", index: 0, depth: 0, name: "ingest" };
  const stages: Array<Stage> = [ingest];
  const edges: Array<Edge> = [];
  const placed = new Map<Node, Stage>();
  const keyedBy = new Map<Node, Stage>();
  const gathered = new Map<Node, Stage>();
  const addStage = (kind: Stage["kind"], name: string): Stage => {
    const stage: Stage = { kind, index: stages.length, depth: 0, name };
    stages.push(stage);
    return stage;
  };
  const addEdge = (node: Node, from: Stage, to: Stage): void => {
    to.depth = Math.max(to.depth, from.depth + 1);
    if (!edges.some((edge) => edge.node === node && edge.from === from && edge.to === to)) {
      edges.push({ node, from, to });
    }
  };

  /** The operator of a stage whose results a node passes on: one that may fire, or else where the records come in. */
  const emitterOf = (node: Node, stage: Stage): Node => {
    if (isKeyedOperator(node)) return node;
    const [input] = inputsOf(node);
    return placed.get(input) === stage ? emitterOf(input, stage) : node;
  };

  /** Whether the keys of a node's records are those by which its stage is partitioned. */
  const keepsKeys = (node: Node, stage: Stage): boolean => {
    if (placed.get(node) !== stage || node._tag === "KeyBy") return false;
    return isKeyedOperator(node) || (node._tag !== "Side" && inputsOf(node).every((input) => keepsKeys(input, stage)));
  };

  /** The stage in which the outputs of several stages, or of all partitions of one, come together. */
  const gather = (node: Node, name: string): Stage => {
    const from = placed.get(node)!;
    if (from.kind !== "keyed") return from;
    let stage = gathered.get(node);
    if (stage === undefined) {
      stage = addStage("single", name);
      gathered.set(node, stage);
      addEdge(node, from, stage);
    }
    return stage;
  };

  const place = (node: Node): Stage => {
    switch (node._tag) {
      case "Source":
        return ingest;
      case "EventTime":
        // A keyed partition sees some of the records only: its watermark would be one of its own.
        return gather(node.input, names.get(node)!);
      case "PreAggregate": {
        const from = placed.get(node.input)!;
        // Behind a window of the same key records stay where they are.
        return from.kind === "keyed" && keepsKeys(node.input, from)
          ? from
          : gather(node.input, `gather for ${node.name}`);
      }
      case "Window":
      case "Deduplicate":
      case "TopN": {
        const from = placed.get(node.input)!;
        if (from.kind === "keyed" && keepsKeys(node.input, from)) {
          from.name += `, ${node.name}`;
          return from;
        }
        let stage = keyedBy.get(node.input);
        if (stage === undefined) {
          const single = gather(node.input, `gather for ${node.name}`);
          stage = addStage("keyed", node.name);
          keyedBy.set(node.input, stage);
          addEdge(node.input, single, stage);
        } else {
          stage.name += `, ${node.name}`;
        }
        return stage;
      }
      case "MapEffect": {
        const stage = addStage("single", names.get(node)!);
        addEdge(node.input, placed.get(node.input)!, stage);
        return stage;
      }
      case "Merge": {
        const from = new Set(node.inputs.map((input) => placed.get(input)!));
        const [only] = from;
        // Operators of one partition fire one after the other: only ordinals say whose results come first.
        const emitters = new Set(node.inputs.map((input) => emitterOf(input, only)));
        if (from.size === 1 && (only.kind !== "keyed" || emitters.size === 1)) return only;
        const stage = addStage("single", names.get(node)!);
        for (const input of node.inputs) addEdge(input, placed.get(input)!, stage);
        return stage;
      }
      default:
        return placed.get(inputsOf(node)[0])!;
    }
  };
  for (const node of nodes) placed.set(node, place(node));

  const reached = new Map<Node, ReadonlySet<SourceNode>>();
  for (const node of nodes) {
    reached.set(
      node,
      node._tag === "Source" ? new Set([node]) : new Set(inputsOf(node).flatMap((input) => [...reached.get(input)!])),
    );
  }
  return {
    nodes,
    sources,
    sinks,
    stages,
    edges,
    inputsOf,
    stageOf: (node) => placed.get(node)!,
    consumersOf: (node) => consumers.get(node)!,
    nameOf: (node) => names.get(node) ?? node._tag,
    sourcesOf: (node) => reached.get(node)!,
  };
};

/** Whether a node is an operator that keeps state by key, under a name of its own. */
const isKeyedOperator = (node: Node): node is WindowNode | DeduplicateNode | TopNNode =>
  node._tag === "Window" || node._tag === "Deduplicate" || node._tag === "TopN";

const describeWindow = ({ assigner, aggregate, allowedLateness, trigger, panes }: WindowNode): string =>
  `${describeAssigner(assigner)} lateness=${allowedLateness} ${describeTrigger(trigger)} ${panes} ` +
  aggregate.fingerprint;

/** What the state of each stateful operator depends on, in words: state written under other words is not read. */
export const fingerprintsOf = (graph: Graph): Readonly<Record<string, string>> => {
  const fingerprints: Record<string, string> = {};
  for (const node of graph.nodes) {
    if (node._tag === "EventTime" || node._tag === "Merge") {
      // Their names count them up, so that what reaches them tells whether a name still means the same operator.
      const sources = [...graph.sourcesOf(node)].map(({ source }) => source.name).sort();
      fingerprints[graph.nameOf(node)] = `${node._tag} of ${inputsOf(node).length} from ${sources.join(", ")}`;
    }
    if (!isKeyedOperator(node)) continue;
    const described = node._tag === "Window" ? describeWindow(node) : node.description;
    // Schemas can be long: the readable beginning is kept, and a hash of the rest.
    fingerprints[node.name] = described.length <= fingerprintCharactersMax
      ? described
      : `${described.slice(0, fingerprintCharactersMax)}… ${keyHash(described).toString(16)}`;
  }
  return fingerprints;
};

/** How many characters of an operator's description the manifest keeps. */
const fingerprintCharactersMax = 256;
