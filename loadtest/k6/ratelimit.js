// The contract of a limit. A key of LIMIT requests a minute is asked for more: no more than that pass, and each refusal is a 429 that a
// client can work with. Needs a key of its own that nothing else used in the last minute. PATIENCE=5s: is `retry-after` kept, where it is that short?

import { check, sleep } from "k6";
import { Counter } from "k6/metrics";
import { ask, errorOf, header, whole } from "./lib/chat.js";
import { inTurn, stopping } from "./lib/load.js";
import { fresh } from "./lib/prompts.js";
import { number, text, seconds } from "./lib/settings.js";
import { STATS, summary } from "./lib/summary.js";

const LIMIT = number("LIMIT", 10, { least: 1, most: 10000 });
const MORE = number("MORE", 5, { least: 1, most: 10000 });
const PATIENCE_S = text("PATIENCE", "") ? seconds("PATIENCE", "") : 0;

/** A window lets go of a request a full minute later, and up to a sixtieth of it. */
const LONGEST_S = 61;

const passed = new Counter("tollway_passed");
const refused = new Counter("tollway_refused");

/** @type {import("k6/options").Options} */
export const options = {
  scenarios: { limit: inTurn(LIMIT + MORE, seconds("DURATION", "50s")) },
  thresholds: {
    checks: [stopping("rate==1", "0s")],
    tollway_passed: [stopping(`count<=${LIMIT}`, "0s"), "count>0"],
    tollway_refused: ["count>0"],
    http_req_failed: ["rate==0"],
  },
  summaryTrendStats: STATS,
};

const SECONDS = /^\d+$/;

/** Was a promise of `retry-after` looked at? Time has passed since, so the rest would count anew. */
let kept = false;

export default function () {
  if (kept) return;
  const answer = ask(fresh(), { expected: [200, 429] });
  if (answer.status !== 429) {
    passed.add(1);
    whole(answer);
    check(answer, {
      "the answer says what the limit is": () => Number(header(answer, "x-ratelimit-limit-requests")) === LIMIT,
      "the answer says what is left": () => SECONDS.test(header(answer, "x-ratelimit-remaining-requests")),
      "the answer says when it is whole again": () => /\d(ms|s|m|h)$/.test(header(answer, "x-ratelimit-reset-requests")),
    });
    return;
  }
  refused.add(1);
  errorOf(answer, 429, "rate_limit_exceeded");
  const wait = Number(header(answer, "retry-after"));
  check(answer, {
    "retry-after is whole seconds, of a minute at most": () =>
      SECONDS.test(header(answer, "retry-after")) && wait >= 1 && wait <= LONGEST_S,
    "retry-after-ms says the same more exactly": () => {
      const exactly = Number(header(answer, "retry-after-ms"));
      return exactly > 0 && exactly <= wait * 1000;
    },
    "it may be sent again": () => header(answer, "x-should-retry") !== "false",
    "nothing is left": () => header(answer, "x-ratelimit-remaining-requests") === "0",
  });
  if (wait <= PATIENCE_S) {
    sleep(wait);
    kept = true;
    check(ask(fresh(), { expected: [200, 429] }), { "after retry-after it passes": (r) => r.status === 200 });
  }
}

export const handleSummary = summary("ratelimit");
