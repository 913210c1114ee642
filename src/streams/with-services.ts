/**
 * Options of what runs a job by itself: a job that needs services must be given them.
 *
 * @module
 */
import type { Context } from "effect";

/** What follows a job in the arguments: options that must hold `services` where the job needs some. */
export type WithServices<R, Options> = [R] extends [never] ? [options?: Options]
  : [
    options: Options & {
      /** What the job's functions need, such as `Context.make(Rates, { of: (currency) => 1.08 })`. */
      readonly services: Context.Context<R>;
    },
  ];
