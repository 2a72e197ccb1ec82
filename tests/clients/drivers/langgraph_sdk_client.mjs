// The LangGraph SDK for JavaScript, against the LangGraph server: `node langgraph_sdk_client.mjs URL FEATURE`.

import assert from 'node:assert';
import { Client } from '@langchain/langgraph-sdk';

const [apiUrl, feature] = process.argv.slice(2);
const client = new Client({ apiUrl });
const ASSISTANT = 'omni_router';
const QUESTION = 'How do tides work?';
const WEATHER = 'What is the weather in Paris?';
const DOT = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const tools = [{ type: 'function', function: { name: 'get_weather', parameters } }];

const user = content => ({ messages: [{ role: 'user', content }] });
const wait = (content, { thread = null, context = {} } = {}) =>
  client.runs.wait(thread, ASSISTANT, { input: user(content), context });
const text = state => state.messages.at(-1).content;

const features = {
  async chat() {
    const { thread_id: thread } = await client.threads.create();
    assert.match(text(await wait(QUESTION, { thread })), /Simulated answer/);
    const second = await wait('And on the moon?', { thread });
    assert.match(text(second), /And on the moon\?/);
    assert.equal(second.messages.length, 4);
  },
  async stream() {
    const events = [];
    const input = user(QUESTION);
    for await (const { event } of client.runs.stream(null, ASSISTANT, { input, streamMode: ['custom', 'messages-tuple'] })) {
      events.push(event);
    }
    assert.ok(events.indexOf('custom') < events.indexOf('messages'), String(events));
    assert.ok(events.filter(event => event === 'messages').length > 3, String(events));
  },
  async tools() {
    const { messages } = await wait(WEATHER, { context: { tools } });
    const [call] = messages.at(-1).tool_calls;
    assert.equal(call.name, 'get_weather');
    const result = { role: 'tool', tool_call_id: call.id, content: 'rain, 12 degrees' };
    const input = { messages: [...messages, result] };
    assert.match(text(await client.runs.wait(null, ASSISTANT, { input, context: { tools } })), /rain, 12 degrees/);
  },
  async images() {
    const content = [{ type: 'text', text: 'What is in this image?' }, { type: 'image_url', image_url: { url: DOT } }];
    assert.match(text(await wait(content)), /image\/png/);
  },
  async structured() {
    const response_format = { type: 'json_schema', json_schema: { name: 'weather', schema: parameters, strict: true } };
    assert.deepEqual(Object.keys(JSON.parse(text(await wait(WEATHER, { context: { response_format } })))), ['city']);
  },
  async cancel() {
    const { thread_id: thread } = await client.threads.create();
    const { run_id: run } = await client.runs.create(thread, ASSISTANT, { input: user(QUESTION) });
    await client.runs.cancel(thread, run, true);
    await features.chat();
  },
  async error() {
    const { error } = await wait('Go [[sandbox:bad_request_400]]');
    assert.equal(error.kind, 'bad_request');
  },
};

await features[feature]();
