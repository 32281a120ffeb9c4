// The console's alerts are those of Prometheus: the same rules, and the same verdicts over what its rules are tested with.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { RULES, Watch } from "../src/console/alerts.ts";
import { History, parse } from "../src/console/series.ts";

const prometheus = (name: string) => readFileSync(`../deploy/prometheus/${name}`, "utf8");
/** What follows each of these words, up to the next. */
const parts = (text: string, word: RegExp) => text.split(word).slice(1);
const S = { s: 1, m: 60, h: 3600 };
const inSeconds = (time: string) => Number(time.slice(0, -1)) * S[time.at(-1) as keyof typeof S];

interface Written {
  name: string;
  severity: string | undefined;
  forS: number;
  limits: number[];
  windows: number[];
}

/** The alerts as rules.yml writes them. */
function written(): Written[] {
  const text = prometheus("rules.yml");
  const records = new Map(parts(text, /- record: /).map((part): [string, string] => [/^\S+/.exec(part)![0], part.split(/- alert: /)[0]!]));
  return parts(text, /- alert: /).map((part) => {
    const expression = /expr:([\s\S]*?)\n +(?:for|labels):/.exec(part)![1]!;
    const windows = expression.replace(/holdfast:\w+:\w+/g, (record) => records.get(record)!).matchAll(/(?:\[|offset )(\d+[smh])/g);
    // What stands in brackets only keeps from dividing by nought.
    const limits = expression.matchAll(/[<>=] ([\d.]+)(?!\))/g);
    return {
      name: /^\w+/.exec(part)![0],
      severity: /severity: (\w+)/.exec(part)?.[1],
      forS: inSeconds(/ for: (\w+)/.exec(part)?.[1] ?? "0s"),
      limits: [...new Set([...limits].map(([, limit]) => Number(limit)))],
      windows: [...new Set([...windows].map(([, window]) => inSeconds(window!)))],
    };
  });
}

test("each rule of Prometheus is judged here with the same limit, over the same time, and is as severe", () => {
  const rules = RULES.map(({ name, severity, forS, limit, overS }) => ({ name, severity, forS, limits: [limit], windows: overS === 0 ? [] : [overS] }));
  // Of a process that is down nothing can be followed.
  assert.deepEqual(rules, written().filter(({ name }) => name !== "HoldfastDown"));
});

/** The values of a series at each minute, as promtool writes them: `1x3` is four times 1, and `0+2x3` is 0, 2, 4 and 6. */
function values(text: string): number[] {
  return text.split(" ").flatMap((run) => {
    const [, first, step = "0", times] = /^(\d+)(?:\+(\d+))?x(\d+)$/.exec(run)!;
    return Array.from({ length: Number(times) + 1 }, (_, at) => Number(first) + at * Number(step));
  });
}

interface Case {
  name: string;
  /** By what is good or bad about them. */
  series: Map<string, [name: string, values: number[]][]>;
  atS: number;
  firing: string[];
}

/** What rules are tested with, each good or bad process of it by itself. */
function cases(): Case[] {
  return parts(prometheus("rules.test.yml"), /\n {2}- name: /).map((part) => {
    const [name] = /^\w+/.exec(part)!;
    const asked = [...part.matchAll(/expr: count\(ALERTS\{.*?, (\w+)=~?"([\w|]+)"\}\)/g)].find(([, label]) => label !== "alertstate")!;
    const label = /alertstate="firing", (\w+)=/.exec(part)![1]!;
    const series: Case["series"] = new Map();
    for (const [, text, run] of part.matchAll(/series: '(.*)'\n +values: '(.*)'/g)) {
      const which = parse(text!).labels[label]!;
      series.set(which, [...(series.get(which) ?? []), [text!, values(run!)]]);
    }
    const firing = new RegExp(`${label}=~?"([\\w|]+)"\\}`).exec(asked[0])![1]!.split("|");
    return { name, series, atS: inSeconds(/eval_time: (\w+)/.exec(part)![1]!), firing };
  });
}

/** What is raised of a process after so many seconds, looked at every ten. */
function raised(series: [string, number[]][], atS: number): string[] {
  const [history, watch] = [new History(), new Watch()];
  let found: string[] = [];
  for (let second = 0; second <= atS; second += 1) {
    const at = (values: number[]) => {
      const [before, after] = [values[Math.floor(second / 60)]!, values[Math.ceil(second / 60)]!];
      return before + ((after - before) * (second % 60)) / 60;
    };
    history.take({ atMs: 1000 * second, series: Object.fromEntries(series.map(([name, values]) => [name, at(values)])) });
    if (second % 10 === 0) found = watch.judge(history).flatMap(({ name, raised }) => (raised ? [name] : []));
  }
  return found;
}

const all = cases();

test("everything that is judged here is tried", () => {
  assert.deepEqual(all.map(({ name }) => name).filter((name) => name !== "HoldfastDown"), RULES.map(({ name }) => name));
});

for (const { name, series, atS, firing } of all.filter(({ name }) => name !== "HoldfastDown")) {
  test(`${name} is raised here of what Prometheus raises it of, and of nothing else`, () => {
    assert.ok(series.size > 1 && firing.every((which) => series.has(which)), `${[...series.keys()]}`);
    for (const [which, own] of series) {
      assert.deepEqual(raised(own, atS).filter((found) => found === name), firing.includes(which) ? [name] : [], which);
    }
  });
}

test("nothing is raised before it has been so for long enough", () => {
  const bad: [string, number[]][] = [["cache_redis_up", values("0x9")]];
  assert.deepEqual([raised(bad, 290), raised(bad, 300)], [[], ["RedisAway"]]);
  const [history, watch] = [new History(), new Watch()];
  assert.deepEqual(watch.judge(history), []);
  history.take({ atMs: 0, series: { cache_redis_up: 0 } });
  assert.deepEqual(watch.judge(history).map(({ name, raised }) => [name, raised]), [["RedisAway", false]]);
});
