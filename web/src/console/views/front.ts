// Who is let in: limits, blocks, under-attack mode, overload, and what was inspected.

import { ask } from "../../page/api.ts";
import { h } from "../../page/dom.ts";
import { type MakeView, Reading, change, field, operate, panel, table } from "../view.ts";
import { count, moment } from "../words.ts";

interface Front {
  givenPermille: number;
  processorsBusyPermille: number;
  rules: { name: string; by: string[]; limit: number; windowMs: number; refused: number; crowded: number }[];
  attack: { mode: string; lasts: boolean };
  inspection: { mode: string; threshold: number; seen: number };
  blocks: { network: string; until: string | number; reason: string }[];
}

interface Overload {
  routes: { route: string; limit: number; inFlight: number; waiting: number; refused?: number; threshold?: unknown }[];
}

const MODES = ["auto", "on", "off"];

export const front: MakeView = () => {
  const limits = new Reading<Front>(operate("/front"), (front, again) => [
    panel(
      "Under-attack mode",
      h("p", {}, front.attack.lasts ? "It is on: browsers solve a puzzle before they are let in." : "It is off.", ` Set to ${front.attack.mode}.`),
      h("div", { class: "buttons" }, MODES.filter((mode) => mode !== front.attack.mode).map((mode) =>
        change(`Set to ${mode}`, `Set under-attack mode to ${mode}?`, () => ask(operate("/attack"), { method: "PUT", body: { mode } }), { then: again, danger: mode === "on" }))),
    ),
    panel(
      "Networks that are kept out",
      change("Block a network", "Which network is to be kept out?", (values) => {
        const body = { network: String(values.get("network")), seconds: Math.round(Number(values.get("minutes")) * 60), reason: String(values.get("reason")) || undefined };
        return ask(operate("/blocks"), { method: "PUT", body });
      }, {
        fields: [
          field("network", "Network, such as 192.0.2.0/24", { required: "true", autocomplete: "off" }),
          field("minutes", "For how many minutes", { type: "number", value: 60, min: 1 }),
          field("reason", "Why", { maxlength: 80 }),
        ],
        danger: true,
        then: again,
      }),
      table(["Network", "Until", "Why", ""], front.blocks.map((block) => [
        block.network,
        moment(block.until),
        block.reason,
        change("Let in", `Let ${block.network} in again?`, () => ask(operate(`/blocks?network=${encodeURIComponent(block.network)}`), { method: "DELETE" }), { then: again }),
      ]), "No network is kept out."),
    ),
    panel(
      "Limits",
      front.givenPermille < 1000 && h("p", { class: "problem" }, `Because of the load only ${front.givenPermille / 10} % of each limit are given: the processors are ${front.processorsBusyPermille / 10} % busy, by this process or others; or jobs wait.`),
      table(["Rule", "Counted by", "Limit", "In", "Refused", "Left out for want of room"], front.rules.map((rule) => [
        rule.name, rule.by.join(", "), count(rule.limit), `${rule.windowMs / 1000} s`, count(rule.refused), count(rule.crowded),
      ]), "There are no limits."),
    ),
    panel("Inspection", h("p", {}, `Mode ${front.inspection.mode}; an attack from ${front.inspection.threshold} points on; ${count(front.inspection.seen)} seen.`)),
  ]);
  const overload = new Reading<Overload>(operate("/overload"), ({ routes }) => [
    table(["Route", "May be at work", "At work", "Waiting"], routes.map((route) => [route.route, count(route.limit), count(route.inFlight), count(route.waiting)]), "No route has been limited yet."),
  ]);
  const element = h("div", {}, limits.element, panel("Overload", overload.element));
  return { element, tick: () => (limits.tick(), overload.tick()) };
};
