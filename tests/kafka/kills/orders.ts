/**
 * The orders that the job of the kills reads, and what must come of them: counted by a loop that shares nothing with Weir.
 *
 * @module
 */

/** How many users there are. All orders of one are in one partition, so their order is certain. */
export const users = 500;

/** Every how many orders of a user the running total is said. */
export const totalEvery = 20;

/** One order. */
export interface Order {
  readonly user: string;
  readonly amount: number;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** The order of a number: some are up to three seconds older than those before them. */
export const orderOf = (n: number): Order => ({
  user: `user-${(n * 7_919) % users}`,
  amount: (n * 31) % 997,
  at: 1_700_000_000_000 + n * 10 - (n % 13 === 0 ? (n * 17) % 3_000 : 0),
});

/** How long a window is, in milliseconds. */
export const windowMillis = 10_000;

/** What the topic of windows must hold: `user start count sum`, each once; sorted. */
export const expectedWindows = (count: number): ReadonlyArray<string> => {
  const windows = new Map<string, [count: number, sum: number]>();
  for (let n = 0; n < count; n++) {
    const { user, amount, at } = orderOf(n);
    const id = `${user} ${Math.floor(at / windowMillis) * windowMillis}`;
    const window = windows.get(id) ?? [0, 0];
    window[0]++;
    window[1] += amount;
    windows.set(id, window);
  }
  return Array.from(windows, ([id, [count, sum]]) => `${id} ${count} ${sum}`).sort();
};

/** What the topic of running totals must hold: `user count sum` behind every so many orders of a user, and in the end. */
export const expectedTotals = (count: number): ReadonlyArray<string> => {
  const totals = new Map<string, [count: number, sum: number]>();
  const said: Array<string> = [];
  for (let n = 0; n < count; n++) {
    const { user, amount } = orderOf(n);
    const total = totals.get(user) ?? [0, 0];
    total[0]++;
    total[1] += amount;
    totals.set(user, total);
    if (total[0] % totalEvery === 0) said.push(`${user} ${total[0]} ${total[1]}`);
  }
  for (const [user, [count, sum]] of totals) if (count % totalEvery !== 0) said.push(`${user} ${count} ${sum}`);
  return said.sort();
};
