// Does it work at all? A handful of requests, one after the other: models, a plain answer, a stream, and errors as OpenAI has them.

import { check } from "k6";
import http from "k6/http";
import { ask, errorOf, header, headers, json, whole, wholeStream } from "./lib/chat.js";
import { inTurn, stopping } from "./lib/load.js";
import { fresh } from "./lib/prompts.js";
import { number, KEY, URL } from "./lib/settings.js";
import { STATS, summary } from "./lib/summary.js";

/** @type {import("k6/options").Options} */
export const options = {
  scenarios: { smoke: inTurn(number("ITERATIONS", 2, { least: 1, most: 100 }), 60) },
  thresholds: { checks: [stopping("rate==1", "0s")], http_req_failed: ["rate==0"] },
  summaryTrendStats: STATS,
};

export default function () {
  const listed = http.get(`${URL}/models`, { headers: headers(), responseType: "text" });
  check(listed, {
    "models are listed": (r) => r.status === 200 && json(/** @type {any} */ (r)).object === "list",
  });
  const plain = ask(fresh());
  whole(plain);
  check(plain, {
    "the answer says what was used": () => json(plain).usage?.total_tokens > 0,
    "the answer names its request": () => header(plain, "x-tollway-request-id") !== "",
  });
  wholeStream(ask(fresh(), { stream: true }));
  errorOf(ask(fresh(), { expected: [400], fields: { model: undefined } }), 400, "missing_required_parameter");
  if (KEY) errorOf(ask(fresh(), { key: "sk-tw-not-a-key", expected: [401] }), 401, "invalid_api_key");
}

export const handleSummary = summary("smoke");
