/**
 * The assembly: makes the operators of one run from a job's graph, wires them up, and hands out the actors.
 *
 * @module
 */
import { Effect } from "effect";
import type { ActorInput, ActorOptions } from "../actors/actor.ts";
import { Exchange } from "../actors/exchange.ts";
import { HotKeys } from "../actors/hot-keys.ts";
import { Mailbox } from "../actors/mailbox.ts";
import { type Marks, noMarks } from "../actors/marks.ts";
import type { Barrier, Batch } from "../actors/message.ts";
import { type Delivery, replay } from "../actors/replay.ts";
import { batchOf, type BatchReceiver, broadcast, type Letter, type Receiver } from "../actors/receiver.ts";
import { reasonOf, type SplitName, TaskContext } from "../actors/task-context.ts";
import type { EpochShare, SinkShare } from "../exactly-once/epoch-collector.ts";
import type { Delta } from "../kv-state/delta.ts";
import { usesClock } from "../windows/trigger.ts";
import { UserCodeError } from "./errors.ts";
import type { Edge, Graph, Stage } from "./graph.ts";
import type { MapEffectNode, Node, OnErrorNode, WindowNode } from "./node.ts";
import { CountWindowOperator } from "./operators/count-window.ts";
import { DeduplicateOperator } from "./operators/deduplicate.ts";
import { EventTimeOperator } from "./operators/event-time.ts";
import { KeyedWindowOperator } from "./operators/keyed-window.ts";
import { mapEffectBatch } from "./operators/map-effect.ts";
import { type Follows, MergeOperator } from "./operators/merge.ts";
import { OnErrorOperator, userCodeError } from "./operators/on-error.ts";
import { PreAggregateOperator } from "./operators/pre-aggregate.ts";
import { type OutputGauge, SinkOperator } from "./operators/sink.ts";
import { SlidingWindowOperator } from "./operators/sliding-window.ts";
import type { Stateful } from "./operators/stateful.ts";
import { branchReceiver, filterReceiver, flatMapReceiver, keyByReceiver, mapReceiver } from "./operators/stateless.ts";
import { TopNOperator } from "./operators/top-n.ts";
import { takeDeltas } from "./operators/take-deltas.ts";
import { UnroutedOperator } from "./operators/unrouted.ts";
import { WindowEmitter } from "./operators/window-emitter.ts";
import { isSaidOnce } from "./said-once.ts";

/** One actor of a running job: a stage, or one keyed partition of it. */
export interface Task {
  readonly stage: Stage;
  /** The keyed partition; 0 where the stage has but one actor. */
  readonly partition: number;
  readonly context: TaskContext;
  readonly statefuls: ReadonlyArray<Stateful>;
  readonly mailboxes: ReadonlyArray<Mailbox>;
  readonly exchanges: ReadonlyArray<Exchange>;
  /** What the task did since the last call. */
  readonly takeShare: () => EpochShare;
  readonly onThrow: (thrown: unknown) => UserCodeError;
  /** How the task runs as an actor; the ingest has a loop of its own. */
  readonly actor: (onBarrier: (barrier: Barrier) => void) => ActorOptions<UserCodeError, unknown>;
}

/** All actors of a running job, and what the ingest needs beside. */
export interface Assembly {
  readonly tasks: ReadonlyArray<Task>;
  readonly ingest: Task;
  /** Where the records of each source enter, and which splits it has. */
  readonly entries: ReadonlyArray<SourceEntry>;
  /** The event times that the ingest itself stamps. */
  readonly eventTimes: ReadonlyArray<EventTimeOperator>;
  /** Every event time, also those behind an Effect. */
  readonly allEventTimes: ReadonlyArray<EventTimeOperator>;
  /** The silences after which somebody takes a split for idle, by the number of the split, in milliseconds. */
  readonly silenceLengths: ReadonlyArray<ReadonlyArray<number>>;
  /** Whether a window looks at the clock. */
  readonly usesClock: boolean;
  readonly gauge: OutputGauge;
  /** What is known of the keys that are sent to each stage. */
  readonly hotKeys: ReadonlyMap<Stage, HotKeys>;
}

/** Where a source enters a job. */
export interface SourceEntry {
  readonly receiver: Receiver;
  /** How the receiver takes records at once; null where it must not. */
  readonly batch: BatchReceiver | null;
  readonly splits: ReadonlyArray<number>;
  readonly bounded: boolean;
}

