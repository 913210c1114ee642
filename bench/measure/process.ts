/**
 * What this process has taken of the machine.
 *
 * @module
 */
import process from "node:process";

/** User and system time of all threads of this process, in seconds. */
export const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** The most memory that this process has had at one time, as the system counts it (VmHWM), in bytes. */
export const peakMemoryBytes = (): number => process.resourceUsage().maxRSS * 1_024;
