/**
 * All mutants, by what they take out.
 *
 * @module
 */
import type { Mutant } from "./mutant.ts";

type Change = readonly [before: string, after: string];

/** A mutant of a file; tests are named without their folder. */
const mutant = (
  name: string,
  breaks: string,
  file: string,
  [before, after]: Change,
  ...likely: ReadonlyArray<string>
): Mutant => ({ name, breaks, file, before, after, likely: likely.map((test) => `tests/${test}_test.ts`) });

/** An owner that has lost its claim writes nothing. */
const fence: ReadonlyArray<Mutant> = [
  mutant(
    "fence-write",
    "an owner that lost its claim writes no segments",
    "src/exactly-once/commit.ts",
    ["this.#kv.commit({ checks: [this.#claim.check], mutations })", "this.#kv.commit({ checks: [], mutations })"],
    "epoch_store",
  ),
  mutant(
    "fence-flip",
    "an owner that lost its claim commits no epoch",
    "src/exactly-once/commit.ts",
    ["const checks = [this.#claim.check, { key, versionstamp: this.#versionstamp }];", "const checks: [] = [];"],
    "epoch_store",
  ),
  mutant(
    "fence-manifest",
    "a flip replaces the manifest that it was made from, and no other",
    "src/exactly-once/commit.ts",
    [
      "const checks = [this.#claim.check, { key, versionstamp: this.#versionstamp }];",
      "const checks = [this.#claim.check];",
    ],
    "epoch_store",
  ),
  mutant(
    "fence-old-claim",
    "a claim takes away the claim before it",
    "src/exactly-once/claim.ts",
    [
      '...(found === null ? [] : [{ type: "delete" as const, key: claimKey(job, found.manifest.claim) }]),',
      "",
    ],
    "epoch_store",
  ),
  mutant(
    "fence-table",
    "an owner that lost its claim writes to no table",
    "src/streams/sinks/table.ts",
    ["if (found.claim !== this.context.claim) {", "if (found.claim.length < 0) {"],
    "sinks",
  ),
  mutant(
    "fence-table-marker",
    "a chunk of a table is written only where its marker was left",
    "src/streams/sinks/table.ts",
    ["const checks = [{ key: this.#markerKey, versionstamp: found.versionstamp }];", "const checks: [] = [];"],
    "sinks",
  ),
  mutant(
    "claim-unknown",
    "a claim whose outcome is unknown is read back",
    "src/exactly-once/claim.ts",
    [
      "      if (entry !== null) {\n        const { versionstamp } = entry;",
      "      if (entry === undefined) {\n        const { versionstamp } = entry!;",
    ],
    "epoch_store",
  ),
];

/** An epoch is visible once, however often it is published. */
const deduplication: ReadonlyArray<Mutant> = [
  mutant(
    "dedup-committer",
    "an epoch that the sink's own marker knows is not published again",
    "src/exactly-once/committer.ts",
    ["const isVisible = writer.marker !== null && writer.marker >= epoch;", "const isVisible = false;"],
    "running",
  ),
  mutant(
    "dedup-memory",
    "a memory sink takes an epoch once",
    "src/streams/sinks/memory.ts",
    [
      "                if (epoch <= last()) return;\n                for (const row of rows)",
      "                for (const row of rows)",
    ],
    "sinks",
    "properties",
  ),
  mutant(
    "dedup-file",
    "an epoch of a file is written where the one before it ended",
    "src/streams/sinks/file-writer.ts",
    ["yield* file.write(bytes, at);", "yield* file.write(bytes, at - offset.bytes);"],
    "sinks",
  ),
  mutant(
    "dedup-table",
    "an epoch of a table is taken as published only when all its chunks are",
    "src/streams/sinks/table.ts",
    ["marker: marker.complete ? marker.epoch : marker.epoch - 1,", "marker: marker.epoch,"],
    "sinks",
  ),
  mutant(
    "dedup-flip",
    "a flip whose outcome is unknown and that was applied is not made again",
    "src/exactly-once/commit.ts",
    ["const applied = staged.get(found.manifest.attempt);", "const applied = staged.get(-found.manifest.attempt);"],
    "epoch_store",
  ),
  mutant(
    "dedup-next-epoch",
    "after an epoch comes the next one",
    "src/exactly-once/open-epoch-store.ts",
    ["if (next.epoch !== last + 1) {", "if (next.epoch > last + 1) {"],
    "epoch_store",
  ),
];

