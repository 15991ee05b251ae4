// The official Node SDK's ordinary calls against one base URL; prints {name: answer} as one JSON object.
// Usage: node check.mjs BASE_URL KEY

import OpenAI, { toFile } from "openai";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 20_000 });
const model = "gpt-4o";
const messages = [{ role: "user", content: "How long is the road to the mill — in metres?" }];
const tools = [
  {
    type: "function",
    function: {
      name: "look_up",
      parameters: { type: "object", properties: { place: { type: "string" } }, required: ["place"] },
    },
  },
];

async function all(stream) {
  const found = [];
  for await (const item of await stream) found.push(item);
  return found;
}

async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return {
      name: error.constructor.name,
      status: error.status,
      code: error.code,
      type: error.type,
      param: error.param,
      message: error.message,
      requestID: error.requestID,
      error: error.error,
    };
  }
  return "no error";
}

function fault(name) {
  return client.chat.completions.create({ model, messages }, { headers: { "x-mock-fault": name } });
}

const calls = {
  async chat() {
    const { data, request_id } = await client.chat.completions.create({ model, messages }).withResponse();
    return [data, request_id];
  },
  n: () => client.chat.completions.create({ model, messages, n: 2, logprobs: true, top_logprobs: 2 }),
  stream: () => all(client.chat.completions.create({ model, messages, stream: true })),
  "stream usage": () =>
    all(client.chat.completions.create({ model, messages, stream: true, stream_options: { include_usage: true } })),
  async "stream helper"() {
    const runner = client.chat.completions.stream({ model, messages, stream_options: { include_usage: true } });
    const deltas = [];
    runner.on("content", (delta) => deltas.push(delta));
    return [await runner.finalChatCompletion(), deltas];
  },
  tools: () => client.chat.completions.create({ model, messages, tools }),
  async "stream tools"() {
    const runner = client.chat.completions.stream(
      { model, messages, tools },
      { headers: { "x-mock-tool-calls": "2", "x-mock-split": "5" } },
    );
    return runner.finalChatCompletion();
  },
  responses: () => client.responses.create({ model, input: "How long is the road?" }),
  "responses stream": () => all(client.responses.create({ model, input: "How long is the road?", stream: true })),
  async "responses kept"() {
    const made = await client.responses.create({ model, input: "Keep this." });
    const kept = await client.responses.retrieve(made.id);
    const items = await all(client.responses.inputItems.list(made.id));
    await client.responses.delete(made.id);
    return [made, kept, items, await failure(client.responses.retrieve(made.id))];
  },
  completions: () => client.completions.create({ model, prompt: "The road", max_tokens: 5 }),
  embeddings: () => client.embeddings.create({ model: "text-embedding-3-small", input: ["a", "b"], dimensions: 8 }),
  "embeddings float": () =>
    client.embeddings.create({ model: "text-embedding-3-small", input: "a", encoding_format: "float", dimensions: 8 }),
  moderations: () => client.moderations.create({ input: "mock-flag" }),
  models: () => all(client.models.list()),
  "one model": () => client.models.retrieve("acme/roadrunner-7b"),
  images: () => client.images.generate({ model: "gpt-image-1", prompt: "a bridge" }),
  async speech() {
    const answer = await client.audio.speech.create({ model: "gpt-4o-mini-tts", voice: "alloy", input: "a road" });
    return [answer.headers.get("content-type"), Buffer.from(await answer.arrayBuffer()).toString("base64")];
  },
  async transcriptions() {
    const file = await toFile(Buffer.from("RIFF0000WAVEfmt "), "a.wav");
    return client.audio.transcriptions.create({ model: "whisper-1", file });
  },
  async files() {
    const bytes = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 256));
    const file = await toFile(bytes, "road map ü.bin");
    const made = await client.files.create({ file, purpose: "user_data" });
    const kept = await client.files.retrieve(made.id);
    const content = Buffer.from(await (await client.files.content(made.id)).arrayBuffer());
    return [made, kept, content.equals(bytes), await client.files.delete(made.id)];
  },
  "bad request": () => failure(fault("context-length")),
  "rate limit": () => failure(fault("rate-limit:ms=5")),
  quota: () => failure(fault("quota")),
  "server error": () => failure(fault("status:500")),
  overloaded: () => failure(fault("overloaded")),
  "stream error": () =>
    failure(
      all(
        client.chat.completions.create(
          { model, messages, stream: true },
          { headers: { "x-mock-fault": "sse-error:2" } },
        ),
      ),
    ),
  retries: () =>
    client.chat.completions.create(
      { model, messages },
      {
        maxRetries: 2,
        headers: {
          "x-mock-fault": "rate-limit:ms=5",
          "x-mock-fault-times": "2",
          "x-mock-fault-id": `node-${process.pid}`,
        },
      },
    ),
};

const answers = {};
for (const [name, call] of Object.entries(calls)) answers[name] = await call();
process.stdout.write(JSON.stringify(answers));
