// Vercel's AI SDK with @ai-sdk/anthropic as a client: `node ai_sdk_anthropic.mjs BASE_URL FEATURE`, in a folder with
// `npm install ai @ai-sdk/anthropic zod`. It exits with 1 and a reason.
import { createAnthropic } from "@ai-sdk/anthropic";
import { APICallError, generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR4nGNQSDiAFTEMLQkAGplQAT43V5gAAAAASUVORK5CYII=";
const prompt = "How do tides work?";
const [baseURL, feature] = process.argv.slice(2);
// This client does not add /v1 itself.
const anthropic = createAnthropic({ baseURL: `${baseURL.replace(/\/v1$/, "")}/v1`, apiKey: "none" });
const model = anthropic("omni");

function check(holds, otherwise) {
  if (!holds) {
    console.error(otherwise);
    process.exit(1);
  }
}

const features = {
  async chat() {
    const { text, usage, finishReason } = await generateText({ model, prompt, maxRetries: 0 });
    check(text && finishReason === "stop", `the answer ends with ${finishReason}: ${text}`);
    check(usage.inputTokens > 0 && usage.outputTokens > 0, `no usage: ${JSON.stringify(usage)}`);
  },
  async stream() {
    const result = streamText({ model, prompt, maxRetries: 0 });
    let pieces = 0;
    for await (const _ of result.textStream) pieces += 1;
    const usage = await result.usage;
    check(pieces > 1, `the text came in ${pieces} pieces`);
    check(usage.inputTokens > 0 && usage.outputTokens > 0, `no usage: ${JSON.stringify(usage)}`);
  },
  async tools() {
    const weather = tool({
      description: "the weather of a city",
      inputSchema: z.object({ city: z.string() }),
      execute: async ({ city }) => `It rains in ${city}.`,
    });
    const question = "What is the weather in Paris?";
    const { text } = await generateText({ model, prompt: question, tools: { weather }, stopWhen: stepCountIs(3) });
    check(text.includes("It rains"), `the answer is ${text}`);
  },
  async images() {
    const content = [{ type: "text", text: "What is in this image?" }, { type: "image", image: PNG }];
    const { response } = await generateText({ model, messages: [{ role: "user", content }], maxRetries: 0 });
    check(response.modelId.includes("image-text-to-text"), `the image was given to ${response.modelId}`);
  },
  async structured() {
    const schema = z.object({ place: z.string(), hour: z.number() });
    const { object } = await generateObject({ model, prompt, schema, maxRetries: 0 });
    check(typeof object.hour === "number", `no tide: ${JSON.stringify(object)}`);
  },
  async cancel() {
    const controller = new AbortController();
    const result = streamText({ model, prompt, abortSignal: controller.signal, maxRetries: 0, onError() {} });
    for await (const _ of result.textStream) controller.abort();
    await features.chat();
  },
  async error() {
    try {
      await generateText({ model: anthropic("nowhere"), prompt, maxRetries: 0 });
    } catch (failure) {
      check(APICallError.isInstance(failure) && failure.statusCode === 404, `the error is ${failure}`);
      check(failure.message.includes("allowed are omni"), `the error is ${failure.message}`);
      return;
    }
    check(false, "an unknown model is not refused");
  },
};

await features[feature]();