/** A source that repeats what was not acknowledged is told when it is stored. */
const acknowledgement: ReadonlyArray<Mutant> = [
  mutant(
    "acknowledged-early",
    "a record is acknowledged once it is stored, not before",
    "src/exactly-once/committer.ts",
    [
      "        const stats = yield* store.commit(",
      "        if (acknowledge !== undefined) yield* acknowledge;\n        const stats = yield* store.commit(",
    ],
    "acknowledgements",
  ),
];

/** Damage is noticed. */
const checksums: ReadonlyArray<Mutant> = [
  mutant(
    "checksum-seal",
    "bytes that are not those that were stored are refused",
    "src/kv-state/seal.ts",
    ["if (stored !== checksum) return", "if (stored === -1) return"],
    "kv_state",
  ),
  mutant(
    "checksum-name",
    "bytes under another name than theirs are refused",
    "src/kv-state/seal.ts",
    [
      "crc32(sealed.subarray(0, crcOffset), crc32(identity)));",
      "crc32(sealed.subarray(0, crcOffset), identity.length * 0));",
    ],
    "kv_state",
  ),
  mutant(
    "checksum-segment",
    "a segment has the chunks that the manifest means",
    "src/kv-state/segment.ts",
    ["if (index === ref.chunks && chain !== ref.checksum) {", "if (index === ref.chunks && chain === -1) {"],
    "kv_state",
    "fuzz",
  ),
  mutant(
    "block-form",
    "a block of something else is not read as deltas",
    "src/kv-state/delta-codec.ts",
    ['  if (reader.left > 0) malformed("it must end where its columns do");\n', ""],
    "fuzz",
  ),
];

/** All channels bring a barrier in the same step. */
const barriers: ReadonlyArray<Mutant> = [
  mutant(
    "barrier-one-channel",
    "an actor ends its epoch when all of its channels have",
    "src/actors/actor.ts",
    ["          barrier = message;\n          continue;\n", "          barrier = message;\n          break;\n"],
    "properties",
    "running",
  ),
  mutant(
    "barrier-collector",
    "an epoch is committed when all actors have handed in their shares",
    "src/exactly-once/epoch-collector.ts",
    ["if (++this.#received < this.#actors) return;", "if (++this.#received < this.#actors - 1) return;"],
    "running",
  ),
  mutant(
    "barrier-one-at-a-time",
    "a barrier starts when the epoch before it is committed",
    "src/streams/ingest.ts",
    ["        control.idle = false;\n", ""],
    "running",
    "properties",
  ),
];

/** The watermark of several splits is the least of theirs. */
const watermarks: ReadonlyArray<Mutant> = [
  mutant(
    "watermark-minimum",
    "the split that is furthest behind holds the watermark",
    "src/windows/split-watermarks.ts",
    ["if (own < least) {", "if (own > least || least === endOfTime) {"],
    "watermarks",
  ),
  mutant(
    "watermark-alone",
    "one split alone does not move the watermark of several",
    "src/windows/split-watermarks.ts",
    ["if (split !== this.#slowest || own > this.#next) return this.#recompute();", ""],
    "watermarks",
  ),
  mutant(
    "watermark-merge",
    "the flow that is furthest behind holds the watermark of a merge",
    "src/streams/operators/merge.ts",
    ["least = Math.min(least, watermark);", "least = least === endOfTime ? watermark : Math.max(least, watermark);"],
    "watermarks",
    "properties",
  ),
  mutant(
    "watermark-restored",
    "the watermark does not go back over a restart",
    "src/windows/split-watermarks.ts",
    [
      "  restoreMerged(merged: number): void {\n    this.#merged = merged;\n",
      "  restoreMerged(_merged: number): void {\n",
    ],
    "watermarks",
    "properties",
  ),
  mutant(
    "watermark-before-record",
    "a record meets the watermark from before itself",
    "src/streams/operators/event-time.ts",
    [
      "    this.#next.record(value, key, time, this.#watermarks.merged);\n    if (this.#watermarks.observe(this.#placeOfSplit(), time) && this.#eager) {",
      "    const moved = this.#watermarks.observe(this.#placeOfSplit(), time);\n" +
      "    this.#next.record(value, key, time, this.#watermarks.merged);\n    if (moved && this.#eager) {",
    ],
    "properties",
    "watermarks",
  ),
  mutant(
    "watermark-before-batch",
    "a record of a batch meets the watermark from before itself",
    "src/windows/split-watermarks.ts",
    [
      "      watermarks[row] = this.#merged;\n      this.observe(split, timestamps[row]);\n",
      "      this.observe(split, timestamps[row]);\n      watermarks[row] = this.#merged;\n",
    ],
    "watermarks",
    "properties",
  ),
  mutant(
    "watermark-before-batch-alone",
    "a record of a batch of the only split meets the watermark from before itself",
    "src/windows/split-watermarks.ts",
    [
      "        watermarks[row] = merged;\n        if (timestamp < greatest) {\n",
      "        watermarks[row] = Math.max(merged, timestamp - bound);\n        if (timestamp < greatest) {\n",
    ],
    "windows",
  ),
  mutant(
    "batch-before-letter",
    "of a batch what comes before a record that fails goes on as well",
    "src/streams/operators/stateless.ts",
    ["if (k > from) batch(changed, rows.subarray(from, k));", ""],
    "batches",
  ),
  mutant(
    "batch-window-due",
    "a window of which the watermark reaches the end in the middle of a batch fires there",
    "src/streams/operators/sliding-window.ts",
    ["if (watermark < this.#nextEvent) {", "if (watermark <= this.#nextEvent) {"],
    "windows",
    "properties",
  ),
  mutant(
    "watermark-split-end",
    "the end of a split waits for its turn",
    "src/streams/ingest.ts",
    [
      "reader.count % mergeRecords !== 0 && !(reader.exhausted && reader.buffered === 0);",
      "reader.count % mergeRecords !== 0;",
    ],
    "properties",
    "watermarks",
  ),
];

