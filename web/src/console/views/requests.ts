// Every route: how often, how long, how many failed.

import { h } from "../../page/dom.ts";
import { quantile } from "../series.ts";
import { type MakeView, table } from "../view.ts";
import { count, percent, seconds } from "../words.ts";

export const requests: MakeView = (history) => {
  const place = h("div", {});
  const element = h("section", { class: "panel" }, h("h2", {}, "Routes, over the last minute"), place);
  const tick = () => {
    if (place.contains(document.activeElement)) return;
    const all = history.ratesBy("http_requests_total", "route");
    const rows = [...all].sort((one, other) => other[1] - one[1]).map(([route, rate]) => {
      const own = (labels: Record<string, string>) => labels["route"] === route;
      const share = (digit: string) => {
        const some = history.rate("http_requests_total", (labels) => own(labels) && (labels["status"] ?? "").startsWith(digit), 60);
        return rate > 0 ? percent((some ?? 0) / rate) : "–";
      };
      const { bounds, counts } = history.lastBuckets("http_request_duration_seconds", 60, own);
      const at = (of: number) => {
        const value = quantile(bounds, counts, of);
        return value === null ? "–" : seconds(value);
      };
      return [route || "(none)", count(rate), at(0.5), at(0.99), share("4"), share("5")];
    });
    place.replaceChildren(table(["Route", "A second", "Half below", "99 of 100", "Refused", "Failed"], rows, "No requests yet."));
  };
  return { element, tick };
};
