// What happened: entries of a ledger, found by command, actor or person.

import { Refused, ask, message } from "../../page/api.ts";
import { h } from "../../page/dom.ts";
import { type MakeView, field, panel, table } from "../view.ts";
import { moment } from "../words.ts";

interface Entry {
  index: number;
  at: string;
  command: string;
  actor: string;
  subject?: string;
  body: unknown;
}

const PAGE = 100;
/** Those of the services; what was done to queues of elections stands in theirs. */
const LEDGERS = ["identity", "elections"];

export const audit: MakeView = () => {
  const place = h("div", {});
  let form: HTMLFormElement;
  const search = async (before?: number) => {
    const values = new FormData(form);
    const query = new URLSearchParams({ limit: String(PAGE) });
    for (const name of ["command", "actor", "subject"]) {
      const value = String(values.get(name) ?? "").trim();
      if (value !== "") query.set(name, value);
    }
    if (before !== undefined) query.set("before", String(before));
    try {
      const { entries, next } = await ask<{ entries: Entry[]; next?: number }>(`/ledger/${String(values.get("ledger"))}/search?${query}`);
      const rows = entries.map((entry) => [
        entry.index,
        moment(entry.at),
        entry.command,
        entry.actor,
        entry.subject ?? "–",
        h("details", {}, h("summary", {}, "Show"), h("pre", {}, JSON.stringify(entry.body, null, 1))),
      ]);
      place.replaceChildren(
        table(["Entry", "When", "Command", "By", "About", "What"], rows, "No entry is like that."),
        h("div", { class: "buttons" }, next !== undefined && h("button", { type: "button", class: "small", onclick: () => void search(next) }, "Older")),
      );
    } catch (error) {
      const needs = error instanceof Refused && error.status === 403 ? " Reading entries needs the role auditor." : "";
      place.replaceChildren(h("p", { class: "problem" }, message(error), needs));
    }
  };
  form = h("form", { class: "inline", onsubmit: (event: Event) => { event.preventDefault(); void search(); } },
    h("div", { class: "field" }, h("label", { for: "ledger" }, "Ledger"), h("select", { id: "ledger", name: "ledger" }, LEDGERS.map((name) => h("option", {}, name)))),
    field("command", "Command, such as identity/sign-in", { autocomplete: "off" }),
    field("actor", "By", { autocomplete: "off" }),
    field("subject", "About (person)", { autocomplete: "off" }),
    h("button", { class: "small", type: "submit" }, "Search"));
  void Promise.resolve().then(() => search());
  return { element: panel("Audit", form, place) };
};
