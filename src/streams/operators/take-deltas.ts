/**
 * The end of an epoch, where values of the state meet their Schemas.
 *
 * @module
 */
import type { TaskContext } from "../../actors/task-context.ts";
import type { Delta } from "../../kv-state/delta.ts";
import { SchemaRefusal } from "../../windows/aggregates/state-schema.ts";
import { userCodeError } from "./on-error.ts";
import type { Stateful } from "./stateful.ts";

/**
 * Takes the deltas of an operator. A value that its Schema refuses ends the job.
 *
 * Which record brought it in is not known any more: the coordinates are those of the last record that the actor took.
 */
export const takeDeltas = (operator: Stateful, partition: number, context: TaskContext, into: Array<Delta>): void => {
  try {
    operator.takeDeltas(partition, into);
  } catch (error) {
    if (!(error instanceof SchemaRefusal)) throw error;
    throw userCodeError(context.job, {
      ...context.letter(operator.name, error.cause, undefined, true),
      reason: `Cannot store state of "${operator.name}" as a value must match its schema: ${error.message}`,
    });
  }
};
