// A cache under questions as people ask them: few are popular, many are rare (Zipf). How many were answered from it, and how fast?

import { check } from "k6";
import { Rate, Trend } from "k6/metrics";
import { ask, header, whole } from "./lib/chat.js";
import { constant, SENT_AS_PLANNED, stopping } from "./lib/load.js";
import { popular, zipf } from "./lib/prompts.js";
import { number, rate, seconds } from "./lib/settings.js";
import { STATS, summary } from "./lib/summary.js";

const PROMPTS = number("PROMPTS", 200, { least: 1, most: 100000 });
const ZIPF = number("ZIPF", 1.1, { least: 0, most: 5 });
const HIT_RATIO = number("HIT_RATIO", 0.5, { least: 0, most: 1 });
const HIT_P95_MS = number("HIT_P95_MS", 100, { least: 1 });

const hits = new Rate("tollway_cache_hits");
const hit = new Trend("tollway_hit_duration", true);
const miss = new Trend("tollway_miss_duration", true);

/** @type {import("k6/options").Options} */
export const options = {
  scenarios: { mix: constant(rate(50), seconds("DURATION", "30s")) },
  thresholds: {
    http_req_failed: [stopping("rate<0.01")],
    tollway_cache_hits: [`rate>=${HIT_RATIO}`],
    tollway_hit_duration: [`p(95)<${HIT_P95_MS}`],
    checks: ["rate>0.99"],
    ...SENT_AS_PLANNED,
  },
  summaryTrendStats: STATS,
};

/** What the gateway says of an answer that was looked for in its cache. */
const LOOKED_UP = ["hit", "semantic-hit", "miss"];

const next = zipf(PROMPTS, ZIPF);

export default function () {
  const answer = ask(popular(next()), { fields: { temperature: 0 } });
  const said = header(answer, "x-tollway-cache");
  const found = said.endsWith("hit");
  hits.add(found);
  (found ? hit : miss).add(answer.timings.duration);
  whole(answer);
  check(answer, { "the cache was asked": () => LOOKED_UP.includes(said) });
}

export const handleSummary = summary("cache_mix");
