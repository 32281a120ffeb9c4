// The alerts of deploy/prometheus/rules.yml, judged from one process while it is looked at: the same names, limits and times, which a test
// compares. docs/runbook.md says what to do about each. That a process is down shows by itself here.

import { type History, type Series, quantile } from "./series.ts";
import { percent, seconds } from "./words.ts";

export interface Alert {
  name: string;
  severity: "critical" | "warning";
  why: string;
  /** Whether it has been so for as long as Prometheus waits before it tells anybody. */
  raised: boolean;
}

/** What breaks a rule now: of which series, and why. */
interface Broken {
  of?: string;
  why: string;
}

interface Measures {
  /** What must not be passed, or be reached. */
  limit: number;
  /** Over how many seconds it is looked at; nought if only at what is. */
  overS: number;
}

export interface Rule extends Measures {
  name: string;
  severity: Alert["severity"];
  /** For how many seconds it has to be so. */
  forS: number;
  broken: (history: History, measures: Measures) => Broken[];
}

// Made once, so that what was summed up with it is known.
const isLetIn = ({ route = "" }: Record<string, string>) => route !== "refused";
const isFailure = ({ status = "", route = "" }: Record<string, string>) => status.startsWith("5") && route !== "refused";

const one = (when: boolean, why: () => string): Broken[] => (when ? [{ why: why() }] : []);

/** One for each series of which it holds, told apart by all of its labels. */
const each = <S extends Series>(series: S[], when: (series: S) => boolean, why: (series: S) => string): Broken[] =>
  series.filter(when).map((found) => ({ of: JSON.stringify(found.labels), why: why(found) }));

/** A series of another family that says of the same thing. */
const beside = <S extends Series>(all: S[], { labels }: Series): S | undefined => all.find((other) => JSON.stringify(other.labels) === JSON.stringify(labels));

const share = (part: string, all: string) => (history: History) => history.value(part) / history.value(all);
const memory = share("process_resident_memory_bytes", "process_memory_max_bytes");
const files = share("process_open_fds", "process_max_fds");
const readers = share("store_readers_busy", "store_readers");

const MINUTES = 60;

