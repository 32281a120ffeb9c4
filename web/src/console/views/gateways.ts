// Gateways before this process: their pools, upstreams, routes and weights.

import { ask } from "../../page/api.ts";
import { h } from "../../page/dom.ts";
import { type MakeView, Reading, change, field, operate, panel, table } from "../view.ts";
import { count, seconds } from "../words.ts";

interface Upstream {
  address: string;
  region: string;
  weight: number;
  well: boolean;
  whyNot?: string;
  ejectedForMs?: number;
  inFlight: number;
  requests: number;
  failed: number;
}

interface Pool {
  name: string;
  balance: string;
  openForMs?: number;
  retries: number;
  refused: number;
  upstreams: Upstream[];
}

interface Route {
  name: string;
  hosts: string[];
  path: string;
  weights: Record<string, number>;
  canary?: { pool: string; percent: number; fallen: boolean };
}

interface Seen {
  url: string;
  state?: { region: string; refused: number; pools: Pool[]; routes: Route[] };
  away?: string;
}

export const gateways: MakeView = () => {
  const reading = new Reading<Seen[]>(operate("/gateways"), (seen, again) => {
    if (seen.length === 0) return [panel("Gateways", h("p", { class: "quiet" }, "The settings name no gateways (console.gateways)."))];
    return seen.map(({ url, state, away }, number) =>
      panel(url, ...(state ? [pools(state.pools), routes(number, state.routes, again)] : [h("p", { class: "problem", role: "alert" }, away ?? "It does not answer.")])));
  });
  return { element: reading.element, tick: () => reading.tick() };
};

function pools(all: Pool[]): HTMLElement {
  const rows = all.flatMap((pool) =>
    pool.upstreams.map((upstream) => [
      upstream.address,
      pool.name,
      count(upstream.weight),
      state(pool, upstream),
      count(upstream.inFlight),
      count(upstream.requests),
      count(upstream.failed),
    ]),
  );
  return h("div", {}, h("h3", {}, "Upstreams"), table(["Upstream", "Pool", "Weight", "State", "At work", "Requests", "Failed"], rows, "There are no upstreams."));
}

function state(pool: Pool, upstream: Upstream): string {
  if (pool.openForMs !== undefined) return `its pool rests for ${seconds(pool.openForMs / 1000)}`;
  if (upstream.ejectedForMs !== undefined) return `left alone for ${seconds(upstream.ejectedForMs / 1000)}`;
  // What the last check found wrong is told even while one failed check is not enough to leave it out.
  if (upstream.well) return upstream.whyNot === undefined ? "well" : `well, but at last ${upstream.whyNot}`;
  return upstream.whyNot === undefined ? "not well" : `not well: ${upstream.whyNot}`;
}

function routes(number: number, all: Route[], again: () => void): HTMLElement {
  const rows = all.map((route) => [
    route.name,
    `${route.hosts.join(", ") || "any host"} ${route.path}`,
    shares(route).map(([pool, share]) => `${pool} ${share} %`).join(", "),
    route.canary ? `${route.canary.percent} % to ${route.canary.pool}${route.canary.fallen ? ", fallen" : ""}` : "–",
    Object.keys(route.weights).length > 1 &&
      change("Move weights", `How is ${route.name} to be split?`, (values) => {
        const weights = Object.fromEntries(Object.keys(route.weights).map((pool) => [pool, Number(values.get(`weight-${pool}`))]));
        const overMs = Math.round(Number(values.get("over")) * 1000);
        return ask(operate(`/gateways/${number}/routes/${route.name}/weights`), { method: "PUT", body: { weights, overMs } });
      }, {
        fields: [
          ...shares(route).map(([pool, share]) => field(`weight-${pool}`, `Share of ${pool}`, { type: "number", min: 0, step: 1, value: Math.round(share), required: "true" })),
          field("over", "Over how many seconds", { type: "number", min: 0, value: 10 }),
        ],
        then: again,
      }),
  ]);
  return h("div", {}, h("h3", {}, "Routes"), table(["Route", "For", "Weights", "Canary", ""], rows, "There are no routes."));
}

/** Of a hundred requests of a route, how many go to each pool: a split that moves is told in millionths. */
function shares({ weights }: Route): [string, number][] {
  const all = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  return Object.entries(weights).map(([pool, weight]) => [pool, all > 0 ? Number(((100 * weight) / all).toFixed(1)) : 0]);
}