/** A split is idle when it was waited for, not when it was not read. */
const idleness: ReadonlyArray<Mutant> = [
  mutant(
    "idle-buffered",
    "a split with records that wait is not silent",
    "src/streams/silences.ts",
    ["if (reader.buffered > 0 || reader.exhausted) {", "if (reader.exhausted) {"],
    "watermarks",
  ),
  mutant(
    "idle-look",
    "one look counts for a small part of the wanted silence",
    "src/streams/silences.ts",
    ["const counted = Math.min(elapsed, looksCountedMax * this.lookMillis);", "const counted = elapsed;"],
    "watermarks",
  ),
  mutant(
    "idle-blocked",
    "time in which the ingest was held up is no silence",
    "src/streams/ingest.ts",
    [
      "Effect.andThen(afterWaking(waiting), Effect.sync(() => silences.skip(clock.currentTimeMillisUnsafe())));",
      "afterWaking(waiting);",
    ],
    "watermarks",
  ),
  mutant(
    "idle-paused",
    "a split that is paused is not silent",
    "src/streams/silences.ts",
    [
      "if (!reader.started || reader.ended || reader.paused) continue;",
      "if (!reader.started || reader.ended) continue;",
    ],
    "watermarks",
  ),
  mutant(
    "idle-never",
    "a split that is silent does not hold the watermark",
    "src/streams/operators/event-time.ts",
    ["silence >= this.#idleAfter && silence !== Infinity", "silence < 0"],
    "watermarks",
  ),
];

/** Sessions that touch become one. */
const sessions: ReadonlyArray<Mutant> = [
  mutant(
    "session-bridge",
    "a record between two sessions makes them one",
    "src/streams/operators/keyed-window.ts",
    [
      "if (before < 0 || this.#endOf(before) < start) break;",
      "if (before < 0 || this.#endOf(before) < start || before !== first) break;",
    ],
    "windows",
  ),
  mutant(
    "session-touch",
    "sessions that touch are one",
    "src/streams/operators/keyed-window.ts",
    ["while (last >= 0 && this.#startOf(last) > end)", "while (last >= 0 && this.#startOf(last) >= end)"],
    "windows",
  ),
  mutant(
    "session-touch-before",
    "a session that ends where another begins is one with it",
    "src/streams/operators/keyed-window.ts",
    ["if (last < 0 || this.#endOf(last) < start) {", "if (last < 0 || this.#endOf(last) <= start) {"],
    "windows",
  ),
  mutant(
    "session-accumulators",
    "a merged session holds the records of both",
    "src/streams/operators/keyed-window.ts",
    ["      this.#merge(first, other);\n", ""],
    "windows",
  ),
  mutant(
    "session-remains",
    "a session that was merged is gone",
    "src/streams/operators/keyed-window.ts",
    ["      this.#remove(other);\n", ""],
    "windows",
  ),
];

