// Where data is: databases, caches, Redis.

import { h } from "../../page/dom.ts";
import { Chart } from "../charts.ts";
import { type MakeView, panel, table } from "../view.ts";
import { count, percent, seconds } from "../words.ts";

export const data: MakeView = (history) => {
  const reads = new Chart("Readings of databases a second", count);
  const commits = new Chart("Commits of ledgers a second", count);
  const place = h("div", {});
  const element = h("div", {}, h("div", { class: "grid" }, reads.element, commits.element), place);
  const tick = () => {
    reads.tell(history.times, [{ label: "Readings", colour: "--accent", values: history.rates("store_reads_total"), fill: true }]);
    commits.tell(history.times, [{ label: "Commits", colour: "--accent", values: history.rates("ledger_commits_total"), fill: true }]);
    if (place.contains(document.activeElement)) return;
    const rates = Object.fromEntries(
      ["hits", "shared_hits", "stale", "loads", "failures"].map((what) => [what, history.ratesBy(`cache_${what}_total`, "room")]),
    );
    const caches = history.now("cache_hits_total").map(({ labels }) => {
      const room = labels["room"] ?? "";
      const of = (what: string) => rates[what]?.get(room) ?? 0;
      const [here, shared, loads] = [of("hits"), of("shared_hits"), of("loads")];
      const asked = here + shared + loads;
      return [room, count(asked), asked > 0 ? percent(here / asked) : "–", asked > 0 ? percent(shared / asked) : "–", count(of("stale")), count(of("failures"))];
    });
    const [busy, all] = [history.value("store_readers_busy"), history.value("store_readers")];
    const redis = history.now("cache_redis_up");
    const sync = history.rate("ledger_sync_seconds_sum", undefined, 60) ?? 0;
    const syncs = history.rate("ledger_sync_seconds_count", undefined, 60) ?? 0;
    const lines: [string, string][] = [
      ["Readers at work", `${count(busy)} of ${count(all)}`],
      ["A sync of the disk takes", syncs > 0 ? seconds(sync / syncs) : "–"],
      ["Reads past replicas that were behind", count(history.value("store_reads_passed_over_total"))],
      ["Redis", redis.length === 0 ? "not in the settings" : redis.every(({ value }) => value > 0) ? "there" : "away: this node goes on alone"],
      ...history.now("backup_age_seconds").map(({ value }): [string, string] => ["Newest backup", `${seconds(value)} old`]),
    ];
    place.replaceChildren(
      panel("Databases", table(["What", "How"], lines)),
      panel("Caches, over the last minute", table(["Cache", "Asked a second", "Found here", "Found in Redis", "Old answers", "Failures"], caches, "There are no caches.")),
    );
  };
  return { element, tick };
};
