/**
 * The process that runs the job, seen from outside.
 *
 * @module
 */
import type { InputFile } from "./readings.ts";
import type { Said } from "./worker.ts";

/** A process that runs the job. */
export interface Worker {
  readonly kill: (signal: Deno.Signal) => void;
  /** The last epoch of which it has told so far; 0 before. */
  readonly told: () => number;
  /** Waits until an epoch has been told of, or the process is gone. */
  readonly hasTold: (epoch: number) => Promise<void>;
  /** How it ended, once it is gone and all it said has been heard; `null` if it was killed. */
  readonly end: Promise<Extract<Said, { say: "ended" | "failed" }> | null>;
}

const root = decodeURIComponent(new URL("../../", import.meta.url).pathname);

/** Starts a process that runs the job over some files, its output and state in a folder. */
export const startWorker = (folder: string, files: ReadonlyArray<InputFile>): Worker => {
  const inputs = files.map(({ path }) => path);
  const child = new Deno.Command("deno", {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--no-check",
      "--cached-only",
      `--allow-read=${[folder, ...inputs].join(",")}`,
      `--allow-write=${folder}`,
      `${root}reliability/kills/worker.ts`,
      folder,
      ...inputs,
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let told = 0;
  let end: Extract<Said, { say: "ended" | "failed" }> | null = null;
  let listeners: Array<{ readonly epoch: number; readonly heard: () => void }> = [];
  const hear = (epoch: number): void => {
    for (const { heard } of listeners.filter((one) => one.epoch <= epoch)) heard();
    listeners = listeners.filter((one) => one.epoch > epoch);
  };
  const listen = async (): Promise<void> => {
    let rest = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = `${rest}${text}`.split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const said = JSON.parse(line) as Said;
        if (said.say === "committed") hear(told = Math.max(told, said.epoch));
        else end = said;
      }
    }
    hear(Infinity);
  };
  const ended = async (): Promise<typeof end> => {
    const [, errors, { signal, code }] = await Promise.all([listen(), new Response(child.stderr).text(), child.status]);
    if (signal === "SIGKILL") return null;
    if (end === null) throw new Error(`The worker ended with ${signal ?? code} and said nothing of it:\n${errors}`);
    return end;
  };
  return {
    kill: (signal) => child.kill(signal),
    told: () => told,
    hasTold: (epoch) =>
      new Promise((heard) => {
        if (told >= epoch) heard();
        else listeners.push({ epoch, heard });
      }),
    end: ended(),
  };
};
