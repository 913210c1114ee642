/**
 * Writes the page that the pictures are on.
 *
 * @module
 */
import { describeRow, recordNumber, writeTime } from "./draw.ts";
import type { Moment } from "./observe.ts";
import type { Row, Scenario } from "./scenario.ts";
import type { Part } from "./scenarios.ts";
import { bodyOf, pipelineOf } from "./snippets.ts";

/** A scenario with what came of it. */
export interface Played {
  readonly scenario: Scenario;
  readonly moments: ReadonlyArray<Moment>;
}

/** A part of the page. */
export interface PlayedPart extends Part {
  readonly played: ReadonlyArray<Played>;
  /** The text of the file that its scenarios are in. */
  readonly code: string;
}

const head = `# Time

Records have two times: when something happened (**event time**, which the record says) and when the record is handled
(**processing time**, which the clock says). They come late and out of order. Weir computes by event time, so that the
answer does not depend on when the job ran, how fast it was, or whether it crashed.

Five words are enough:

| word          | means                                                                     | given to                        |
| ------------- | ------------------------------------------------------------------------- | ------------------------------- |
| **watermark** | how far event time has come: nothing earlier is expected                  | \`Flow.eventTime\`              |
| **window**    | which records belong together                                             | \`assigner\` of \`Flow.window\` |
| **trigger**   | when a window fires; by default when the watermark reaches its end        | \`trigger\`                     |
| **pane**      | what has come since it last fired; \`panes\` says what a result is about  | \`panes\`                       |
| **lateness**  | how long a window is kept after its end, for records behind the watermark | \`allowedLateness\`, \`late\`   |

## How to read the pictures

Event time lies across. What comes later stands further down: first a record, as a dot with its value, then the
results that windows emit because of it. A bar is as wide as the window that it is about, and holds the sum of its
values. The line is the watermark: it moves after the record.

| sign                              | meaning                                                               |
| --------------------------------- | --------------------------------------------------------------------- |
| a triangle to the left, dashed    | an **early** result: due before the end of the window                 |
| a diamond                         | a result **on time**: due at the end                                  |
| a triangle to the right, bold     | a **late** result: due after that                                     |
| a cross, with the value struck    | a **retraction**: it takes back an earlier result                     |
| **final**                         | no correction can follow                                              |
| a record that is crossed out      | it came **too late** for each of its windows, and goes to \`late\`    |

A result is due at an instant of event time when the watermark reaches it; at the end of the input every end is reached.
\`pane\` counts the results of a key and window from 0. A window whose last record is in an early pane fires no more, so it
has no final result: use [\`onTime: "always"\`](#on-time-always) where you wait for one.

Every picture is drawn from what the engine emitted. The task \`docs:time\` runs these pipelines and writes this page, and
CI fails when they differ.
`;

const tail = `## Which lateness?

Waiting costs time, and not waiting costs corrections or records. Look at your own data before you choose:

\`\`\`sh
deno run -P examples/choose-lateness/main.ts your.ndjson timestamp   # what each bound would cost
deno run -P examples/late-data/main.ts                               # what to do with the rest, side by side
\`\`\`
`;

/** How the address of a heading ends. */
const anchorOf = (title: string): string => title.toLowerCase().replace(/[^a-z0-9 -]/g, "").replaceAll(" ", "-");

const table = (heads: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [heads, heads.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

const contents = (parts: ReadonlyArray<PlayedPart>): string =>
  parts.map(({ title, scenarios }) => {
    const links = scenarios.map(({ title }) => `[${title}](#${anchorOf(title)})`);
    return `- [${title}](#${anchorOf(title)}): ${links.join(", ")}`;
  }).join("\n");

/** What came out, row by row. */
const rowsOf = ({ scenario, moments }: Played): string => {
  const cause = ({ step }: Moment, k: number): string =>
    step._tag === "End"
      ? "end of input"
      : step._tag === "Clock"
      ? `clock ${step.clock / 1_000} s`
      : `record ${recordNumber(moments, k)}`;
  const passed = moments.flatMap((moment, k) =>
    moment.passed.map(({ at, key, value }) => [cause(moment, k), writeTime(scenario.draw, at), key, String(value)])
  );
  if (passed.length > 0) return table(["after", "event time", "key", "value"], passed);
  const cells = (row: Row): ReadonlyArray<string> => [
    `[${writeTime(scenario.draw, row.window.start)}, ${writeTime(scenario.draw, row.window.end)})`,
    row.change === "retract" ? `~~${row.value}~~` : String(row.value),
    describeRow(row),
    row.final ? "yes" : "no",
  ];
  return table(
    ["after", "window", "value", "pane", "final"],
    moments.flatMap((moment, k) => moment.rows.map((row) => [cause(moment, k), ...cells(row)])),
  );
};

/** The page, as Markdown that is still to be formatted. */
export const writePage = (parts: ReadonlyArray<PlayedPart>, common: string, pictures: string): string => {
  const sections = parts.map((part) => [
    `## ${part.title}`,
    part.text,
    ...part.played.flatMap((played) => [
      `### ${played.scenario.title}`,
      played.scenario.text,
      "```ts\n" + pipelineOf(part.code, played.scenario.name) + "\n```",
      `![${played.scenario.title}](${pictures}/${played.scenario.name}.svg)`,
      rowsOf(played),
    ]),
  ]);
  return [
    head,
    "Most of the pipelines below begin with this:",
    "```ts\n" + bodyOf(common) + "\n```",
    contents(parts),
    ...sections.flat(),
    tail,
  ].join("\n\n");
};
