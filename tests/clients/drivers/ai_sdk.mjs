// Vercel's AI SDK with its default, the Responses API: `node ai_sdk.mjs BASE_URL FEATURE`, beside node_modules.

import assert from 'node:assert';
import { createOpenAI } from '@ai-sdk/openai';
import { generateObject, generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

const [baseURL, feature] = process.argv.slice(2);
const DOT = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const openai = createOpenAI({ baseURL, apiKey: 'none' });
const common = { model: openai('omni'), maxRetries: 0 };
// Without it the SDK refers to earlier answers by their ids, which this server does not store.
const stateless = { openai: { store: false } };
const get_weather = tool({
  description: 'The weather of a city',
  inputSchema: z.object({ city: z.string() }),
  execute: async () => 'rain, 12 degrees',
});

const features = {
  async chat() {
    const first = await generateText({ ...common, system: 'Be brief.', prompt: 'How do tides work?' });
    assert.match(first.text, /Simulated answer/);
    const messages = [{ role: 'user', content: 'How do tides work?' }, ...first.response.messages,
                      { role: 'user', content: 'And on the moon?' }];
    const second = await generateText({ ...common, messages, providerOptions: stateless });
    assert.match(second.text, /And on the moon\?/);
  },
  async stream() {
    const result = streamText({ ...common, prompt: 'How do tides work?' });
    const deltas = [];
    for await (const delta of result.textStream) deltas.push(delta);
    assert.ok(deltas.length > 3);
    assert.equal(deltas.join(''), await result.text);
    assert.ok((await result.usage).outputTokens > 0);
  },
  async tools() {
    const options = { ...common, prompt: 'What is the weather in Paris?', tools: { get_weather }, stopWhen: stepCountIs(3) };
    assert.match((await generateText(options)).text, /rain, 12 degrees/);
    assert.match(await streamText(options).text, /rain, 12 degrees/);
  },
  async images() {
    const content = [{ type: 'text', text: 'What is in this image?' }, { type: 'image', image: DOT }];
    assert.match((await generateText({ ...common, messages: [{ role: 'user', content }] })).text, /image\/png/);
  },
  async structured() {
    const schema = z.object({ city: z.string(), degrees: z.number() });
    const { object } = await generateObject({ ...common, schema, prompt: 'The weather in Paris?' });
    schema.parse(object);
  },
  async cancel() {
    const abort = new AbortController();
    const result = streamText({ ...common, prompt: 'How do tides work?', abortSignal: abort.signal, onError() {} });
    for await (const _ of result.textStream) abort.abort();
    await features.chat();
  },
  async error() {
    await assert.rejects(generateText({ ...common, prompt: 'Go [[sandbox:bad_request_400]]' }),
                         error => error.statusCode === 400);
  },
};

await features[feature]();
