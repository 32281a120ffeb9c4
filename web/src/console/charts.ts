// Charts of the last minutes: lines by uPlot, and a heat map of how long requests took.

import uPlot from "uplot";
import { h } from "../page/dom.ts";
import { type Buckets, timeRange } from "./series.ts";

export interface Line {
  label: string;
  /** A custom property of the style sheet. */
  colour: string;
  values: (number | null)[];
  fill?: boolean;
}

function property(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A chart that is made once and told new lines every second. */
export class Chart {
  readonly element: HTMLElement;
  readonly #said: HTMLElement;
  readonly #place: HTMLElement;
  readonly #unit: (value: number) => string;
  #plot: uPlot | undefined;
  #colours = "";

  constructor(title: string, unit: (value: number) => string) {
    this.#place = h("div", { class: "chart" });
    this.#said = h("p", { class: "visually-hidden", role: "status", "aria-live": "off" });
    this.element = h("figure", { class: "panel" }, h("figcaption", {}, title), this.#place, this.#said);
    this.#unit = unit;
    new ResizeObserver(() => this.#resize()).observe(this.#place);
  }

  #resize(): void {
    const width = this.#place.clientWidth;
    if (this.#plot && width > 0) this.#plot.setSize({ width, height: 190 });
  }

  tell(times: number[], lines: Line[]): void {
    if (!this.element.isConnected) return;
    const colours = lines.map(({ colour }) => property(colour)).join() + property("--ink");
    // Another theme, or other lines: uPlot takes colours only when it is made.
    if (!this.#plot || colours !== this.#colours) {
      this.#plot?.destroy();
      this.#plot = this.#make(lines);
      this.#colours = colours;
    }
    this.#plot.setData([times, ...lines.map(({ values }) => values)] as uPlot.AlignedData, false);
    // Of a single moment uPlot asks nobody which range is to be seen, and shows years.
    const [min, max] = timeRange(undefined, times[0] ?? null, times.at(-1) ?? null);
    this.#plot.setScale("x", { min, max });
    this.#said.textContent = lines
      .map(({ label, values }) => {
        const last = values.at(-1);
        return `${label}: ${last === null || last === undefined ? "nothing" : this.#unit(last)}`;
      })
      .join("; ");
  }

  #make(lines: Line[]): uPlot {
    const axis = {
      stroke: property("--quiet"),
      grid: { stroke: property("--line"), width: 1 },
      ticks: { show: false },
      font: "12px system-ui",
    };
    return new uPlot(
      {
        width: this.#place.clientWidth || 400,
        height: 190,
        cursor: { points: { size: 6 } },
        legend: { live: true },
        scales: { x: { range: timeRange }, y: { range: (_, __, max) => [0, Math.max(max * 1.1, 1e-6)] } },
        series: [
          { value: (_, time) => (time === null ? "" : new Date(time * 1000).toLocaleTimeString()) },
          ...lines.map(({ label, colour, fill }) => ({
            label,
            stroke: property(colour),
            width: 1.5,
            ...(fill ? { fill: `${property(colour)}22` } : {}),
            points: { show: false },
            value: (_: uPlot, value: number | null) => (value === null ? "–" : this.#unit(value)),
          })),
        ],
        axes: [axis, { ...axis, size: 62, values: (_, values) => values.map(this.#unit) }],
      },
      [[], ...lines.map(() => [])],
      this.#place,
    );
  }
}

/** How long requests took, second by second: the darker, the more of them. */
export class HeatMap {
  readonly element: HTMLElement;
  readonly #canvas: HTMLCanvasElement;
  readonly #scale: HTMLElement;

  constructor(title: string) {
    this.#canvas = h("canvas", { role: "img", "aria-label": title });
    this.#scale = h("ol", { class: "heat__scale", "aria-hidden": "true" });
    const body = h("div", { class: "heat" }, this.#scale, this.#canvas);
    this.element = h("figure", { class: "panel" }, h("figcaption", {}, title), body);
  }

  tell({ bounds, counts }: Buckets, named: (bound: number) => string): void {
    if (!this.element.isConnected) return;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.#canvas.clientWidth, this.#canvas.clientHeight];
    if (width === 0) return;
    this.#canvas.width = width * ratio;
    this.#canvas.height = height * ratio;
    const context = this.#canvas.getContext("2d");
    if (!context) return;
    context.scale(ratio, ratio);
    context.clearRect(0, 0, width, height);
    context.fillStyle = property("--accent");
    const columns = Math.min(counts.length, 300);
    const recent = counts.slice(-columns);
    const most = Math.log1p(Math.max(1, ...recent.flat()));
    const [cell, row] = [width / 300, height / Math.max(1, bounds.length)];
    recent.forEach((column, at) => {
      column.forEach((count, bucket) => {
        if (count <= 0) return;
        context.globalAlpha = 0.12 + 0.88 * (Math.log1p(count) / most);
        const x = width - (columns - at) * cell;
        context.fillRect(x, height - (bucket + 1) * row, cell + 0.5, row - 1);
      });
    });
    if (this.#scale.children.length !== bounds.length) {
      this.#scale.replaceChildren(...bounds.map((bound) => h("li", {}, named(bound))).reverse());
    }
  }
}
