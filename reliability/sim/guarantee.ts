/** What a job is promised about its output. */
export type Guarantee = "exactly-once" | "at-least-once" | "at-most-once";
