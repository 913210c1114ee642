/**
 * Everything that is fuzzed. A new decoder or stored format is one more entry.
 *
 * @module
 */
import type { Target } from "./target.ts";
import { accumulators } from "./targets/aggregates.ts";
import { csv } from "./targets/csv.ts";
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
