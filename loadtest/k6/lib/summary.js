// What a run leaves behind: a short text for people, and with SUMMARY=file.json one JSON object whose form does not depend on k6's version.

import { MODEL, text, URL } from "./settings.js";

/**
 * @typedef {{ok: boolean}} Verdict
 * @typedef {{type: string, contains: string, values: Record<string, number>, thresholds?: Record<string, Verdict>}} Metric
 * @typedef {{name: string, passes: number, fails: number}} Check
 * @typedef {{metrics: Record<string, Metric>, state: {testRunDurationMs: number}, root_group: {checks: Check[]}}} Data
 */

/** The statistics of every trend, for `options.summaryTrendStats`. */
export const STATS = ["avg", "min", "med", "p(90)", "p(95)", "p(99)", "max", "count"];

/**
 * @param {Data} data
 * @returns {{metric: string, rule: string, passed: boolean}[]}
 */
function verdicts(data) {
  const found = [];
  for (const [metric, { thresholds }] of Object.entries(data.metrics)) {
    for (const [rule, { ok }] of Object.entries(thresholds || {})) found.push({ metric, rule, passed: ok });
  }
  return found.sort((one, other) => (one.metric < other.metric ? -1 : 1));
}

/** @param {number | undefined} value */
function short(value) {
  return value === undefined ? "-" : String(Math.round(value * 1000) / 1000);
}

/** One line of what a metric came to.
 * @param {Metric} metric
 */
function told({ type, contains, values }) {
  const unit = contains === "time" ? " ms" : "";
  if (type === "trend") return `p50 ${short(values["med"])}, p95 ${short(values["p(95)"])}, p99 ${short(values["p(99)"])}${unit}`;
  if (type === "rate") return `${short((values["rate"] || 0) * 100)} %`;
  if (type === "gauge") return `${short(values["value"])} (greatest ${short(values["max"])})`;
  return `${short(values["count"])} (${short(values["rate"])} a second)`;
}

/** Metrics that a person wants to see, whatever the script: k6's usual ones first, then the scripts' own. */
const SHOWN = /^(http_reqs|http_req_failed|http_req_waiting|http_req_duration|dropped_iterations|checks|tollway_\w+)$/;

/**
 * A `handleSummary` for the script of this name.
 * @param {string} script
 */
export function summary(script) {
  const file = text("SUMMARY", "");
  return (/** @type {Data} */ data) => {
    const judged = verdicts(data);
    const passed = judged.every((each) => each.passed);
    const lines = [`\n${script} on ${URL}, model ${MODEL}: ${passed ? "passed" : "FAILED"}\n`];
    for (const [name, metric] of Object.entries(data.metrics).sort()) {
      if (SHOWN.test(name)) lines.push(`  ${name.padEnd(28)} ${told(metric)}`);
    }
    lines.push("");
    const checks = data.root_group.checks.map(({ name, passes, fails }) => ({ name, passes, fails }));
    for (const { name, passes, fails } of checks) {
      if (fails) lines.push(`  FAILED  check: ${name} (${fails} of ${passes + fails})`);
    }
    for (const { metric, rule, passed: ok } of judged) lines.push(`  ${ok ? "ok     " : "CROSSED"} ${metric}: ${rule}`);
    /** @type {Record<string, string>} */
    const outputs = { stdout: `${lines.join("\n")}\n` };
    if (file) {
      const metrics = Object.fromEntries(Object.entries(data.metrics).map(([name, { values }]) => [name, values]));
      const seconds = data.state.testRunDurationMs / 1000;
      outputs[file] = `${JSON.stringify({ script, url: URL, model: MODEL, seconds, passed, thresholds: judged, checks, metrics }, null, 2)}\n`;
    }
    return outputs;
  };
}