/** What no longer holds is taken back. */
const retractions: ReadonlyArray<Mutant> = [
  mutant(
    "retract-merged",
    "a session that ceases to exist takes back what it said",
    "src/streams/operators/keyed-window.ts",
    ["if (this.#startOf(cell) !== start || this.#endOf(cell) !== end) this.#retract(cell);", ""],
    "retractions",
    "triggers",
  ),
  mutant(
    "retract-corrected",
    "a result that is corrected is taken back first",
    "src/streams/operators/keyed-window.ts",
    ["      this.#retract(cell);\n      this.#emit.change(", "      this.#emit.change("],
    "retractions",
    "triggers",
  ),
  mutant(
    "retract-value",
    "what is taken back is what was said",
    "src/streams/operators/keyed-window.ts",
    ["      this.#remember(cell);\n", ""],
    "retractions",
    "triggers",
  ),
  mutant(
    "retract-table",
    "a row that is taken back is out of the table",
    "src/streams/sinks/table.ts",
    ['removes ? { type: "delete", key } : { type: "set", key, value }', '({ type: "set", key, value })'],
    "sinks",
    "retractions",
  ),
];

/** Nothing is dropped without being counted. */
const counts: ReadonlyArray<Mutant> = [
  mutant(
    "count-dead-letters",
    "dead letters are counted",
    "src/streams/operators/on-error.ts",
    ["      this.counters.deadLetters++;\n", ""],
    "sources",
    "running",
    "dead_letters",
  ),
  mutant(
    "letter-parts",
    "a letter whose retry fails keeps its key, headers, place and time",
    "src/streams/sources/retries.ts",
    [
      'new Rejected(decoded.reason, rawForm === "none" ? null : raw, rawLength, parts)',
      "new Rejected(decoded.reason, raw, rawLength)",
    ],
    "dead_letters",
  ),
  mutant(
    "letter-bound",
    "value, key and headers of a letter share one bound",
    "src/streams/cut-record.ts",
    ["if (recordCost(record) <= bytesMax) return record;", "if (record.raw.length <= bytesMax) return record;"],
    "dead_letters",
  ),
  mutant(
    "count-dropped",
    "errors that are dropped are counted",
    "src/streams/operators/on-error.ts",
    ["      this.counters.dropped++;\n", ""],
    "sources",
    "running",
  ),
  mutant(
    "count-late",
    "late records that are dropped are counted",
    "src/streams/operators/window-emitter.ts",
    ["      this.counters.lateDropped++;\n", ""],
    "windows",
  ),
  mutant(
    "count-late-duplicates",
    "records that are too late to be judged are counted",
    "src/streams/operators/deduplicate.ts",
    ["      this.counters.lateDropped++;\n", ""],
    "deduplicate",
  ),
  mutant(
    "count-lost",
    "rows that at-most-once may have lost are counted",
    "src/exactly-once/committer.ts",
    ["lost[sink] = (lost[sink] ?? 0) + rows;", ""],
    "running",
  ),
  mutant(
    "count-restored",
    "counters are part of the epoch",
    "src/streams/operators/keyed-window.ts",
    ["    Object.assign(this.#emit.counters, counters);\n", ""],
    "fuzz",
    "properties",
  ),
  mutant(
    "late-side-output",
    "late records go to their side output",
    "src/streams/operators/window-emitter.ts",
    ["    this.#late.record(late, undefined, NaN, beginningOfTime);\n", ""],
    "windows",
  ),
];

/** Every queue has a bound. */
const bounds: ReadonlyArray<Mutant> = [
  mutant(
    "bound-mailbox",
    "a mailbox that is full takes no more",
    "src/actors/mailbox.ts",
    ["    if (!this.#hasRoomFor(message)) return false;\n", ""],
    "mailbox",
    "running",
    "skew",
  ),
  mutant(
    "bound-reader",
    "a split is read ahead by two batches at most",
    "src/streams/split-reader.ts",
    ["if (this.#buffered >= this.#batchRecordsMax) {", "if (this.#buffered === Infinity) {"],
    "running",
    "sources",
  ),
  mutant(
    "bound-epoch-bytes",
    "an epoch whose output is large ends early",
    "src/streams/run.ts",
    ["records >= epochRecordsMax || assembly.gauge.bytes >= epochBytesMax", "records >= epochRecordsMax"],
    "running",
  ),
  mutant(
    "bound-line",
    "a line that is too long is not held",
    "src/streams/sources/formats/lines.ts",
    ["    if (total <= Math.max(this.#lineBytesMax, rejectedBytesMax) + 1) return;\n", "    if (total > 0) return;\n"],
    "sources",
  ),
  mutant(
    "bound-split-drift",
    "a split that is too far ahead is not read",
    "src/streams/alignment.ts",
    ["reader.paused = reader.isRead &&", "reader.paused = reader.isRead && least < 0 && least > 0 &&"],
    "watermarks",
  ),
];

