// Shapes of load. All are open: a request starts when it is due, so a slow gateway cannot slow the load down and hide its queue.

import { ANSWER_S, MAX_VUS } from "./settings.js";

const GRACE = "10s";

/** How many virtual users to begin with: as many as have a request under way while answers take ANSWER_S. One that has to be made first
 * costs the request that it was for.
 * @param {number} rate
 */
function users(rate) {
  return { preAllocatedVUs: Math.min(MAX_VUS, Math.ceil(rate * ANSWER_S) + 5), maxVUs: MAX_VUS };
}

/**
 * The same number of requests each second.
 * @param {number} rate requests a second; a fraction will do
 * @param {number} seconds
 * @param {string} [exec] name of the exported function that asks
 * @returns {import("k6/options").ConstantArrivalRateScenario}
 */
export function constant(rate, seconds, exec = "default") {
  return {
    executor: "constant-arrival-rate",
    rate: Math.max(1, Math.round(rate * 60)),
    timeUnit: "1m",
    duration: `${seconds}s`,
    gracefulStop: GRACE,
    exec,
    ...users(rate),
  };
}

/**
 * Evenly from one rate to another.
 * @param {number} from requests a second
 * @param {number} to requests a second
 * @param {number} seconds
 * @returns {import("k6/options").RampingArrivalRateScenario}
 */
export function rising(from, to, seconds) {
  return {
    executor: "ramping-arrival-rate",
    startRate: from,
    timeUnit: "1s",
    stages: [{ target: to, duration: `${seconds}s` }],
    gracefulStop: GRACE,
    ...users(to),
  };
}

/**
 * So many requests one after the other, by one user.
 * @param {number} count
 * @param {number} seconds the most that they may take together
 * @returns {import("k6/options").SharedIterationsScenario}
 */
export function inTurn(count, seconds) {
  return { executor: "shared-iterations", vus: 1, iterations: count, maxDuration: `${seconds}s`, gracefulStop: "0s" };
}

/**
 * A threshold that stops the run as soon as it is crossed, once there has been time to see enough.
 * @param {string} threshold
 * @param {string} [after]
 * @returns {import("k6/options").ObjectThreshold}
 */
export function stopping(threshold, after = "2s") {
  return { threshold, abortOnFail: true, delayAbortEval: after };
}

/** Without this a load that was never sent would look like one that was borne. Of a run that is stopped early k6 counts none. */
export const SENT_AS_PLANNED = { dropped_iterations: ["count<1"] };
