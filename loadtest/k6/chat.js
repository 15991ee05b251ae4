// Plain answers at a constant rate: the run to quote latency from. Late requests cannot hide: what could not be started in time is counted.

import { ask, whole } from "./lib/chat.js";
import { constant, SENT_AS_PLANNED, stopping } from "./lib/load.js";
import { fresh } from "./lib/prompts.js";
import { number, rate, seconds } from "./lib/settings.js";
import { STATS, summary } from "./lib/summary.js";

const P95_MS = number("P95_MS", 10000, { least: 1 });

/** @type {import("k6/options").Options} */
export const options = {
  scenarios: { chat: constant(rate(20), seconds("DURATION", "30s")) },
  thresholds: {
    http_req_failed: [stopping("rate<0.01")],
    http_req_duration: [stopping(`p(95)<${P95_MS}`, "5s")],
    checks: ["rate>0.99"],
    ...SENT_AS_PLANNED,
  },
  summaryTrendStats: STATS,
};

export default function () {
  whole(ask(fresh()));
}

export const handleSummary = summary("chat");
