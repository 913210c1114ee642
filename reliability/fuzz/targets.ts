/**
 * Everything that is fuzzed. A new decoder or stored format is one more entry.
 *
 * @module
 */
import type { Target } from "./target.ts";
import { accumulators } from "./targets/aggregates.ts";
import { csv } from "./targets/csv.ts";
import { kafkaAnswers } from "./targets/kafka-answers.ts";
import { kafkaBatches } from "./targets/kafka-batches.ts";
import { kafkaCodecs } from "./targets/kafka-codecs.ts";
import { kafkaFrames } from "./targets/kafka-frames.ts";
import { kafkaHashes } from "./targets/kafka-hashes.ts";
import { kafkaNumbers } from "./targets/kafka-numbers.ts";
import { keys } from "./targets/keys.ts";
import { lines } from "./targets/lines.ts";
import { ndjson } from "./targets/ndjson.ts";
import { statefulOperators } from "./targets/operators.ts";
import { calendars, options, positions } from "./targets/options.ts";
import { deadLetters, windowSchemas } from "./targets/schemas.ts";
import { blocks, deltas, resealedManifests, rows, sealedManifests, seals } from "./targets/stored.ts";
import { tableMarkers } from "./targets/table-marker.ts";
import { bodies, gzip, serverEvents } from "./targets/wire.ts";

/** All targets, those that read the world outside first. */
export const targets: ReadonlyArray<Target> = [
  lines,
  ndjson,
  csv,
  gzip,
  serverEvents,
  bodies,
  kafkaFrames,
  kafkaNumbers,
  kafkaAnswers,
  kafkaBatches,
  kafkaCodecs,
  kafkaHashes,
  positions,
  options,
  calendars,
  deadLetters,
  windowSchemas,
  seals,
  rows,
  blocks,
  deltas,
  sealedManifests,
  resealedManifests,
  keys,
  accumulators,
  statefulOperators,
  tableMarkers,
];
