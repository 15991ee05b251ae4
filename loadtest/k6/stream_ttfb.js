// Streams at a constant rate, and the time to their first byte: k6's `http_req_waiting`. Read loadtest/README.md for what that is, and is not.

import { ask, wholeStream } from "./lib/chat.js";
import { constant, SENT_AS_PLANNED, stopping } from "./lib/load.js";
import { fresh } from "./lib/prompts.js";
import { number, rate, seconds } from "./lib/settings.js";
import { STATS, summary } from "./lib/summary.js";

const TTFB_MS = number("TTFB_MS", 2000, { least: 1 });

/** @type {import("k6/options").Options} */
export const options = {
  scenarios: { streams: constant(rate(10), seconds("DURATION", "30s")) },
  thresholds: {
    http_req_failed: [stopping("rate<0.01")],
    http_req_waiting: [stopping(`p(95)<${TTFB_MS}`)],
    checks: ["rate>0.99"],
    ...SENT_AS_PLANNED,
  },
  summaryTrendStats: STATS,
};

export default function () {
  wholeStream(ask(fresh(), { stream: true }));
}

export const handleSummary = summary("stream_ttfb");
