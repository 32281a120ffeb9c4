// A process's series as the console keeps them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { History, timeRange } from "../src/console/series.ts";

const LATENCY = "http_request_duration_seconds";
const isFailure = ({ status = "" }: Record<string, string>) => status.startsWith("5");

/** A minute and a half in which the hundredth request fails, and takes a second rather than ten milliseconds. */
function busy(moments = 90): History {
  const history = new History();
  for (let at = 0; at < moments; at += 1) {
    const series = {
      'http_requests_total{route="/a",status="200"}': at * 99,
      'http_requests_total{route="/a",status="500"}': at,
      'http_requests_total{route="/b",status="200"}': 7,
      [`${LATENCY}_bucket{route="/a",le="0.01"}`]: at * 99,
      [`${LATENCY}_bucket{route="/a",le="1.0"}`]: at * 100,
      [`${LATENCY}_bucket{route="/a",le="+Inf"}`]: at * 100,
    };
    history.take({ atMs: 1000 * at, series });
  }
  return history;
}

test("the last moment alone is what the last of all moments is", () => {
  const history = busy();
  for (const overS of [1, 5, 60, 300]) {
    for (const which of [() => true, isFailure]) {
      assert.equal(history.rate("http_requests_total", which, overS), history.rates("http_requests_total", which, overS).at(-1));
    }
    const all = history.buckets(LATENCY, overS);
    assert.deepEqual(history.lastBuckets(LATENCY, overS), { bounds: all.bounds, counts: all.counts.at(-1) });
  }
  assert.equal(history.rate("http_requests_total"), 100);
  assert.deepEqual(history.lastBuckets(LATENCY, 5).counts, [495, 5, 0]);
  assert.deepEqual([...history.ratesBy("http_requests_total", "route", 10)], [["/a", 100], ["/b", 0]]);
});

test("nothing is said of a rate before there are two moments", () => {
  const empty = new History();
  assert.equal(empty.rate("http_requests_total"), null);
  assert.deepEqual(empty.lastBuckets(LATENCY, 5), { bounds: [], counts: [] });
  assert.deepEqual([empty.grown("http_requests_total", 5), empty.before("http_requests_total", 0)], [[], []]);
  assert.equal(busy(1).rate("http_requests_total"), null);
});

test("a series that is gone counts at the moments at which it was there", () => {
  const history = busy(3);
  history.take({ atMs: 3000, series: { 'http_requests_total{route="/a",status="200"}': 297 }, gone: ['http_requests_total{route="/a",status="500"}'] });
  assert.equal(history.now("http_requests_total").length, 2);
  assert.equal(history.value("http_requests_total"), 304);
  assert.deepEqual(history.rates("http_requests_total", isFailure, 1), [null, 1, 1, null]);
});

test("a stream that begins again goes on where the last one ended, if it tells of the same process", () => {
  const begun = (at: number, began: number) => ({ atMs: 1000 * at, series: { process_start_time_seconds: began, 'http_requests_total{route="/a"}': at } });
  const history = new History();
  history.begin(begun(0, 7));
  history.take({ atMs: 1000, series: { 'http_requests_total{route="/a"}': 1, "queue_dead": 3 } });
  history.begin(begun(3, 7));
  assert.deepEqual(history.times, [0, 1, 3]);
  assert.equal(history.rate("http_requests_total"), 1);
  // What a whole moment does not tell of is gone.
  assert.deepEqual(history.now("queue_dead"), []);
  history.begin(begun(5, 8));
  assert.deepEqual(history.times, [5]);
});

test("a counter that was not there had counted nothing", () => {
  const history = busy(3);
  history.take({ atMs: 3000, series: { "webhook_dropped_total": 2, "queue_dead": 7 } });
  assert.deepEqual(history.grown("webhook_dropped_total", 900), [{ labels: {}, value: 2, grown: 2, overS: 3 }]);
  assert.equal(history.grown("queue_dead", 900)[0]?.grown, 0);
});

test("charts show a minute at least, however few moments there are", () => {
  assert.deepEqual(timeRange(undefined, 1000, 1000), [940, 1000]);
  assert.deepEqual(timeRange(undefined, 990, 1000), [940, 1000]);
  assert.deepEqual(timeRange(undefined, 400, 1000), [400, 1000]);
  const [begin, end] = timeRange(undefined, null, null);
  assert.equal(end - begin, 60);
});
