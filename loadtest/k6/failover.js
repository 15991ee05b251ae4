// A model whose first target fails, at a constant rate: clients must not notice, and the answers must say that somebody stood in.

import { check } from "k6";
import { Counter, Trend } from "k6/metrics";
import { ask, header, whole } from "./lib/chat.js";
import { constant, SENT_AS_PLANNED, stopping } from "./lib/load.js";
import { fresh } from "./lib/prompts.js";
import { number, rate, seconds, text } from "./lib/settings.js";
import { STATS, summary } from "./lib/summary.js";

/** The provider that fails, by its name in the gateway's configuration. Unset: any second attempt will do as a sign. */
const BROKEN = text("BROKEN", "");
const P95_MS = number("P95_MS", 10000, { least: 1 });

const stoodIn = new Counter("tollway_stood_in");
const attempts = new Trend("tollway_attempts");

/** @type {import("k6/options").Options} */
export const options = {
  scenarios: { failover: constant(rate(20), seconds("DURATION", "30s")) },
  thresholds: {
    http_req_failed: [stopping("rate<0.005")],
    http_req_duration: [`p(95)<${P95_MS}`],
    tollway_stood_in: ["count>0"],
    // The retry budget: a broken target must not multiply the load.
    tollway_attempts: ["avg<=1.2"],
    checks: ["rate>0.995"],
    ...SENT_AS_PLANNED,
  },
  summaryTrendStats: STATS,
};

export default function () {
  const answer = ask(fresh());
  whole(answer);
  const tries = Number(header(answer, "x-tollway-attempts"));
  if (tries > 0) attempts.add(tries);
  if (answer.status === 200 && tries > 1) stoodIn.add(1);
  if (BROKEN) check(answer, { "the broken provider answered nothing": () => header(answer, "x-tollway-provider") !== BROKEN });
}

export const handleSummary = summary("failover");
