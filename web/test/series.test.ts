// A process's series as the console keeps them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { alerts } from "../src/console/alerts.ts";
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
  assert.deepEqual(alerts(empty), []);
  assert.equal(busy(1).rate("http_requests_total"), null);
});

test("a series that is gone counts at the moments at which it was there", () => {
  const history = busy(3);
  history.take({ atMs: 3000, series: { 'http_requests_total{route="/a",status="200"}': 297 }, gone: ['http_requests_total{route="/a",status="500"}'] });
  assert.equal(history.now("http_requests_total").length, 2);
  assert.equal(history.value("http_requests_total"), 304);
  assert.deepEqual(history.rates("http_requests_total", isFailure, 1), [null, 1, 1, null]);
});

test("what is out of order is told from the last moments", () => {
  const names = (history: History) => alerts(history).map(({ name }) => name);
  const history = busy();
  assert.deepEqual(names(history), []);
  history.take({ atMs: 90_000, series: { 'http_requests_total{route="/a",status="500"}': 900, [`${LATENCY}_bucket{route="/a",le="1.0"}`]: 9900, [`${LATENCY}_bucket{route="/a",le="+Inf"}`]: 9900 } });
  assert.deepEqual(names(history), ["ErrorRateHigh", "LatencyP99High"]);
});

test("charts show a minute at least, however few moments there are", () => {
  assert.deepEqual(timeRange(undefined, 1000, 1000), [940, 1000]);
  assert.deepEqual(timeRange(undefined, 990, 1000), [940, 1000]);
  assert.deepEqual(timeRange(undefined, 400, 1000), [400, 1000]);
  const [begin, end] = timeRange(undefined, null, null);
  assert.equal(end - begin, 60);
});
