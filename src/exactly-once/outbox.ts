/**
 * The outbox: output that is committed and waits for its sink, as the manifest records it. Everything here is pure.
 *
 * @module
 */
import type { KvKey } from "../kv-state/kv.ts";
import type { Manifest, OutboxRef, SinkRecord } from "../kv-state/manifest.ts";
import { chunkKeys, type SegmentRef } from "../kv-state/segment.ts";
import type { EpochOutput, SinkProgress, UnpublishedOutput } from "./epoch-store.ts";

const nothingTaken: SinkRecord = {
  published: 0,
  publishedRows: 0,
  publishedBytes: 0,
  committedRows: 0,
  committedBytes: 0,
};

/** The part of a manifest that concerns sinks. */
export interface SinkState {
  readonly sinks: Manifest["sinks"];
  readonly outbox: Manifest["outbox"];
}

/** Records that sinks have published, and forgets that output; also says which keys may be deleted. */
export const recordPublished = (
  job: string,
  { sinks, outbox }: SinkState,
  published: ReadonlyMap<string, number>,
): SinkState & { readonly dropped: ReadonlyArray<KvKey> } => {
  if (published.size === 0) return { sinks, outbox, dropped: [] };
  const records = new Map(sinks);
  const kept: Array<OutboxRef> = [];
  const dropped: Array<KvKey> = [];
  for (const output of outbox) {
    if (output.epoch > (published.get(output.sink) ?? 0)) {
      kept.push(output);
      continue;
    }
    const sink = records.get(output.sink)!;
    records.set(output.sink, {
      ...sink,
      published: output.epoch,
      publishedRows: sink.publishedRows + output.rows,
      publishedBytes: sink.publishedBytes + output.bytes,
    });
    if (output.segment !== null) dropped.push(...chunkKeys(job, output.segment));
  }
  return { sinks: records, outbox: kept, dropped };
};

/** Adds one epoch's output for one sink. */
export const recordOutput = (
  { sinks, outbox }: SinkState,
  epoch: number,
  output: EpochOutput,
  segment: SegmentRef | null,
): SinkState => {
  const before = sinks.get(output.sink) ?? nothingTaken;
  const rows = output.rows.length;
  const committedRows = before.committedRows + rows;
  const committedBytes = before.committedBytes + output.bytes;
  const record: SinkRecord = output.published
    ? { published: epoch, publishedRows: committedRows, publishedBytes: committedBytes, committedRows, committedBytes }
    : { ...before, committedRows, committedBytes };
  return {
    sinks: new Map(sinks).set(output.sink, record),
    outbox: output.published || rows === 0
      ? outbox
      : [...outbox, { epoch, sink: output.sink, rows, bytes: output.bytes, segment }],
  };
};

/** How far a sink has come, as the manifest knows. */
export const progressOf = ({ sinks }: SinkState, name: string): SinkProgress => {
  const sink = sinks.get(name) ?? nothingTaken;
  return {
    published: sink.published,
    publishedOffset: { rows: sink.publishedRows, bytes: sink.publishedBytes },
    committedOffset: { rows: sink.committedRows, bytes: sink.committedBytes },
  };
};

/** The output that no sink is known to have taken, in ascending order of epochs. */
export const unpublishedOutputs = (
  { sinks, outbox }: SinkState,
  noted: ReadonlyMap<string, number>,
): Array<UnpublishedOutput> => {
  const offsets = new Map<string, { rows: number; bytes: number }>();
  const unpublished: Array<UnpublishedOutput> = [];
  for (const { epoch, sink, rows, bytes, segment } of outbox) {
    let offset = offsets.get(sink);
    if (offset === undefined) {
      const record = sinks.get(sink)!;
      offsets.set(sink, offset = { rows: record.publishedRows, bytes: record.publishedBytes });
    }
    if (epoch > (noted.get(sink) ?? 0)) {
      unpublished.push({ epoch, sink, rows, bytes, outbox: segment !== null, offset: { ...offset } });
    }
    offset.rows += rows;
    offset.bytes += bytes;
  }
  return unpublished;
};