/** Late is what comes after its windows are closed, no sooner and no later. */
const lateness: ReadonlyArray<Mutant> = [
  mutant(
    "late-sliding",
    "a window is closed at its end, not a millisecond later",
    "src/streams/operators/sliding-window.ts",
    ["if (over <= this.#watermark) return null;", "if (over < this.#watermark) return null;"],
    "windows",
    "sliding",
  ),
  mutant(
    "late-keyed",
    "a window with panes is closed at its end, not a millisecond later",
    "src/streams/operators/keyed-window.ts",
    ["return end + this.#lateness <= this.#watermark;", "return end + this.#lateness < this.#watermark;"],
    "windows",
    "triggers",
  ),
  mutant(
    "lateness-ignored",
    "a window takes records within the allowed lateness",
    "src/streams/operators/sliding-window.ts",
    ["const closed = watermark - this.#lateness;", "const closed = watermark;"],
    "windows",
  ),
  mutant(
    "lateness-ignored-keyed",
    "a window with panes takes records within the allowed lateness",
    "src/streams/operators/keyed-window.ts",
    ["if (time >= end + this.#lateness) {", "if (time >= end) {"],
    "windows",
    "triggers",
  ),
  mutant(
    "duplicates-reach",
    "a record that is just within reach is a duplicate",
    "src/streams/operators/deduplicate.ts",
    [
      "Math.abs(this.#firstOf(near, row) - time) > this.#within",
      "Math.abs(this.#firstOf(near, row) - time) >= this.#within",
    ],
    "deduplicate",
  ),
];

/** What is stored is all there, and nothing else. */
const storage: ReadonlyArray<Mutant> = [
  mutant(
    "garbage-live",
    "segments that the manifest names are not deleted",
    "src/exactly-once/garbage.ts",
    ["{ ...name, part: name.part + 1 }", "{ ...name, part: name.part }"],
    "epoch_store",
  ),
  mutant(
    "garbage-control",
    "the control value is named by the manifest",
    "src/kv-state/manifest.ts",
    ["  if (manifest.control !== null) segments.push(manifest.control);\n", ""],
    "epoch_store",
  ),
  mutant(
    "garbage-left",
    "what unfinished epochs left behind is deleted",
    "src/exactly-once/open-epoch-store.ts",
    ["    yield* collectGarbage(kv, ledger);\n", ""],
    "epoch_store",
  ),
  mutant(
    "outbox-early",
    "output that was not published stays in the outbox",
    "src/exactly-once/outbox.ts",
    [
      "if (output.epoch > (published.get(output.sink) ?? 0)) {\n      kept",
      "if (output.epoch > (published.get(output.sink) ?? 0) + 1) {\n      kept",
    ],
    "epoch_store",
    "sinks",
  ),
  mutant(
    "outbox-offset",
    "a sink is told how much it had taken before an epoch",
    "src/exactly-once/outbox.ts",
    ["    offset.rows += rows;\n    offset.bytes += bytes;\n", ""],
    "epoch_store",
  ),
  mutant(
    "restart-position",
    "a restart reads on where the epoch ended",
    "src/streams/split-reader.ts",
    ["this.position = options.progress?.position ?? null;", "this.position = null;"],
    "properties",
    "running",
  ),
  mutant(
    "restart-ahead",
    "the position of an epoch is that of its last record, not of what was read ahead",
    "src/streams/split-reader.ts",
    [
      "if (end > start) this.position = batch.positions[end - 1];",
      "if (end > start) this.position = batch.positions[batch.positions.length - 1];",
    ],
    "running",
  ),
  mutant(
    "restart-turn",
    "a restart goes on in the middle of a turn",
    "src/streams/split-reader.ts",
    ["this.count = options.progress?.count ?? 0;", "this.count = 0;"],
    "properties",
    "running",
  ),
  mutant(
    "compaction-tombstone",
    "a namespace that was dropped stays dropped when segments are merged",
    "src/kv-state/compaction.ts",
    ["      if (!oldest) tombstones.set(id, delta);\n", ""],
    "kv_state",
  ),
  mutant(
    "compaction-last",
    "of several versions of a row the last one stands",
    "src/kv-state/delta-merge.ts",
    ["      if (young === row) this.#take", "      if (young === row && old !== row) this.#take"],
    "kv_state",
  ),
  mutant(
    "compaction-dropped-rows",
    "the rows of a namespace that was dropped are gone when segments are merged",
    "src/kv-state/compaction.ts",
    ["      namespaces.delete(id);\n", ""],
    "kv_state",
  ),
  mutant(
    "delta-second",
    "a row that changes in every epoch is stored in every epoch",
    "src/kv-state/accumulator-table.ts",
    ["    this.#changed.add(row);\n", "    if (!this.#isStored) this.#changed.add(row);\n"],
    "fuzz",
  ),
  mutant(
    "delta-dropped",
    "a window that is over is gone from the state",
    "src/streams/operators/sliding-window.ts",
    ["for (const namespace of dropped) into.push(droppedDelta(name, partition, namespace));", ""],
    "fuzz",
  ),
  mutant(
    "results-restored",
    "after a restart results meet the watermark that they would have met",
    "src/streams/operators/keyed-window.ts",
    ["    this.#emit.reach(emitted);\n", ""],
    "fuzz",
  ),
  mutant(
    "key-hash",
    "a key stays in its keyed partition for ever",
    "src/kv-state/key.ts",
    ["let hash = 0x811c9dc5;", "let hash = 0x811c9dc7;"],
    "kv_state",
  ),
  mutant(
    "fingerprint",
    "state of other code is refused",
    "src/exactly-once/claim.ts",
    ["if (current !== description) {", "if (current === undefined) {"],
    "epoch_store",
  ),
  mutant(
    "split-gone",
    "a split that goes away before its end is refused",
    "src/streams/run.ts",
    ["if (ended || splits.some(", "if (ended || true || splits.some("],
    "sources",
    "running",
  ),
];

