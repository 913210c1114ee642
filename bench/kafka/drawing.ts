/**
 * The picture of what was measured.
 *
 * @module
 */
import { latencyPanel, type Panel, picture, ratePanel } from "../measure/pictures.ts";
import type { Latency } from "./latency.ts";
import { comparisonTable, type ContestReport } from "./report.ts";
import { clients, guarantees } from "./jobs.ts";

/** Rates of windows for each guarantee, and latencies where there are any. `cores` says what runs were held to. */
export const drawn = (
  reports: ReadonlyArray<ContestReport>,
  latencies: ReadonlyArray<Latency>,
  cores: string,
): string => {
  const labels = reports.map(({ partitions, bytes }) => `${partitions} × ${bytes} B`);
  const seriesOf = (name: string, key: string) => ({
    name,
    rates: reports.map(({ speeds }) => speeds[key]?.recordsPerSecond ?? null),
  });
  const ratePanels = guarantees.flatMap((guarantee): ReadonlyArray<Panel> => {
    const series = [
      ...clients.map((client) => seriesOf(`Weir, ${client}`, `weir ${client} ${guarantee}`)),
      ...clients.map((client) => seriesOf(`loop, ${client}`, `loop ${client}`)),
      seriesOf("Kafka Streams", `streams ${guarantee}`),
    ].filter(({ rates }) => rates.some((rate) => rate !== null));
    return reports.length === 0 || series.length === 0
      ? []
      : [ratePanel(`Records per second, ${guarantee}, ${cores}`, labels, series)];
  });
  const rows = [...new Set(latencies.map(({ partitions, epochMillis }) => `${partitions} × ${epochMillis} ms`))];
  const latencyPanels = guarantees.flatMap((guarantee): ReadonlyArray<Panel> => {
    const names = [...new Set(latencies.map(({ name }) => name))].filter((name) => name.endsWith(guarantee));
    if (names.length === 0) return [];
    const series = names.map((name) => ({
      name: name.slice(0, -guarantee.length - 1),
      quantiles: rows.map((row) =>
        latencies.find((one) => one.name === name && `${one.partitions} × ${one.epochMillis} ms` === row)?.seen ?? null
      ),
    }));
    return [latencyPanel(`From the record that closes a window to the reader, ${guarantee}`, rows, series)];
  });
  const words = comparisonTable(reports.flatMap(({ windows }) => windows), "loop");
  return picture("Weir between topics of Kafka", words, [...ratePanels, ...latencyPanels]);
};
