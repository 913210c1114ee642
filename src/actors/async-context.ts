/**
 * Keeps fibers from holding on to their past.
 *
 * An Effect fiber that waits remembers the asynchronous context that it waits in, as an `AsyncResource`, and goes on in
 * that context. In Deno (seen in 2.9.6) a context entered this way keeps the resource it was entered through, and with it
 * the context before that: a chain without end, about a kilobyte for each time any fiber waits. A stream processor
 * waits for ever, so here a fiber goes on in the context of whoever woke it.
 *
 * @module
 */
import { AsyncResource } from "node:async_hooks";

/** The type under which Effect makes its resources. */
const fiberResource = "effect/Fiber";

let isDone = false;

/**
 * Lets fibers go on without entering the context that they waited in. Done once for the process, when its first job
 * starts; resources that are not Effect's are left as they are.
 *
 * What it costs: an `AsyncLocalStorage` no longer follows Effect fibers. Effect's own context does.
 */
export const forgetAsyncContexts = (): void => {
  if (isDone) return;
  isDone = true;
  const { prototype } = AsyncResource;
  const enter = prototype.runInAsyncScope;
  prototype.runInAsyncScope = function <This, Result>(
    this: AsyncResource,
    // deno-lint-ignore no-explicit-any -- the signature of the method that it stands for
    f: (this: This, ...args: any[]) => Result,
    thisArg?: This,
    // deno-lint-ignore no-explicit-any -- see above
    ...args: any[]
  ): Result {
    if ((this as { readonly type?: unknown }).type === fiberResource) return f.apply(thisArg as This, args);
    return enter.call(this, f as never, thisArg, ...args) as Result;
  };
};
