// Following a process over streams that end and begin again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Connection, follow } from "../src/console/live.ts";
import { History } from "../src/console/series.ts";

/** The last moment of a stream that neither goes on nor ends. */
const SILENCE = { atMs: 9000, series: {} };
const later = globalThis.setTimeout;
const BEGAN = "process_start_time_seconds";

/** A server that ends its streams, each of these moments, until nobody is signed in. */
async function followed(streams: object[][]): Promise<{ history: History; told: Connection[] }> {
  const left = [...streams];
  const session = { getItem: () => (left.length > 0 ? JSON.stringify({ token: "t", userId: "u" }) : null) };
  // Nobody waits long in a test.
  Object.assign(globalThis, { sessionStorage: session, setTimeout: (then: () => void, ms: number) => later(then, ms / 20) });
  globalThis.fetch = (async () => {
    const moments = left.shift()!;
    const events = moments.map((moment) => new TextEncoder().encode(`event: moment\ndata: ${JSON.stringify(moment)}\n\n`));
    return new Response(new ReadableStream({
      start(stream) {
        events.forEach((event) => stream.enqueue(event));
        if (moments.at(-1) !== SILENCE) stream.close();
      },
    }));
  }) as unknown as typeof fetch;
  const [history, told]: [History, Connection[]] = [new History(), []];
  await follow(history, (connection) => void told.push(connection));
  return { history, told };
}

const moment = (at: number, series: object = {}) => ({ atMs: 1000 * at, series });

test("what was followed stays when a stream ends and the next begins", async () => {
  const { history, told } = await followed([
    [moment(0, { [BEGAN]: 7, requests_total: 0 }), moment(1, { requests_total: 5 })],
    [moment(3, { [BEGAN]: 7, requests_total: 15 }), moment(4, { requests_total: 20 })],
  ]);
  assert.deepEqual(history.times, [0, 1, 3, 4]);
  assert.deepEqual(history.rates("requests_total", undefined, 1), [null, 5, 5, 5]);
  assert.deepEqual(told, Array(4).fill("following"));
});

test("what another process told is forgotten", async () => {
  const { history } = await followed([
    [moment(0, { [BEGAN]: 7, requests_total: 90 }), moment(1, { old: 1 })],
    [moment(3, { [BEGAN]: 8, requests_total: 1 })],
  ]);
  assert.deepEqual([history.times, history.value("requests_total"), history.now("old")], [[3], 1, []]);
});

test("a process that stands still is told as lost, and followed again", async () => {
  const { told } = await followed([[moment(0, { [BEGAN]: 7 }), SILENCE], [moment(10, { [BEGAN]: 7 })]]);
  assert.deepEqual(told, ["following", "following", "lost", "following"]);
});
