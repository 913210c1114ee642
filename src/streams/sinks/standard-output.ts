/**
 * Standard output: lines go out in order, and no faster than they are read.
 *
 * @module
 */
import { Effect, Semaphore } from "effect";

/** How many characters are gathered for one write, about. */
const writeCharactersMin = 262_144;

/** Lines of different sinks do not mix. */
const oneWriter = Semaphore.makeUnsafe(1);

/**
 * Writes lines, and ends when all of them have been taken. Not interruptible: half a line must not be left behind.
 *
 * It fails with what Deno threw, which is `Deno.errors.BrokenPipe` where nobody reads any more.
 */
export const printLines = (lines: ReadonlyArray<string>): Effect.Effect<void, { readonly thrown: unknown }> =>
  Effect.tryPromise({ try: () => write(lines), catch: (thrown) => ({ thrown }) }).pipe(
    Effect.uninterruptible,
    oneWriter.withPermits(1),
  );

const write = async (lines: ReadonlyArray<string>): Promise<void> => {
  const encoder = new TextEncoder();
  let text = "";
  for (let i = 0; i < lines.length; i++) {
    text += `${lines[i]}\n`;
    if (text.length < writeCharactersMin && i + 1 < lines.length) continue;
    const bytes = encoder.encode(text);
    for (let written = 0; written < bytes.length;) written += await Deno.stdout.write(bytes.subarray(written));
    text = "";
  }
};
