/**
 * Copies the graph of a job with other sources and sinks in the places of its own, so that the same operators can be fed
 * and watched by a test.
 *
 * @module
 */
import type { End, Sink } from "../exactly-once/sink.ts";
import type { MapEffectNode, Node, SideNode, SinkNode } from "./node.ts";
import type { Source } from "./source.ts";

/** What takes the place of each source and each sink of a job. */
export interface Replacements {
  readonly source: (source: Source<unknown, unknown, unknown, unknown>) => Source<unknown, unknown, unknown, unknown>;
  readonly sink: (sink: Sink<unknown, End>) => Sink<unknown, End>;
  /** Default: functions with an Effect stay as they are. */
  readonly effect?: (f: MapEffectNode["f"]) => MapEffectNode["f"];
}

/** What is written while a node is copied: the copy is there before what it refers to, as side outputs lead back. */
type Draft = { -readonly [Name in keyof Node]: Node[Name] } & Record<string, unknown>;

/** Copies everything that leads to some sinks. A source or sink that is used twice is replaced once. */
export const copyGraph = (
  ends: ReadonlyArray<SinkNode>,
  { source, sink, effect }: Replacements,
): ReadonlyArray<SinkNode> => {
  const copies = new Map<Node, Node>();
  const once = <A>(replace: (original: A) => A): (original: A) => A => {
    const replaced = new Map<A, A>();
    return (original) => {
      if (!replaced.has(original)) replaced.set(original, replace(original));
      return replaced.get(original)!;
    };
  };
  const replaceSource = once(source);
  const replaceSink = once(sink);
  const output = <O extends { readonly side: SideNode; readonly ends: ReadonlyArray<SinkNode> }>(output: O): O => ({
    ...output,
    side: copy(output.side),
    ends: output.ends.map(copy),
  });
  const copy = <N extends Node>(node: N): N => {
    const known = copies.get(node);
    if (known !== undefined) return known as N;
    const draft = { ...node } as unknown as Draft;
    copies.set(node, draft as unknown as Node);
    switch (node._tag) {
      case "Source":
        draft.source = replaceSource(node.source);
        break;
      case "Merge":
        draft.inputs = node.inputs.map(copy);
        break;
      case "Side":
        draft.owner = copy(node.owner!);
        break;
      default:
        draft.input = copy(node.input);
    }
    if (node._tag === "Sink") draft.sink = replaceSink(node.sink);
    if (node._tag === "MapEffect" && effect !== undefined) draft.f = effect(node.f);
    if ((node._tag === "Window" || node._tag === "Deduplicate") && node.late !== null) draft.late = output(node.late);
    if (node._tag === "OnError" && typeof node.handling === "object") draft.handling = output(node.handling);
    if (node._tag === "Branch") {
      draft.cases = node.cases.map(({ f, side }) => ({ f, side: copy(side) }));
      draft.otherwise = copy(node.otherwise);
    }
    return draft as unknown as N;
  };
  return ends.map(copy);
};