/** The same input gives the same answer. */
const order: ReadonlyArray<Mutant> = [
  mutant(
    "order-rows",
    "the rows of an epoch are in the order of their rounds",
    "src/exactly-once/epoch-collector.ts",
    ["return all.sort((a, b) => a.round - b.round).map(({ row }) => row);", "return all.map(({ row }) => row);"],
    "epoch_store",
  ),
  mutant(
    "order-ranks",
    "of equal entries the elder ranks higher",
    "src/streams/operators/top-n.ts",
    ["numbers[cell * width + 1] < since", "numbers[cell * width + 1] > since"],
    "top_n",
  ),
  mutant(
    "batch-first-failure",
    "of several slices of a batch that fail, the first record to fail is named",
    "src/streams/operators/slice-additions.ts",
    ["one.addTo(aggregate, columns, failed?.row ?? Infinity);", "one.addTo(aggregate, columns, Infinity);"],
    "batches",
  ),
  mutant(
    "batch-fold-late",
    "a record that meets the end of a window is not folded",
    "src/streams/operators/pre-aggregate.ts",
    ["if (watermarks[row] >= fold.firstEnd) {", "if (watermarks[row] > fold.firstEnd) {"],
    "skew",
  ),
  mutant(
    "batch-recent-slice",
    "a slice is found by its start, not by the end of its number",
    "src/streams/operators/sliding-window.ts",
    ["if (slice === null || slice.start !== start) {", "if (slice === null) {"],
    "sliding",
    "windows",
  ),
  mutant(
    "key-index-hash",
    "keys of one hash are told apart",
    "src/kv-state/key-index.ts",
    [
      "if (slots[2 * slot + 1] === stored && isSame(this.ids[row], id)) return row;",
      "if (slots[2 * slot + 1] === stored) return row;",
    ],
    "key_index",
  ),
  mutant(
    "exchange-others",
    "a message does not hold the records that others get",
    "src/actors/exchange.ts",
    ["    : { columns: columns.only(rows), rows: rowsFrom(0, rows.length) };", "    : { columns, rows };"],
    "exchange",
  ),
  mutant(
    "cells-found",
    "a cell is found when another was taken out that lay in its way",
    "src/streams/operators/cell-index.ts",
    [
      "      slots[2 * free] = slots[2 * slot];\n      slots[2 * free + 1] = slots[2 * slot + 1];\n      free = slot;\n",
      "",
    ],
    "cells",
  ),
  mutant(
    "cells-turn",
    "a cell has no turn that was its predecessor's",
    "src/streams/operators/turns.ts",
    [" || this.#cells.rowOf(cell) !== row", ""],
    "cells",
  ),
  mutant(
    "order-replay",
    "ways that part and meet again are put back in order",
    "src/actors/replay.ts",
    [
      "if (record < least || (record === least && isMark)) {",
      "if (record < least || (record === least && isMark) || chosen < 0) {\n        if (record === Infinity) continue;",
    ],
    "properties",
    "running",
  ),
];

