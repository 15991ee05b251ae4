// Prompts: one that nobody asked before, or one of a fixed set by how popular it is. Numbers come from a seed, so runs can be repeated.

import exec from "k6/execution";
import { number } from "./settings.js";

const SEED = number("SEED", 1);

/** One run's prompts differ from another's, so that no cache of an earlier run has the answer. */
const RUN = __ENV.SEED ? String(SEED) : Date.now().toString(36);

/** A prompt that no other iteration has. */
export function fresh() {
  return `How long is the road to milestone ${exec.scenario.name}-${exec.scenario.iterationInTest} of journey ${RUN}?`;
}

/**
 * A prompt of a set that every run shares, numbered from 0 by popularity.
 * @param {number} index
 */
export function popular(index) {
  return `Who keeps the bridge of village number ${index}?`;
}

/**
 * Numbers from 0 to 1, the same for the same seed (a linear congruential generator of 32 bits, mixed).
 * @param {number} seed
 */
export function randomNumbers(seed) {
  let state = (seed + 1) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 16), 0x45d9f3b);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}

/**
 * Draws from 0 .. count-1 so that number n comes with a weight of 1 / (n+1)^exponent: Zipf's law, as popular questions do.
 * @param {number} count
 * @param {number} exponent
 */
export function zipf(count, exponent) {
  const upTo = new Array(count);
  let total = 0;
  for (let each = 0; each < count; each += 1) {
    total += 1 / (each + 1) ** exponent;
    upTo[each] = total;
  }
  const random = randomNumbers(SEED * 7919 + __VU);
  return () => {
    const drawn = random() * total;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (upTo[middle] < drawn) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}
