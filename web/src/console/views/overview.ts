// How the process is, at a glance across a room.

import { h } from "../../page/dom.ts";
import type { Alert } from "../alerts.ts";
import { Chart, HeatMap } from "../charts.ts";
import { type History, quantile } from "../series.ts";
import type { MakeView } from "../view.ts";
import { bytes, count, percent, seconds } from "../words.ts";

const LATENCY = "http_request_duration_seconds";

// Made once, so that what was summed up with them is known.
const isFailure = ({ status = "", route = "" }: Record<string, string>) => status.startsWith("5") && route !== "refused";
const isRefusal = ({ status = "", route = "" }: Record<string, string>) => status.startsWith("4") || route === "refused";

function tile(title: string) {
  const value = h("p", { class: "tile__value" }, "–");
  const note = h("p", { class: "tile__note" });
  return { element: h("section", { class: "panel tile" }, h("h2", {}, title), value, note), value, note };
}

export const overview: MakeView = (history) => {
  const tiles = { rate: tile("Requests a second"), latency: tile("Latency, 99 of 100"), errors: tile("Failed"), machine: tile("Processors") };
  const rate = new Chart("Requests a second", count);
  const latency = new Chart("Latency", seconds);
  const heat = new HeatMap("How long requests took, over five minutes");
  const list = h("div", {});
  const element = h(
    "div",
    { class: "grid" },
    Object.values(tiles).map(({ element }) => element),
    h("section", { class: "panel full", "aria-live": "polite" }, h("h2", {}, "Alerts"), list, h("p", { class: "quiet" }, "Judged from what this page has followed since it was opened. Prometheus remembers longer.")),
    rate.element,
    latency.element,
    h("div", { class: "full" }, heat.element),
  );
  let told = "";
  const tick = (now: Alert[]) => {
    const times = history.times;
    const all = history.rates("http_requests_total");
    const failed = history.rates("http_requests_total", isFailure);
    const refused = history.rates("http_requests_total", isRefusal);
    const buckets = history.buckets(LATENCY, 5);
    const at = (share: number) => buckets.counts.map((counts) => quantile(buckets.bounds, counts, share));
    const [p50, p95, p99] = [at(0.5), at(0.95), at(0.99)];
    rate.tell(times, [
      { label: "All", colour: "--accent", values: all, fill: true },
      { label: "Refused", colour: "--amber", values: refused },
      { label: "Failed", colour: "--red", values: failed },
    ]);
    latency.tell(times, [
      { label: "Half below", colour: "--accent", values: p50 },
      { label: "95 of 100", colour: "--amber", values: p95 },
      { label: "99 of 100", colour: "--red", values: p99 },
    ]);
    heat.tell(history.buckets(LATENCY, 1), seconds);
    tellTiles(history, tiles, { all, failed, p50, p99 });
    const text = JSON.stringify(now);
    if (text !== told || list.children.length === 0) {
      told = text;
      const items = now.map(({ name, severity, why, raised }) =>
        h(
          "li",
          { class: `alert alert--${raised ? severity : "begun"}` },
          h("strong", {}, name),
          ` ${why}. `,
          h("span", { class: "quiet" }, raised ? `Runbook: ${name}` : `Not raised yet, and ${severity === "critical" ? "critical" : "a warning"} if it stays so`),
        ),
      );
      list.replaceChildren(items.length > 0 ? h("ul", { class: "alerts" }, items) : h("p", { class: "good" }, "Nothing is out of order."));
    }
  };
  return { element, tick };
};

type Tiles = Record<"rate" | "latency" | "errors" | "machine", ReturnType<typeof tile>>;

function tellTiles(
  history: History,
  tiles: Tiles,
  { all, failed, p50, p99 }: Record<"all" | "failed" | "p50" | "p99", (number | null)[]>,
): void {
  const last = (values: (number | null)[]) => values.at(-1) ?? null;
  const [now, most] = [last(all), Math.max(0, ...all.map((value) => value ?? 0))];
  tiles.rate.value.textContent = now === null ? "–" : count(now);
  tiles.rate.note.textContent = `${count(history.value("http_requests_in_flight"))} at work, at most ${count(most)} a second lately`;
  tiles.latency.value.textContent = last(p99) === null ? "–" : seconds(last(p99)!);
  tiles.latency.note.textContent = last(p50) === null ? "no requests" : `half take ${seconds(last(p50)!)} or less`;
  tiles.errors.value.textContent = now === null || now === 0 ? "–" : percent((last(failed) ?? 0) / now);
  tiles.errors.note.textContent = `${count(last(failed) ?? 0)} a second`;
  const cores = Math.max(1, history.value("process_cpus"));
  const cpu = history.rate("process_cpu_seconds_total");
  tiles.machine.value.textContent = cpu === null ? "–" : percent(cpu / cores);
  const memory = history.value("process_resident_memory_bytes");
  tiles.machine.note.textContent = `${bytes(memory)} of ${bytes(history.value("process_memory_max_bytes"))} memory, ${cores} cores`;
}
