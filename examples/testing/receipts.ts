/**
 * Sales with the number of their receipt: wrong, and found to be so.
 *
 * @module
 */
import { Flow, Job, Sink, Source } from "@weir/streams";

const sales = Array.from({ length: 20 }, (_, k) => ({ shop: "Bern", cents: 100 + k }));

export const makeReceipts = () => {
  let receipt = 0;
  return Job.make({
    name: "receipts",
    guarantee: "exactly-once",
    flows: [
      Flow.from(Source.array("sales", sales)).pipe(
        Flow.map(({ cents }) => ({ receipt: ++receipt, cents })),
        Flow.to(Sink.memory("receipts")),
      ),
    ],
  });
};
