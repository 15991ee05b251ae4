// The Vercel AI SDK through the gateway: a stream with a tool, an object by a schema, and what the gateway says.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const gateway = createOpenAICompatible({
  name: "tollway",
  baseURL: process.env.OPENAI_BASE_URL,
  apiKey: process.env.OPENAI_API_KEY,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const model = gateway("assistant");

const tollOf = tool({
  description: "The toll of a vehicle in euros.",
  inputSchema: z.object({ vehicle: z.enum(["car", "lorry"]) }),
  execute: async ({ vehicle }) => ({ euros: vehicle === "car" ? 4 : 12 }),
});

const result = streamText({
  model,
  prompt: "What does a lorry pay?",
  tools: { tollOf },
  stopWhen: stepCountIs(5), // a model that goes on calling tools is stopped
  onError: ({ error }) => { throw error; },
});
for await (const part of result.fullStream) {
  if (part.type === "tool-result") console.log(`${part.toolName}(${JSON.stringify(part.input)}) -> ${JSON.stringify(part.output)}`);
  if (part.type === "text-delta") process.stdout.write(part.text);
}
console.log(`\n${(await result.totalUsage).totalTokens} tokens in ${(await result.steps).length} steps`);

const { output, response } = await generateText({
  model,
  output: Output.object({ schema: z.object({ subject: z.string(), urgent: z.boolean() }) }),
  prompt: "The barrier is shut and I am late!",
});
console.log(output);
console.log(`$${response.headers["x-tollway-cost-usd"]}, answered by ${response.headers["x-tollway-provider"]} after ${response.headers["x-tollway-attempts"]} tries`);