/** What an assembly is made for. */
export interface AssemblyOptions {
  readonly job: string;
  readonly graph: Graph;
  /** The splits of all sources, in order; a split's number is its place. */
  readonly splits: ReadonlyArray<SplitName>;
  readonly keyedPartitions: number;
  /** How many records may wait between two stages; the mailboxes of keyed partitions share it out. */
  readonly queueRecordsMax: number;
}

/** Makes the actors of a run. */
export const assemble = (options: AssemblyOptions): Assembly => {
  const { job, graph, splits, keyedPartitions } = options;
  const gauge: OutputGauge = { bytes: 0 };
  const hotKeys = new Map(
    graph.stages.filter(({ kind }) => kind === "keyed").map((stage) => [stage, new HotKeys()] as const),
  );
  const sizeOf = (stage: Stage): number => stage.kind === "keyed" ? keyedPartitions : 1;
  /** Whether an operator must know exactly how the watermark moved, and where in a round: it meets that of others. */
  const isExact = graph.nodes.some((node) => node._tag === "Merge") || hasSecondWindow(graph);

  /** Every edge's mailboxes: one for each pair of a sending and a receiving actor. */
  const mailboxes = new Map<Edge, ReadonlyArray<ReadonlyArray<Mailbox>>>(graph.edges.map((edge) => [
    edge,
    Array.from(
      { length: sizeOf(edge.from) },
      () =>
        Array.from(
          { length: sizeOf(edge.to) },
          () => new Mailbox(Math.ceil(options.queueRecordsMax / sizeOf(edge.to))),
        ),
    ),
  ]));

  const splitsOf = (node: Node): ReadonlyArray<number> => {
    const names = new Set([...graph.sourcesOf(node)].map(({ source }) => source.name));
    return splits.flatMap(({ source }, split) => names.has(source) ? [split] : []);
  };

  /** The event times whose watermarks come to a node. */
  const followsOf = (node: Node): ReadonlyArray<Follows> =>
    node._tag === "EventTime"
      ? [{ splits: splitsOf(node), idleAfter: node.idleAfter }]
      : graph.inputsOf(node).flatMap(followsOf);

  const makeTask = (stage: Stage, partition: number): { task: Task; entryOf: (node: Node) => Receiver } => {
    const context = new TaskContext(job, splits, stage.depth);
    const statefuls: Array<Stateful> = [];
    const eventTimes: Array<EventTimeOperator> = [];
    const sinks: Array<SinkOperator> = [];
    const exchanges: Array<Exchange> = [];
    const made = new Map<Node, ReadonlyArray<Receiver>>();
    const outputs = new Map<Node, Receiver>();

    const failOn = (letter: Letter): never => {
      throw userCodeError(job, letter);
    };
    const stateful = <S extends Stateful>(operator: S): S => {
      statefuls.push(operator);
      return operator;
    };

    /** What takes a node's output in this task: its consumers here, and the ways to other stages. */
    const outputOf = (node: Node): Receiver => {
      const known = outputs.get(node);
      if (known !== undefined) return known;
      const receivers: Array<Receiver> = [];
      for (const { node: consumer, input } of graph.consumersOf(node) ?? []) {
        if (graph.stageOf(consumer) === stage) receivers.push(inputsTo(consumer)[input]);
      }
      for (const edge of graph.edges) {
        if (edge.node !== node || edge.from !== stage) continue;
        const to = mailboxes.get(edge)![partition];
        const isKeyed = edge.to.kind === "keyed";
        const exchange = new Exchange({
          context,
          mailboxes: to,
          isKeyed,
          onLetter: isKeyed ? failOn : null,
          hotKeys: hotKeys.get(edge.to) ?? null,
          marking: !isExact ? "none" : stage.kind === "keyed" ? "as they came" : "as they come",
        });
        exchanges.push(exchange);
        receivers.push(exchange);
      }
      const output = receivers.length === 0
        ? stateful(new UnroutedOperator(`${graph.nameOf(node)}#unrouted${outputs.size}`, failOn))
        : broadcast(receivers, context);
      outputs.set(node, output);
      return output;
    };

    /** The receivers of an operator, one for each of its inputs. */
    const inputsTo = (node: Node): ReadonlyArray<Receiver> => {
      let receivers = made.get(node);
      if (receivers === undefined) {
        receivers = makeOperator(node);
        made.set(node, receivers);
      }
      return receivers;
    };

    const makeOperator = (node: Node): ReadonlyArray<Receiver> => {
      const name = graph.nameOf(node);
      switch (node._tag) {
        case "Map":
          return [mapReceiver(name, node.f, context, outputOf(node))];
        case "Filter":
          return [filterReceiver(name, node.f, context, outputOf(node))];
        case "FlatMap":
          return [flatMapReceiver(name, node.f, context, outputOf(node))];
        case "KeyBy":
          return [keyByReceiver(name, node.f, context, outputOf(node))];
        case "EventTime": {
          const operator = new EventTimeOperator({
            name,
            timestamp: node.timestamp,
            strategy: node.watermark,
            idleAfter: node.idleAfter,
            maxDrift: node.maxDrift,
            splits: splitsOf(node),
            context,
            next: outputOf(node),
            eager: isExact,
          });
          eventTimes.push(stateful(operator));
          return [operator];
        }
        case "Merge":
          return stateful(new MergeOperator(name, node.inputs.map(followsOf), context, outputOf(node))).inputs;
        case "Branch":
          return [branchReceiver(
            name,
            node.cases.map(({ f }) => f),
            context,
            [...node.cases.map(({ side }) => outputOf(side)), outputOf(node.otherwise)],
          )];
        case "OnError":
          return [stateful(makeOnError(node, name))];
        case "PreAggregate":
          // In a keyed partition there is no way left to make shorter.
          if (stage.kind === "keyed") return [outputOf(node)];
          return [new PreAggregateOperator({ ...node, context, next: outputOf(node) })];
        case "Window":
          return [stateful(makeWindow(node))];
        case "Deduplicate": {
          const late = node.late === null ? null : outputOf(node.late.side);
          return [stateful(new DeduplicateOperator({ ...node, context, next: outputOf(node), late }))];
        }
        case "TopN":
          return [stateful(new TopNOperator({ ...node, context, next: outputOf(node) }))];
        case "Sink": {
          const operator = new SinkOperator(node.sink, context, gauge);
          sinks.push(operator);
          return [operator];
        }
        case "MapEffect": // its input comes in batches
        case "Source":
        case "Side":
          throw new Error(`A ${node._tag} takes no records one by one`);
      }
    };

    const makeOnError = (node: OnErrorNode, name: string): OnErrorOperator => {
      const handling = typeof node.handling === "string" ? node.handling : outputOf(node.handling.side);
      return new OnErrorOperator({ name, handling, defects: node.defects, context, next: outputOf(node) });
    };

    const makeWindow = (
      node: WindowNode,
    ): SlidingWindowOperator | KeyedWindowOperator | CountWindowOperator => {
      const { name, aggregate, allowedLateness, assigner, trigger, panes } = node;
      const emitter = new WindowEmitter(context, outputOf(node), node.late === null ? null : outputOf(node.late.side));
      if (assigner._tag === "Count") return new CountWindowOperator({ name, assigner, aggregate, context, emitter });
      if (assigner._tag === "Sliding" && isSaidOnce(node)) {
        const takesPartials = node.input._tag === "PreAggregate";
        return new SlidingWindowOperator({
          name,
          assigner,
          aggregate,
          allowedLateness,
          takesPartials,
          context,
          emitter,
        });
      }
      return new KeyedWindowOperator({ name, assigner, aggregate, trigger, panes, allowedLateness, context, emitter });
    };

    const onThrow = (thrown: unknown): UserCodeError =>
      thrown instanceof UserCodeError ? thrown : userCodeError(job, {
        ...context.letter(stage.name, thrown, undefined, true),
        reason: reasonOf(thrown),
      });

    const inputs: Array<ActorInput<UserCodeError, unknown>> = [];
    const into = graph.edges.filter((edge) => edge.to === stage);
    const channels = into.reduce((sum, edge) => sum + mailboxes.get(edge)!.length, 0);
    /** Where channels meet in this task: the deliveries of a round, until the last of them has brought its own. */
    const meeting: Array<Delivery> | null = channels > 1 ? [] : null;
    const endRound = ({ batch, receiver }: Delivery): void => {
      if (batch.splitEnded) { for (const eventTime of eventTimes) eventTime.splitEnded(batch.split); }
      receiver.watermark(batch.watermark);
    };
    const handle = (delivery: Delivery): void => {
      if (meeting === null) {
        replay([delivery], context);
        endRound(delivery);
        return;
      }
      meeting.push(delivery);
      if (meeting.length < channels) return;
      replay(meeting, context);
      for (const one of meeting) endRound(one);
      meeting.length = 0;
    };
    for (const edge of into) {
      const effect = graph.consumersOf(edge.node)
        .map(({ node }) => node)
        .find((node): node is MapEffectNode => node._tag === "MapEffect" && graph.stageOf(node) === stage);
      const receiver = outputOf(effect ?? edge.node);
      const receiveBatch = batchOf(receiver, context);
      const senders = mailboxes.get(edge)!;
      senders.forEach((from, sender) => {
        // All partitions pass on one watermark, so that its steps are needed but once.
        const marksOf = (batch: Batch): Marks => stage.kind !== "keyed" && sender === 0 ? batch.marks : noMarks;
        inputs.push({
          mailbox: from[partition],
          receive: effect === undefined
            ? (batch) => void handle({ batch, receiver, receive: receiveBatch, marks: marksOf(batch), deliver: null })
            : (batch) =>
              mapEffectBatch({
                batch,
                node: effect,
                name: graph.nameOf(effect),
                context,
                receiver,
                marks: marksOf(batch),
              }).pipe(
                Effect.flatMap((delivery) => Effect.try({ try: () => handle(delivery), catch: onThrow })),
              ),
        });
      });
    }

    const takeShare = (): EpochShare => {
      const deltas: Array<Delta> = [];
      for (const operator of statefuls) takeDeltas(operator, partition, context, deltas);
      return {
        deltas,
        snapshots: statefuls.map((operator) => [operator.name, partition, operator.snapshot()] as const),
        outputs: sinks.map((sink) => sink.take()).filter((share): share is SinkShare => share !== null),
      };
    };

    const task: Task = {
      stage,
      partition,
      context,
      statefuls,
      mailboxes: inputs.map(({ mailbox }) => mailbox),
      exchanges,
      takeShare,
      onThrow,
      actor: (onBarrier) => ({ context, inputs, exchanges, onBarrier, onThrow }),
    };
    return { task, entryOf: outputOf };
  };

  const [ingestStage, ...stages] = graph.stages;
  const { task: ingest, entryOf } = makeTask(ingestStage, 0);
  const entries = [...Map.groupBy(graph.sources, ({ source }) => source).values()].map((nodes): SourceEntry => {
    const receiver = broadcast(nodes.map(entryOf), ingest.context);
    const batch = batchOf(receiver, ingest.context);
    return { receiver, batch, splits: splitsOf(nodes[0]), bounded: nodes[0].source.bounded };
  });
  const tasks = [
    ingest,
    ...stages.flatMap((stage) =>
      Array.from({ length: sizeOf(stage) }, (_, partition) => makeTask(stage, partition).task)
    ),
  ];
  return {
    tasks,
    ingest,
    entries,
    eventTimes: ingest.statefuls.filter(isEventTime),
    allEventTimes: tasks.flatMap(({ statefuls }) => statefuls.filter(isEventTime)),
    silenceLengths: splits.map((_, split) =>
      graph.nodes.flatMap((node) =>
        node._tag === "EventTime" && node.idleAfter !== null && splitsOf(node).includes(split) ? [node.idleAfter] : []
      )
    ),
    usesClock: graph.nodes.some((node) => node._tag === "Window" && looksAtClock(node)),
    gauge,
    hotKeys,
  };
};

const isEventTime = (operator: Stateful): operator is EventTimeOperator => operator instanceof EventTimeOperator;

/** Whether a window must learn that time goes by. */
const looksAtClock = ({ assigner, trigger }: WindowNode): boolean =>
  (assigner._tag === "Sliding" && assigner.time === "no event time") || usesClock(trigger);

/** Whether what an operator emits when the watermark moves reaches another one that looks at the watermark, or at the order. */
const hasSecondWindow = (graph: Graph): boolean => {
  const behind = new Set<Node>();
  const isSecond = (node: Node): boolean => {
    const isBehind = graph.inputsOf(node).some((input) => looksAtWatermark(input) || behind.has(input));
    if (isBehind) behind.add(node);
    return isBehind && (looksAtWatermark(node) || node._tag === "TopN");
  };
  return graph.nodes.filter(isSecond).length > 0;
};

const looksAtWatermark = (node: Node): boolean => node._tag === "Window" || node._tag === "Deduplicate";
