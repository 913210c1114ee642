/** Writing cases down, for whoever has to understand one that fails. */
import type * as Oracle from "../oracle.ts";
import type { AssignerPlan, Plan, Setting, Step, WindowPlan } from "./plan.ts";

const writeSteps = (steps: ReadonlyArray<Step>): string => steps.map(writeStep).join(" ");

const writeStep = (step: Step): string => {
  switch (step.step) {
    case "map":
      return `map(v + ${step.add})`;
    case "filter":
      return `filter(v % ${step.mod} != 0)`;
    case "flatMap":
      return `flatMap(id % ${step.mod} copies)`;
    case "effect":
      return `mapEffect(${step.yields ? "yields" : "at once"}, ${step.concurrency} at a time${
        step.millis ? `, up to ${step.millis} ms` : ""
      })`;
    case "refuse":
      return `refuse(id % ${step.mod} == 0 ${step.how}, ${step.dead === "drop" ? "dropped" : `to dead ${step.dead}`})`;
    case "keyBy":
      return `keyBy(k % ${step.mod})`;
    case "branch":
      return `branch(v % ${step.mod} == 0 ? ${writeSteps(step.some) || "-"} : ${writeSteps(step.rest) || "-"})`;
  }
};

const writeAssigner = ({ kind, ...options }: AssignerPlan): string =>
  `${kind}(${Object.entries(options).map(([name, value]) => `${name} ${value}`).join(", ")})`;

const writeCondition = (condition: Oracle.Condition): string => {
  switch (condition.kind) {
    case "afterCount":
      return `afterCount(${condition.count})`;
    case "afterEventTime":
      return `afterEventTime(${condition.interval})`;
    default:
      return `${condition.kind}(${condition.conditions.map(writeCondition).join(", ")})`;
  }
};

const writeTrigger = (trigger: Oracle.Trigger): string => {
  if (trigger.kind !== "atWatermark") return `${trigger.kind}(${writeCondition(trigger.condition)})`;
  const { early, late, onTime } = trigger;
  return `atWatermark(early: ${early === null ? "none" : writeCondition(early)}, late: ${
    writeCondition(late)
  }, onTime: ${onTime})`;
};

const writeOnce = (once: WindowPlan["once"]): string =>
  once === null ? "" : `deduplicate(keep ${once.keep}, within ${once.within}, late: ${once.late}) `;

/** How many records of a split are written down. */
const writtenMax = 50;

export const writePlan = (plan: Plan): string => {
  const lines = plan.sources.flatMap(({ splits, before, bound, idles }, s) => [
    `source ${s}: ${writeSteps(before)} eventTime(bound ${bound}${idles ? " idleAfter" : ""})`,
    ...splits.map((records, k) =>
      `  split ${k} (${records.length} records): ${
        records.slice(0, writtenMax).map(({ id, at, k, v }) => `#${id} at ${at} k=${k} v=${v}`).join(", ")
      }${records.length > writtenMax ? " ..." : ""}`
    ),
  ]);
  if (plan.sources.length > 1) lines.push(`joined ${plan.joined} event time`);
  lines.push(`then: ${writeSteps(plan.steps)}${plan.copy ? " (also to a sink)" : ""}`);
  plan.windows.forEach((
    { steps, keys, keyed, once, assigner, stats, trigger, panes, lateness, late, preAggregate },
    w,
  ) =>
    lines.push(
      `window ${w}: ${writeSteps(steps)} keyBy(k % ${keys}) ${writeSteps(keyed)} ${writeOnce(once)}${
        writeAssigner(assigner)
      } ${writeTrigger(trigger)} ${panes} lateness ${lateness} late: ${late}${
        preAggregate ? " preAggregate" : ""
      }, of ${stats.join(" ")}`,
    )
  );
  if (plan.ranking !== null) {
    const { keys, ids, n, entriesMax } = plan.ranking;
    lines.push(`ranking: keyBy(k % ${keys}) topN(n ${n}, by v, id: id % ${ids}, entriesMax ${entriesMax})`);
  }
  if (plan.second !== null) {
    const { effect, keys, assigner, lateness } = plan.second;
    lines.push(
      `second: ${effect ? "mapEffect " : ""}keyBy(key % ${keys}) ${writeAssigner(assigner)} lateness ${lateness}`,
    );
  }
  if (plan.third !== null) lines.push(`third: tumbling ${plan.third}`);
  return lines.join("\n");
};

export const writeSetting = ({ faults, ...options }: Setting): string =>
  [
    ...Object.entries(options).map(([name, value]) => `${name} ${value}`),
    ...faults.map(([n, fate]) => `${fate} commit ${n}`),
  ]
    .join(", ");
