// What every script is told by the environment (`k6 run -e NAME=value`, or exported), with defaults that suit the demo on loopback.
// A value that cannot be read, or a load without an end, stops the script before it sends anything.

const LONGEST_S = 4 * 3600;
const MOST_PER_S = 10000;
/** @type {Record<string, number>} */
const UNITS = { ms: 0.001, s: 1, m: 60, h: 3600 };

/**
 * @param {string} name
 * @param {string} usual
 */
export function text(name, usual) {
  return __ENV[name] || usual;
}

/**
 * @param {string} name
 * @param {number} usual
 * @param {{least?: number, most?: number}} [bounds]
 */
export function number(name, usual, { least = 0, most = Infinity } = {}) {
  const given = __ENV[name];
  const found = given ? Number(given) : usual;
  if (!Number.isFinite(found) || found < least || found > most) {
    throw new Error(`${name} is ${given}: it must be a number from ${least} to ${most}. Example: -e ${name}=${usual}`);
  }
  return found;
}

/**
 * Whole seconds of a duration such as `90s`, `3m` or `1h30m`; never more than four hours, so that no load is forgotten.
 * @param {string} name
 * @param {string} usual
 */
export function seconds(name, usual) {
  const given = text(name, usual);
  if (!/^(\d+(ms|s|m|h))+$/.test(given)) {
    throw new Error(`${name} is ${given}: it must be a duration such as 30s, 3m or 1h30m.`);
  }
  let total = 0;
  for (const [, count, unit] of given.matchAll(/(\d+)(ms|s|m|h)/g)) {
    total += Number(count) * (UNITS[unit || "s"] || 0);
  }
  if (total < 1 || total > LONGEST_S) {
    throw new Error(`${name} is ${given}: it must lie between 1s and ${LONGEST_S / 3600}h. Run a longer load in parts.`);
  }
  return Math.round(total);
}

/** Base URL, ending with `/v1`. */
export const URL = text("TOLLWAY_URL", "http://127.0.0.1:8080/v1").replace(/\/+$/, "");
export const KEY = text("TOLLWAY_KEY", "");
export const MODEL = text("MODEL", "gpt-4o-mini");
/** Tokens of the longest answer: bounds what a load costs where tokens cost money. */
export const MAX_TOKENS = number("MAX_TOKENS", 64, { least: 1 });
/** Virtual users at most: requests that may be under way at once. */
export const MAX_VUS = number("MAX_VUS", 500, { least: 1, most: 20000 });
/** Seconds that an answer may take before k6 needs more users than it begins with. */
export const ANSWER_S = number("ANSWER_S", 3, { least: 0, most: 600 });

/** Requests a second, started whether or not those before were answered.
 * @param {number} usual
 * @param {string} [name]
 */
export function rate(usual, name = "RATE") {
  return number(name, usual, { least: 1, most: MOST_PER_S });
}
