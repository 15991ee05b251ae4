// One chat request, and what of its answer can be judged.

import { check } from "k6";
import http from "k6/http";
import { KEY, MAX_TOKENS, MODEL, URL } from "./settings.js";

/** @typedef {import("k6/http").RefinedResponse<"text">} Response */

/**
 * What a request may say besides its prompt. `expected`: statuses that are no failure, others than 200 to 399; `timeout`: the client
 * leaves then; `fields`: more of the body.
 * @typedef {{stream?: boolean, model?: string, key?: string, timeout?: string, expected?: number[], kind?: string,
 *   part?: string, fields?: Record<string, unknown>}} Asking
 */

/**
 * Headers with a key, or without where none is given.
 * @param {string} key
 */
export function headers(key = KEY) {
  /** @type {Record<string, string>} */
  const found = { "content-type": "application/json" };
  if (key) found["authorization"] = `Bearer ${key}`;
  return found;
}

/**
 * @param {string} prompt
 * @param {Asking} [asking]
 * @returns {Response}
 */
export function ask(prompt, { stream = false, model = MODEL, key = KEY, timeout = "60s", expected, kind, part, fields } = {}) {
  const body = { model, stream, max_tokens: MAX_TOKENS, messages: [{ role: "user", content: prompt }], ...fields };
  return http.post(`${URL}/chat/completions`, JSON.stringify(body), {
    headers: headers(key),
    timeout,
    responseType: "text",
    // Only where it is there: one that is undefined would make every answer a good one.
    ...(expected && { responseCallback: http.expectedStatuses(...expected) }),
    tags: { name: "chat", kind: kind || (stream ? "stream" : "plain"), ...(part && { part }) },
  });
}

/**
 * A header of the answer; "" if it is not there. k6 writes names as Go does: X-Ratelimit-Limit-Requests.
 * @param {Response} response
 * @param {string} name in small letters
 */
export function header(response, name) {
  for (const each in response.headers) {
    if (each.toLowerCase() === name) return response.headers[each] || "";
  }
  return "";
}

/**
 * The body as JSON; an empty object where it is none.
 * @param {Response} response
 * @returns {any}
 */
export function json(response) {
  try {
    return JSON.parse(response.body || "{}") || {};
  } catch {
    return {};
  }
}

/**
 * The data of a stream's events, the closing [DONE] included.
 * @param {Response} response
 */
export function events(response) {
  return (response.body || "")
    .split(/\r?\n/)
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).trim());
}

/**
 * The words of an answer, streamed or not; "" if there are none.
 * @param {Response} response
 */
export function words(response) {
  if (!header(response, "content-type").startsWith("text/event-stream")) {
    return json(response).choices?.[0]?.message?.content || "";
  }
  let said = "";
  for (const data of events(response)) {
    if (data !== "[DONE]") said += JSON.parse(data).choices?.[0]?.delta?.content || "";
  }
  return said;
}

/**
 * Is this a whole answer, as its form demands? Counted as checks.
 * @param {Response} response
 */
export function whole(response) {
  return check(response, {
    "the status is 200": (r) => r.status === 200,
    "the answer has words": (r) => r.status === 200 && words(/** @type {Response} */ (r)) !== "",
  });
}

/**
 * Is this a whole stream: events, words, no error, and one [DONE] at its end?
 * @param {Response} response
 */
export function wholeStream(response) {
  const found = events(response);
  return (
    check(response, {
      "the stream is one of events": (r) =>
        header(/** @type {Response} */ (r), "content-type").startsWith("text/event-stream"),
      "the stream has no error": () => !found.some((data) => data.startsWith('{"error"')),
      "the stream ends with one [DONE]": () => found.indexOf("[DONE]") === found.length - 1 && found.length > 0,
    }) && whole(response)
  );
}

/**
 * An error of the gateway's in OpenAI's shape: four members, a sentence that ends with the request's id, and headers that say whose it is.
 * @param {Response} response
 * @param {number} status
 * @param {string} code
 */
export function errorOf(response, status, code) {
  const error = json(response).error || {};
  const id = header(response, "x-tollway-request-id");
  return check(response, {
    [`the status is ${status}`]: (r) => r.status === status,
    [`the code is ${code}`]: () => error.code === code,
    "the error has OpenAI's four members": () => ["message", "type", "param", "code"].every((name) => name in error),
    "the message names the request": () => id !== "" && String(error.message).includes(id),
    "the error says that it is the gateway's": (r) =>
      header(/** @type {Response} */ (r), "x-tollway-error-source") === "gateway",
  });
}
