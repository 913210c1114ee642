/** Windows of a number of records, for one key. Time plays no part in them but for what they are called. */
import type { Entry, Said, Summary, Windows } from "./window.ts";

export const countWindows = <A, B>(
  { size, slide }: { readonly size: number; readonly slide: number },
  { summary }: { readonly summary: Summary<A, B> },
): Windows<A, B> => {
  const seen: Array<Entry<A>> = [];
  /** What is said about the window that the last record fills, or that it was filling. */
  const say = (): Said<B> => {
    const full = Math.ceil(seen.length / slide) * slide;
    const entries = seen.slice(Math.max(0, full - size));
    const times = entries.map(({ time }) => time);
    return {
      window: { start: Math.min(...times), end: Math.max(...times) + 1 },
      value: summary(entries),
      pane: 0,
      timing: "on-time",
      final: true,
    };
  };
  return {
    add: (entry) => {
      seen.push(entry);
      return { said: seen.length % slide === 0 ? [say()] : [], admitted: false };
    },
    advance: (to) => to === Infinity && seen.length % slide > 0 ? [say()] : [],
  };
};
