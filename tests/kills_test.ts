/** Processes that are killed, taken over and woken from the dead, over real files. */
import assert from "node:assert/strict";
import { killInLanes, runUndisturbed } from "../reliability/kills/killing.ts";
import { startWorker } from "../reliability/kills/process.ts";
import { verifyEnded, verifyKilled } from "../reliability/kills/verify.ts";
import { Seeded } from "../src/testing/simulation/seeded.ts";

const seed = Number(Deno.env.get("WEIR_SEED") ?? 1);

const inFolder = async (body: (folder: string) => Promise<void>): Promise<void> => {
  const folder = await Deno.makeTempDir();
  await body(folder);
  // Not where it has failed: processes may still write there, and an error of the removal would hide what went wrong.
  await Deno.remove(folder, { recursive: true });
};

const delay = (millis: number): Promise<void> => new Promise((wake) => setTimeout(wake, millis));

/** How many readings a file has where one run after the other is to end. */
const fewReadings = 800;

// epochs        1    2    3    4    5    6 …            the end
//               |----|----|--x                          SIGKILL at any time, a hundred times over several jobs
//                         |----|----|-x
// told          1    2    3    4    5                   whatever was told of is there,
// positions          =         =                        and state, output and positions are of one instant
Deno.test("a hundred kills lose no acknowledged epoch, and the outputs are those of an undisturbed run", () =>
  inFolder(async (folder) => {
    const undisturbed = await runUndisturbed(folder, seed);
    const killed = await killInLanes({ folder, undisturbed, seed, kills: 100, restoreShare: 10 });
    assert.equal(killed.kills, 100);
    // A kill that finds nothing under way shows nothing.
    assert.ok(killed.epochs >= 100, `${killed.epochs} epochs were told of`);
    assert.ok(killed.jobs >= 3, `${killed.jobs} jobs came to their end`);
    assert.ok(killed.restored >= 5, `${killed.restored} states were taken on`);
  }));

// first     claim |----|----|--x Fenced
// second                   claim |----|----|----| ended
Deno.test("a process that starts while another runs the job takes it over, and the other one ends as fenced", () =>
  inFolder(async (folder) => {
    const undisturbed = await runUndisturbed(folder, seed, 4 * fewReadings);
    const job = { folder: `${folder}/job`, files: undisturbed.files };
    const first = startWorker(job.folder, job.files);
    await first.hasTold(1);
    const second = startWorker(job.folder, job.files);
    const [lost, won] = await Promise.all([first.end, second.end]);
    assert.deepEqual([lost?.say, won?.say], ["failed", "ended"], JSON.stringify([lost, won]));
    assert.ok(lost?.say === "failed" && lost.error === "Fenced", JSON.stringify(lost));
    assert.match(lost.message, /^Cannot .* of job "readings" as another process has claimed it: the lost claim is /);
    await verifyEnded({ ...job, undisturbed: undisturbed.folder });
  }));

// first     claim |----|--(stopped)------------------------(goes on)-x Fenced
// second                        claim |----|----|----| ended
Deno.test("a process that was stopped, taken over and goes on changes nothing any more, and ends as fenced", () =>
  inFolder(async (folder) => {
    const undisturbed = await runUndisturbed(folder, seed, fewReadings);
    const random = new Seeded(seed);
    for (let k = 0; k < 4; k++) {
      const job = { folder: `${folder}/job-${k}`, files: undisturbed.files };
      const zombie = startWorker(job.folder, job.files);
      await zombie.hasTold(1 + random.below(10));
      await delay(random.next() * 10);
      zombie.kill("SIGSTOP");
      const owner = startWorker(job.folder, job.files);
      // Where it was stopped in the midst of a commit it holds the lock of the file, so nobody can take over yet.
      while (await Promise.race([owner.hasTold(1).then(() => false), delay(1_000).then(() => true)])) {
        zombie.kill("SIGCONT");
        await delay(random.next() * 10);
        zombie.kill("SIGSTOP");
      }
      assert.equal((await owner.end)?.say, "ended");
      await verifyEnded({ ...job, undisturbed: undisturbed.folder });
      zombie.kill("SIGCONT");
      const end = await zombie.end;
      assert.ok(end?.say === "failed" && end.error === "Fenced", JSON.stringify(end));
      await verifyEnded({ ...job, undisturbed: undisturbed.folder });
    }
  }));

Deno.test("the checks after a kill notice an epoch that is gone, a line that is missing and a total that is wrong", () =>
  inFolder(async (folder) => {
    const { files, folder: done } = await runUndisturbed(folder, seed, 100);
    const verify = (told: number) => verifyKilled({ folder: done, files, told, restores: false });
    const last = startWorker(done, files);
    const end = await last.end;
    assert.ok(end?.say === "ended");
    assert.equal(await verify(end.epoch), end.epoch);
    await assert.rejects(verify(end.epoch + 1), /was told of, but/);
    await assert.rejects(verify(end.epoch - 2), /was the last one told of/);

    const path = `${done}/read.ndjson`;
    const text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, text.slice(text.indexOf("\n") + 1));
    await assert.rejects(verify(end.epoch), /lines/);
    await assert.rejects(verifyEnded({ folder: done, undisturbed: done, files }), assert.AssertionError);
    await Deno.writeTextFile(path, text);

    {
      using kv = await Deno.openKv(`${done}/running.kv`);
      await kv.set(["running", "a"], { count: 1, sum: 1 });
    }
    await assert.rejects(verify(end.epoch), assert.AssertionError);
    await assert.rejects(verifyEnded({ folder: done, undisturbed: done, files }), assert.AssertionError);
  }));
