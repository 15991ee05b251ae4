// How much can it take? The rate rises evenly until answers are late or fail; `tollway_ramp_rate` says how far it came.

import exec from "k6/execution";
import { Gauge } from "k6/metrics";
import { ask, whole } from "./lib/chat.js";
import { rising, stopping } from "./lib/load.js";
import { fresh } from "./lib/prompts.js";
import { number, rate, seconds } from "./lib/settings.js";
import { STATS, summary } from "./lib/summary.js";

const FROM = rate(5);
const TO = rate(200, "PEAK");
const SECONDS = seconds("DURATION", "1m");
const P95_MS = number("P95_MS", 10000, { least: 1 });

const reached = new Gauge("tollway_ramp_rate");

/** @type {import("k6/options").Options} */
export const options = {
  scenarios: { ramp: rising(FROM, TO, SECONDS) },
  thresholds: {
    http_req_failed: [stopping("rate<0.01")],
    http_req_duration: [stopping(`p(95)<${P95_MS}`)],
    // A load that k6 itself could not send says nothing about the gateway.
    dropped_iterations: [stopping("count<1", "0s")],
  },
  summaryTrendStats: STATS,
};

export default function () {
  const passed = exec.instance.currentTestRunDuration / 1000;
  reached.add(FROM + (TO - FROM) * Math.min(1, passed / SECONDS));
  whole(ask(fresh()));
}

export const handleSummary = summary("ramp");