const publisher = "src/kafka/transactional-publisher.ts";

/** From topic to topic each result is there once, and no record is skipped. */
const kafka: ReadonlyArray<Mutant> = [
  mutant(
    "kafka-marker",
    "an epoch's number is committed in its transaction",
    publisher,
    ["        yield* transaction.sendOffsets(offsetOf(group, epoch));\n", ""],
    "kafka/sink",
  ),
  mutant(
    "kafka-drop",
    "a transaction whose outcome is unknown is settled by another producer",
    publisher,
    ["          const { failure } = result;\n          yield* drop;\n", "          const { failure } = result;\n"],
    "kafka/exactly_once",
    "kafka/sink",
  ),
  mutant(
    "kafka-read-back",
    "an epoch that is there is not written again",
    publisher,
    ["if (marker !== null && marker >= epoch && (requests", "if (marker !== null && marker > epoch && (requests"],
    "kafka/exactly_once",
  ),
  mutant(
    "kafka-fence-first",
    "the marker is read only once earlier producers are shut out",
    publisher,
    [
      "      const scope = yield* Scope.fork(outer);\n      const opening",
      "      const early = yield* readOffset(group);\n      if (early !== null) {\n" +
      "        const scope = yield* Scope.fork(outer);\n        const opening = client.transactionalProducer({ transactionalId, timeoutMillis: transactionMillis, compression });\n" +
      "        current = { producer: yield* Scope.provide(opening, scope), scope };\n" +
      "        return { marker: early, isOther: false, isClaimed: true };\n      }\n" +
      "      const scope = yield* Scope.fork(outer);\n      const opening",
    ],
    "kafka/sink",
    "kafka/exactly_once",
  ),
  mutant(
    "kafka-claim",
    "an owner that has lost its claim shuts nobody out",
    publisher,
    ["      yield* drop;\n      yield* checkClaim;\n", "      yield* drop;\n"],
    "kafka/sink",
  ),
  mutant(
    "kafka-unknown",
    "output that the broker has forgotten is not published blindly",
    publisher,
    ['if (hasUnpublished && whenUnknown === "fail") {', "if (hasUnpublished && whenUnknown.length === 0) {"],
    "kafka/sink",
  ),
  mutant(
    "kafka-behind",
    "a topic that holds more than the state knows is noticed",
    publisher,
    ["if (marker !== null && marker > committed) {", "if (marker !== null && marker > committed + 1_000_000) {"],
    "kafka/sink",
  ),
  mutant(
    "kafka-aborted",
    "records of aborted transactions are not shown",
    "src/kafka/visible.ts",
    [
      "!(batch.isTransactional && aborting.has(batch.producerId))",
      "!(batch.isTransactional && aborting.has(batch.producerId + 1))",
    ],
    "kafka/source",
  ),
  mutant(
    "kafka-abort-ends",
    "records behind an abort marker are shown",
    "src/kafka/visible.ts",
    ['if (batch.control === "abort") aborting.delete(batch.producerId);', ""],
    "kafka/source",
  ),
  mutant(
    "kafka-behind-batch",
    "reading goes on behind control records and what was compacted",
    "src/kafka/partition-stream.ts",
    ["          offsets[some.length - 1] = nextOffset;\n", ""],
    "kafka/source",
  ),
  mutant(
    "kafka-stable",
    "a read_committed reader's end is the last stable offset",
    "src/kafka/fetching.ts",
    [
      'rules.isolation === "read_committed" ? fetched.lastStableOffset : fetched.highWatermark',
      "fetched.highWatermark",
    ],
    "kafka/source",
  ),
  mutant(
    "kafka-paused",
    "a partition whose feed is full is not fetched",
    "src/kafka/partition-feed.ts",
    ["return !this.isOver && this.#chunks.length < feedChunksMax;", "return !this.isOver;"],
    "kafka/source",
  ),
  mutant(
    "kafka-lost",
    "records that are gone are not skipped in silence",
    "src/kafka/partition-stream.ts",
    ["if (isGone && skips) {", "if (isGone) {"],
    "kafka/source",
  ),
  mutant(
    "kafka-end",
    "a bounded source ends where it ended at its first start",
    "src/kafka/position.ts",
    [
      "return offset === undefined ? null : { offset: Number(offset), end: Number(end) };",
      "return offset === undefined ? null : { offset: Number(offset), end: null };",
    ],
    "kafka/source",
  ),
  mutant(
    "kafka-begin",
    "where splits begin is recorded before anything is read",
    "src/streams/run.ts",
    ["      hasNews: hasBegun,\n", "      hasNews: hasBegun && hasBegun.valueOf() === null,\n"],
    "kafka/source",
  ),
  mutant(
    "kafka-added",
    "partitions that came later are read from their beginning",
    "src/kafka/source.ts",
    ['const from = isFirst ? start : "earliest";', "const from = start;"],
    "kafka/source",
  ),
  mutant(
    "kafka-partition",
    "partitions are chosen before the outbox",
    "src/kafka/sink.ts",
    [
      "(keyBytes === null ? turn++ % partitions : partitionOf(keyBytes, partitions));",
      "(keyBytes === null ? turn++ % partitions : (turn++ + keyBytes.length) % partitions);",
    ],
    "kafka/sink",
  ),
  mutant(
    "kafka-size",
    "a record that the topic does not take is refused before its epoch is committed",
    "src/kafka/sink.ts",
    ["      if (size > batchBytesMax) {", "      if (size > batchBytesMax * 1_000) {"],
    "kafka/sink",
  ),
  mutant(
    "kafka-rising",
    "a batch whose offsets do not rise is refused",
    "src/kafka/wire/record-batches.ts",
    ["    lowest = offset + 1;\n", ""],
    "kafka/record_batches",
  ),
  mutant(
    "kafka-objects",
    "records and headers without bytes are bounded by what they take in memory",
    "src/kafka/wire/record-batches.ts",
    ["    objects += headerCount;\n", ""],
    "kafka/record_batches",
  ),
  mutant(
    "kafka-decompressed",
    "what is decompressed of an answer is bounded together",
    "src/kafka/wire/record-batches.ts",
    ["  room.takenBytes += bytes.length;\n", ""],
    "kafka/record_batches",
  ),
  mutant(
    "kafka-made-anew",
    "a topic that was made anew while a job did not run is not taken for the old one",
    "src/streams/identities.ts",
    ["before === identity || ", "before !== identity || "],
    "identities",
    "kafka/source",
  ),
  mutant(
    "kafka-made-anew-meanwhile",
    "nor one that was made anew while it runs",
    "src/kafka/fetching.ts",
    ["before !== null && now !== null && before !== now;", "before === undefined && now !== null && before !== now;"],
    "kafka/source",
  ),
  mutant(
    "kafka-owner",
    "a state that another one has taken the place of does not publish",
    publisher,
    ["if (isOther && (isOwner || otherState", "if (isOther && (isOwner && committed < 0 || otherState"],
    "kafka/sink",
  ),
  mutant(
    "kafka-session",
    "a connection is replaced before its session ends",
    "src/kafka/wire/brokers.ts",
    ["connection.isOpen && now < until;", "connection.isOpen;"],
    "kafka/sessions",
  ),
  mutant(
    "kafka-replaced",
    "what is under way is answered before a connection is closed",
    "src/kafka/wire/brokers.ts",
    ["if (held.underWay > 0 || !this.#replaced", "if (!this.#replaced"],
    "kafka/sessions",
  ),
  mutant(
    "kafka-request",
    "no request holds more of a partition than a batch may have",
    "src/kafka/outgoing.ts",
    ["filled[partition] + bytes > batchBytesMax || ", ""],
    "kafka/sink",
  ),
];

/** All mutants. */
export const mutants: ReadonlyArray<Mutant> = [
  ...fence,
  ...deduplication,
  ...acknowledgement,
  ...checksums,
  ...barriers,
  ...watermarks,
  ...idleness,
  ...sessions,
  ...retractions,
  ...counts,
  ...bounds,
  ...lateness,
  ...storage,
  ...order,
  ...kafka,
];
