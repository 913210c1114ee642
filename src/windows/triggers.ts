/**
 * Triggers: when a window fires.
 *
 * A *condition* is about one pane, that is, what has come since the window last fired. A *trigger* says which condition
 * fires panes when, and how often.
 *
 * @module
 */
export {
  afterCount,
  afterEventTime,
  afterProcessingTime,
  allOf,
  atWatermark,
  type AtWatermarkOptions,
  type Condition,
  type ConditionRule,
  type FiresOnce,
  type FiresRepeatedly,
  firstOf,
  once,
  repeatedly,
  type Trigger,
  type TriggerRule,
} from "./trigger.ts";
