// Hours of everything at a modest rate: what grows, drifts or breaks late. The gateway's own gauges are watched beside it
// (`process_resident_memory_bytes`, `process_open_fds`, `tollway_inflight_requests`): k6 sees clients' answers alone.
//
// Plain answers, streams, clients that leave in the middle, malformed requests and repeated questions; with MODEL_FAILOVER a model whose
// first target fails, with KEY_LIMITED a key that is at its limit much of the time.

import { check } from "k6";
import exec from "k6/execution";
import { Counter } from "k6/metrics";
import { ask, errorOf, events, header, json, whole, wholeStream } from "./lib/chat.js";
import { constant, SENT_AS_PLANNED, stopping } from "./lib/load.js";
import { fresh, popular } from "./lib/prompts.js";
import { KEY, number, rate, seconds, text } from "./lib/settings.js";
import { STATS, summary } from "./lib/summary.js";

const RATE = rate(40);
const SECONDS = seconds("DURATION", "30m");
const P95_MS = number("P95_MS", 10000, { least: 1 });
const LEAVE_MS = number("LEAVE_MS", 200, { least: 10, most: 60000 });
const MODEL_FAILOVER = text("MODEL_FAILOVER", "");
const KEY_LIMITED = text("KEY_LIMITED", "");
/** A key of their own keeps what leavers were charged, which nobody can tell exactly, out of the others' sums. */
const KEY_LEAVER = text("KEY_LEAVER", KEY);

/** Parts of the load. Those that need something which is not there leave the rest as it is.
 * @type {Record<string, number>}
 */
const SHARES = {
  plain: 0.35,
  stream: 0.3,
  leaver: 0.1,
  mistake: 0.05,
  repeat: 0.1,
  ...(MODEL_FAILOVER && { failover: 0.05 }),
  ...(KEY_LIMITED && { limited: 0.05 }),
};

/** Whole answers but those of leavers, and what they said was used, answers from the cache left out: what the ledger must come to. */
const answers = new Counter("tollway_answers");
const prompts = new Counter("tollway_prompt_tokens");
const completions = new Counter("tollway_completion_tokens");

/** k6's code of a request that took longer than its `timeout`. */
const TIMED_OUT = 1050;

const perKind = Object.keys(SHARES).filter((kind) => kind !== "leaver");

/** @type {import("k6/options").Options} */
export const options = {
  scenarios: Object.fromEntries(
    Object.entries(SHARES).map(([kind, share]) => [kind, constant(RATE * share, SECONDS, kind)]),
  ),
  thresholds: {
    ...Object.fromEntries(perKind.map((kind) => [`http_req_failed{kind:${kind}}`, [stopping("rate<0.01", "30s")]])),
    ...Object.fromEntries(
      ["first", "last"].map((part) => [`http_req_duration{kind:plain,part:${part}}`, [`p(95)<${P95_MS}`]]),
    ),
    checks: ["rate>0.999"],
    ...SENT_AS_PLANNED,
  },
  summaryTrendStats: STATS,
};

/** The first and the last tenth of the run are shown apart: do answers get slower with time? */
function part() {
  const progress = exec.scenario.progress;
  return progress < 0.1 ? "first" : progress > 0.9 ? "last" : "middle";
}

/** @param {import("./lib/chat.js").Response} answer */
function used(answer) {
  if (answer.status !== 200) return;
  answers.add(1);
  if (header(answer, "x-tollway-cache").endsWith("hit")) return;
  const streamed = header(answer, "content-type").startsWith("text/event-stream");
  const usage = streamed ? JSON.parse(events(answer).at(-2) || "{}").usage : json(answer).usage;
  prompts.add(usage?.prompt_tokens || 0);
  completions.add(usage?.completion_tokens || 0);
}

/** @param {import("./lib/chat.js").Response} answer */
function wholeAndUsed(answer) {
  whole(answer);
  used(answer);
}

export function plain() {
  wholeAndUsed(ask(fresh(), { part: part() }));
}

export function stream() {
  const answer = ask(fresh(), { stream: true, part: part(), fields: { stream_options: { include_usage: true } } });
  wholeStream(answer);
  used(answer);
}

export function leaver() {
  const left = ask(fresh(), { stream: true, kind: "leaver", key: KEY_LEAVER, timeout: `${LEAVE_MS}ms` });
  check(left, { "the client left": (r) => r.error_code === TIMED_OUT || r.status === 200 });
}

export function mistake() {
  errorOf(ask(fresh(), { kind: "mistake", expected: [400], fields: { model: undefined } }), 400, "missing_required_parameter");
}

export function repeat() {
  wholeAndUsed(ask(popular(exec.scenario.iterationInTest % 20), { kind: "repeat" }));
}

export function failover() {
  wholeAndUsed(ask(fresh(), { kind: "failover", model: MODEL_FAILOVER }));
}

export function limited() {
  const answer = ask(fresh(), { kind: "limited", key: KEY_LIMITED, expected: [200, 429] });
  if (answer.status === 429) errorOf(answer, 429, "rate_limit_exceeded");
  else wholeAndUsed(answer);
}

export const handleSummary = summary("soak");
