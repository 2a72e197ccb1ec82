// OpenAI's own package for JavaScript, by chat completions: `node openai_node.mjs BASE_URL FEATURE`, beside node_modules.

import assert from 'node:assert';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';

const [baseURL, feature] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: 'none', maxRetries: 0 });
const DOT = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const user = content => ({ role: 'user', content });
const create = (messages, more) => client.chat.completions.create({ model: 'omni', messages, ...more });
const text = answer => answer.choices[0].message.content;

const features = {
  async chat() {
    const first = await create([user('How do tides work?')]);
    assert.match(text(first), /Simulated answer/);
    const second = await create([user('How do tides work?'), first.choices[0].message, user('And on the moon?')]);
    assert.match(text(second), /And on the moon\?/);
  },
  async stream() {
    const stream = client.chat.completions.stream({ model: 'omni', messages: [user('How do tides work?')] });
    const deltas = [];
    stream.on('content', delta => deltas.push(delta));
    assert.equal(await stream.finalContent(), deltas.join(''));
    assert.ok(deltas.length > 3, String(deltas));
  },
  async tools() {
    const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
    const run = async () => 'rain, 12 degrees';
    const tool = { type: 'function', function: { name: 'get_weather', parameters, parse: JSON.parse, function: run } };
    const question = { model: 'omni', messages: [user('What is the weather in Paris?')], tools: [tool] };
    assert.match(await client.chat.completions.runTools(question).finalContent(), /rain, 12 degrees/);
    assert.match(await client.chat.completions.runTools({ ...question, stream: true }).finalContent(), /rain, 12 degrees/);
  },
  async images() {
    const content = [{ type: 'text', text: 'What is in this image?' }, { type: 'image_url', image_url: { url: DOT } }];
    assert.match(text(await create([user(content)])), /image\/png/);
  },
  async structured() {
    const schema = z.object({ city: z.string(), degrees: z.number() });
    const response_format = zodResponseFormat(schema, 'weather');
    const answer = await client.chat.completions.parse({ model: 'omni', messages: [user('The weather?')], response_format });
    schema.parse(answer.choices[0].message.parsed);
  },
  async cancel() {
    const stream = await create([user('How do tides work?')], { stream: true });
    for await (const _ of stream) break;
    await features.chat();
  },
  async error() {
    const refused = error => error instanceof OpenAI.BadRequestError && error.code === 'bad_request';
    await assert.rejects(create([user('Go [[sandbox:bad_request_400]]')]), refused);
    await assert.rejects(create([user('Go [[sandbox:bad_request_400]]')], { stream: true }), refused);
  },
};

await features[feature]();
