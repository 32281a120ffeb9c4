// The alerts that can be judged from one process while it is looked at; deploy/prometheus/rules.yml holds them all, and
// docs/runbook.md says what to do about each.

import { type History, quantile } from "./series.ts";
import { percent, seconds } from "./words.ts";

export interface Alert {
  name: string;
  severity: "critical" | "warning";
  why: string;
}

const LOOKED_AT_S = 300;

// Made once, so that what was summed up with it is known.
const isFailure = ({ status = "" }: Record<string, string>) => status.startsWith("5");

export function alerts(history: History): Alert[] {
  const found: Alert[] = [];
  const add = (when: boolean, name: string, severity: Alert["severity"], why: string) => {
    if (when) found.push({ name, severity, why });
  };
  const rate = (family: string, overS = LOOKED_AT_S) => history.rate(family, undefined, overS) ?? 0;
  const all = rate("http_requests_total");
  const failed = history.rate("http_requests_total", isFailure, LOOKED_AT_S) ?? 0;
  add(all > 0 && failed / all > 0.01, "ErrorRateHigh", "critical", `${percent(failed / all)} of requests failed in five minutes`);

  const { bounds, counts } = history.lastBuckets("http_request_duration_seconds", LOOKED_AT_S);
  const p99 = quantile(bounds, counts, 0.99);
  add(p99 !== null && p99 > 0.1, "LatencyP99High", "warning", `one request in a hundred takes ${seconds(p99 ?? 0)}`);
  const took = rate("http_request_duration_seconds_sum");
  const done = rate("http_request_duration_seconds_count");
  add(done > 0 && took / done > 0.5, "LatencyMeanHigh", "critical", `requests take ${seconds(took / done)} on average`);

  const memory = history.value("process_resident_memory_bytes") / history.value("process_memory_max_bytes");
  add(memory > 0.8, "MemoryHigh", "critical", `${percent(memory)} of the memory is used`);
  const cpu = rate("process_cpu_seconds_total", 60) / Math.max(1, history.value("process_cpus"));
  add(cpu > 0.8, "CpuHigh", "warning", `${percent(cpu)} of the processors’ time is used`);
  const files = history.value("process_open_fds") / history.value("process_max_fds");
  add(files > 0.8, "FilesNearlyOut", "critical", `${percent(files)} of the file descriptors are open`);
  const busy = history.value("store_readers_busy") / Math.max(1, history.value("store_readers"));
  add(busy > 0.9, "ReadersNearlyOut", "warning", "nearly all readers of the database are busy");

  const waiting = history.value("ledger_waiting");
  const commits = rate("ledger_commits_total", 60);
  add(waiting > 0 && commits === 0 && history.moments > 60, "LedgerStalled", "critical", `${waiting} commands wait and none is written`);
  for (const { labels, value } of history.now("ledger_checkpoint_entries")) {
    const entries = history.now("ledger_entries").find((other) => other.labels["ledger"] === labels["ledger"]);
    const behind = (entries?.value ?? value) - value;
    add(behind > 0 && history.moments > 60 && commits === 0, "CheckpointOld", "warning", `the ledger ${labels["ledger"]} has ${behind} entries under no checkpoint`);
  }
  for (const { labels, value } of history.now("queue_oldest_seconds")) {
    add(value > 300, "QueueSlow", "warning", `a job of the queue ${labels["queue"]} has waited for ${seconds(value)}`);
  }
  for (const { value } of history.now("backup_age_seconds")) {
    add(value > 300, "BackupOld", "critical", `what came in over the last ${seconds(value)} is in no backup`);
  }
  add(history.now("cache_redis_up").some(({ value }) => value === 0), "RedisAway", "warning", "Redis cannot be reached: this node goes on alone");
  add(history.value("front_attack") >= 1, "UnderAttack", "critical", "under-attack mode is on: browsers solve puzzles");
  return found;
}
