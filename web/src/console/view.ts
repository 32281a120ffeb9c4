// What all views of the console share: tables, asking before something is changed, telling what came of it.

import { ask, message } from "../page/api.ts";
import { type Child, h } from "../page/dom.ts";
import type { Alert } from "./alerts.ts";
import type { History } from "./series.ts";

export interface View {
  element: HTMLElement;
  /** Called at each moment while the view is shown, with what is out of order. */
  tick?: (alerts: Alert[]) => void;
}

export type MakeView = (history: History) => View;

export function table(heads: string[], rows: Child[][], empty = "Nothing."): HTMLElement {
  if (rows.length === 0) return h("p", { class: "quiet" }, empty);
  const numeric = (cell: Child) => typeof cell === "number" || (typeof cell === "string" && /^[\d.,–]+( ?[%µmskKMGTiBh]+(in)?)?$/.test(cell));
  const head = h("tr", {}, heads.map((text, at) => h("th", { scope: "col", class: numeric(rows[0]?.[at]) ? "number" : "" }, text)));
  const body = rows.map((row) =>
    h("tr", {}, row.map((cell, at) => (at === 0 ? h("th", { scope: "row" }, cell) : h("td", { class: numeric(cell) ? "number" : "" }, cell)))),
  );
  return h("div", { class: "scroll" }, h("table", {}, h("thead", {}, head), h("tbody", {}, body)));
}

export function panel(title: string, ...children: Child[]): HTMLElement {
  return h("section", { class: "panel" }, h("h2", {}, title), ...children);
}

/** A button whose change is confirmed in a dialog first. What came of it is told in the dialog too. */
export function change(
  label: string,
  question: string,
  act: (values: FormData) => Promise<unknown>,
  { fields = [], danger = false, then }: { fields?: Child[]; danger?: boolean; then?: () => void } = {},
): HTMLElement {
  const open = () => {
    const told = h("p", { class: "problem", role: "alert" });
    const yes = h("button", { type: "submit", class: danger ? "button danger" : "button" }, label);
    const no = h("button", { type: "button", class: "button plain", onclick: () => dialog.close() }, "Cancel");
    const form = h("form", { onsubmit }, h("h2", {}, question), fields, told, h("div", { class: "buttons" }, yes, no));
    const dialog = h("dialog", { "aria-label": question }, form);
    async function onsubmit(event: Event) {
      event.preventDefault();
      yes.disabled = true;
      try {
        await act(new FormData(form));
        dialog.close();
        then?.();
      } catch (error) {
        told.textContent = message(error);
        yes.disabled = false;
      }
    }
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  };
  return h("button", { type: "button", class: danger ? "small danger" : "small", onclick: open }, label);
}

export function field(id: string, label: string, attributes: Record<string, string | number> = {}): HTMLElement {
  return h("div", { class: "field" }, h("label", { for: id }, label), h("input", { id, name: id, ...attributes }));
}

/** A part of the page that is read anew every few seconds, and after each change. */
export class Reading<T> {
  readonly element = h("div", {});
  readonly #path: string;
  readonly #shown: (value: T, again: () => void) => Child[];
  readonly #everyMs: number;
  #last = 0;

  constructor(path: string, shown: (value: T, again: () => void) => Child[], everyMs = 3000) {
    this.#path = path;
    this.#shown = shown;
    this.#everyMs = everyMs;
  }

  tick(): void {
    if (Date.now() - this.#last < this.#everyMs) return;
    // Whoever reads a list with the keyboard, or has marked text in it, is not disturbed.
    if (this.element.contains(document.activeElement) || document.querySelector("dialog[open]")) return;
    void this.read();
  }

  async read(): Promise<void> {
    this.#last = Date.now();
    try {
      const value = await ask<T>(this.#path);
      this.element.replaceChildren(...this.#shown(value, () => void this.read()).flat().filter((child): child is Node => child instanceof Node));
    } catch (error) {
      this.element.replaceChildren(h("p", { class: "problem" }, message(error)));
    }
  }
}

export function operate(path: string): string {
  return `/console/operate${path}`;
}