export const RULES: Rule[] = [
  {
    name: "ErrorRateHigh", severity: "critical", limit: 0.01, overS: 5 * MINUTES, forS: 2 * MINUTES,
    broken: (history, { limit, overS }) => {
      const failed = (history.rate("http_requests_total", isFailure, overS) ?? 0) / (history.rate("http_requests_total", isLetIn, overS) ?? 0);
      return one(failed > limit, () => `${percent(failed)} of requests failed in five minutes`);
    },
  },
  {
    name: "LatencyP99High", severity: "warning", limit: 0.1, overS: 5 * MINUTES, forS: 5 * MINUTES,
    broken: (history, { limit, overS }) => {
      const { bounds, counts } = history.lastBuckets("http_request_duration_seconds", overS);
      const p99 = quantile(bounds, counts, 0.99) ?? 0;
      return one(p99 > limit, () => `one request in a hundred takes ${seconds(p99)}`);
    },
  },
  {
    name: "LatencyMeanHigh", severity: "critical", limit: 0.5, overS: 5 * MINUTES, forS: 2 * MINUTES,
    broken: (history, { limit, overS }) => {
      const [took, done] = ["sum", "count"].map((part) => history.rate(`http_request_duration_seconds_${part}`, undefined, overS) ?? 0) as [number, number];
      return one(took / done > limit, () => `requests take ${seconds(took / done)} on average`);
    },
  },
  {
    name: "MemoryHigh", severity: "warning", limit: 0.8, overS: 0, forS: 5 * MINUTES,
    broken: (history, { limit }) => one(memory(history) > limit, () => `${percent(memory(history))} of the memory is used`),
  },
  {
    name: "CpuHigh", severity: "warning", limit: 0.8, overS: 5 * MINUTES, forS: 5 * MINUTES,
    broken: (history, { limit, overS }) => {
      const cpu = (history.rate("process_cpu_seconds_total", undefined, overS) ?? 0) / history.value("process_cpus");
      return one(cpu > limit, () => `${percent(cpu)} of the processors’ time is used`);
    },
  },
  {
    name: "FilesNearlyOut", severity: "warning", limit: 0.8, overS: 0, forS: 2 * MINUTES,
    broken: (history, { limit }) => one(files(history) > limit, () => `${percent(files(history))} of the files and sockets are open`),
  },
  {
    name: "ReadersNearlyOut", severity: "warning", limit: 0.9, overS: 0, forS: 2 * MINUTES,
    broken: (history, { limit }) => one(readers(history) > limit, () => "nearly all readers of the database are busy"),
  },
  {
    name: "ReplicasBehind", severity: "warning", limit: 0.05, overS: 5 * MINUTES, forS: 5 * MINUTES,
    broken: (history, { limit, overS }) => {
      const past = (history.rate("store_reads_passed_over_total", undefined, overS) ?? 0) / (history.rate("store_reads_total", undefined, overS) ?? 0);
      return one(past > limit, () => `replicas cannot take ${percent(past)} of the reads`);
    },
  },
  {
    name: "LedgerStalled", severity: "critical", limit: 0, overS: MINUTES, forS: 30,
    broken: (history, { limit, overS }) => {
      const commits = history.grown("ledger_commits_total", overS);
      const stands = (waiting: Series) => waiting.value > limit && beside(commits, waiting)?.grown === 0;
      return each(history.now("ledger_waiting"), stands, ({ labels, value }) => `${value} commands of the ledger ${labels["ledger"] ?? ""} wait and none is written`);
    },
  },
  {
    name: "CheckpointOld", severity: "critical", limit: 0, overS: MINUTES, forS: MINUTES,
    broken: (history, { limit, overS }) => {
      const covered = history.now("ledger_checkpoint_entries");
      const uncovered = (before: Series) => before.value - (beside(covered, before)?.value ?? before.value);
      return each(history.before("ledger_entries", overS), (before) => uncovered(before) > limit, (before) => `the ledger ${before.labels["ledger"] ?? ""} has ${uncovered(before)} entries under no checkpoint`);
    },
  },
  {
    name: "BackupOld", severity: "critical", limit: 300, overS: 0, forS: MINUTES,
    broken: (history, { limit }) => each(history.now("backup_age_seconds"), ({ value }) => value > limit, ({ value }) => `what came in over the last ${seconds(value)} is in no backup`),
  },
  {
    name: "QueueSlow", severity: "warning", limit: 300, overS: 0, forS: 5 * MINUTES,
    broken: (history, { limit }) => each(history.now("queue_oldest_seconds"), ({ value }) => value > limit, ({ labels, value }) => `a job of the queue ${labels["queue"]} has waited for ${seconds(value)}`),
  },
  {
    name: "JobsGivenUp", severity: "warning", limit: 0, overS: 15 * MINUTES, forS: 0,
    broken: (history, { limit, overS }) => each(history.grown("queue_dead", overS), ({ grown }) => grown > limit, ({ labels, grown }) => `${grown} jobs of the queue ${labels["queue"]} were given up`),
  },
  {
    name: "RedisAway", severity: "warning", limit: 0, overS: 0, forS: 5 * MINUTES,
    broken: (history, { limit }) => one(history.now("cache_redis_up").some(({ value }) => value === limit), () => "Redis cannot be reached: this node goes on alone"),
  },
  {
    name: "UnderAttack", severity: "warning", limit: 1, overS: 0, forS: 0,
    broken: (history, { limit }) => one(history.now("front_attack").some(({ value }) => value === limit), () => "under-attack mode is on: browsers solve puzzles"),
  },
  {
    name: "WaitingRoomStuck", severity: "warning", limit: 0, overS: 5 * MINUTES, forS: 5 * MINUTES,
    broken: (history, { limit, overS }) => {
      const served = history.grown("waiting_room_served", overS);
      const open = history.now("waiting_room_open");
      const stuck = (waiting: Series) => waiting.value > limit && (beside(open, waiting)?.value ?? 0) > limit && beside(served, waiting)?.grown === 0;
      return each(history.now("waiting_room_waiting"), stuck, ({ labels, value }) => `${value} people wait in the room ${labels["room"] ?? ""} and nobody is let in`);
    },
  },
  {
    name: "UpstreamUnwell", severity: "warning", limit: 0, overS: 0, forS: MINUTES,
    broken: (history, { limit }) => each(history.now("gateway_upstream_up"), ({ value }) => value === limit, ({ labels }) => `${labels["upstream"]} behind the gateway is not well`),
  },
  {
    name: "RetriesRunAway", severity: "warning", limit: 10, overS: 5 * MINUTES, forS: 2 * MINUTES,
    broken: (history, { limit, overS }) => {
      const retries = history.grown("overload_refused_total", overS).filter(({ labels }) => labels["reason"] === "retries");
      return each(retries, ({ grown, overS }) => grown / overS > limit, ({ labels }) => `callers of ${labels["route"]} send too much again`);
    },
  },
  {
    name: "BlocksMany", severity: "warning", limit: 100, overS: 5 * MINUTES, forS: 0,
    broken: (history, { limit, overS }) => {
      const before = history.before("front_blocks", overS);
      const more = (now: Series) => now.value - (beside(before, now)?.value ?? now.value);
      return each(history.now("front_blocks"), (now) => more(now) > limit, (now) => `${more(now)} networks were blocked within five minutes`);
    },
  },
  {
    name: "WebhookDropping", severity: "warning", limit: 0, overS: 15 * MINUTES, forS: 0,
    broken: (history, { limit, overS }) => each(history.grown("webhook_dropped_total", overS), ({ grown }) => grown > limit, () => "events never reached the webhook"),
  },
];

/** Judges a history again and again, and knows since when each rule has been broken. */
export class Watch {
  #since = new Map<string, number>();

  /** What is out of order at the last moment. */
  judge(history: History): Alert[] {
    const nowS = history.times.at(-1) ?? 0;
    const since = new Map<string, number>();
    const found = RULES.flatMap((rule) =>
      rule.broken(history, rule).map(({ of = "", why }) => {
        const key = `${rule.name} ${of}`;
        const begun = this.#since.get(key) ?? nowS;
        since.set(key, begun);
        return { name: rule.name, severity: rule.severity, why, raised: nowS - begun >= rule.forS };
      }),
    );
    this.#since = since;
    return found;
  }
}
