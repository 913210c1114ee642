import assert from "node:assert/strict";
import { checkExactlyOnce } from "@weir/streams/testing";

const sales = Array.from({ length: 20_000 }, (_, k) => ({
  shop: `shop ${k % 30}`,
  cents: 100 + k % 900,
  at: k * 1_000 + (k * 7_919) % 9_000,
}));

/** What should be written, by a plain loop. */
const expected = () => {
  const totals = new Map<string, { shop: string; minute: number; cents: number }>();
  for (const { shop, cents, at } of sales) {
    const minute = Math.floor(at / 60_000);
    const total = totals.get(`${shop} ${minute}`) ?? { shop, minute, cents: 0 };
    totals.set(`${shop} ${minute}`, { ...total, cents: total.cents + cents });
  }
  return totals.values();
};

/** How large a file is; 0 where there is none. */
const bytesOf = (path: string): Promise<number> => Deno.stat(path).then(({ size }) => size, () => 0);

Deno.test("a process that is killed again and again writes every total exactly once", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/sales.ndjson`, sales.map((sale) => `${JSON.stringify(sale)}\n`).join(""));
    const program = decodeURIComponent(new URL("process.ts", import.meta.url).pathname);
    const start = () =>
      new Deno.Command("deno", {
        args: ["run", "--quiet", "--no-prompt", `--allow-read=${folder}`, `--allow-write=${folder}`, program, folder],
        stdout: "null",
      }).spawn();

    for (let kill = 0; kill < 4; kill++) {
      const before = await bytesOf(`${folder}/totals.ndjson`);
      await using process = start();
      let ended = false;
      process.status.then(() => ended = true);
      // Whenever it has written more than the one before.
      while (!ended && await bytesOf(`${folder}/totals.ndjson`) === before) {
        await new Promise((next) => setTimeout(next, 5));
      }
      if (!ended) process.kill("SIGKILL");
    }
    const { code } = await start().status;
    assert.equal(code, 0);

    await checkExactlyOnce({ output: { ndjson: `${folder}/totals.ndjson` }, expected });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
