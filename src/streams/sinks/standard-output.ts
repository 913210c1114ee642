/**
 * Standard output: lines go out in order, and no faster than they are read.
 *
 * @module
 */
import { Effect, Semaphore } from "effect";

/** How many characters are encoded at once, about. */
const encodeCharactersMin = 262_144;

/** Lines of different sinks do not mix. */
const oneWriter = Semaphore.makeUnsafe(1);

/**
 * How many bytes are written at once: Linux's `PIPE_BUF`. A pipe that was set not to block takes so many as a whole or not
 * at all; of more it may take a part, and Deno does not say which.
 */
const writeBytesMax = 4_096;

/** How long to wait where a pipe that was set not to block is full, in milliseconds. */
const fullPipeMillis = 10;

/**
 * Writes lines, and ends when all of them have been taken. Not interruptible: half a line must not be left behind.
 *
 * It fails with what Deno threw, which is `Deno.errors.BrokenPipe` where nobody reads any more.
 */
export const printLines = (lines: ReadonlyArray<string>): Effect.Effect<void, { readonly thrown: unknown }> =>
  Effect.gen(function* () {
    const encoder = new TextEncoder();
    let text = "";
    for (let i = 0; i < lines.length; i++) {
      text += `${lines[i]}\n`;
      if (text.length < encodeCharactersMin && i + 1 < lines.length) continue;
      const bytes = encoder.encode(text);
      for (let written = 0; written < bytes.length;) {
        const count = yield* write(bytes.subarray(written, written + writeBytesMax));
        if (count === 0) yield* Effect.sleep(fullPipeMillis);
        written += count;
      }
      text = "";
    }
  }).pipe(Effect.uninterruptible, oneWriter.withPermits(1));

/** Writes what is taken of some bytes, and says how many that are. */
const write = (bytes: Uint8Array): Effect.Effect<number, { readonly thrown: unknown }> =>
  Effect.tryPromise({ try: () => Deno.stdout.write(bytes), catch: (thrown) => ({ thrown }) }).pipe(
    // Another process may have set the pipe not to block.
    Effect.catch((error) => error.thrown instanceof Deno.errors.WouldBlock ? Effect.succeed(0) : Effect.fail(error)),
  );
