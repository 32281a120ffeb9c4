// People, page by page, and one person's sessions.

import { ask, message } from "../../page/api.ts";
import { h } from "../../page/dom.ts";
import { type MakeView, change, field, panel, table } from "../view.ts";
import { moment } from "../words.ts";

interface Person {
  personId: string;
  userId?: string;
  kind: string;
  roles: string[];
  disabled: boolean;
  createdAt: string;
}

interface Session {
  sessionId: string;
  beganAt: string;
  expiresAt: string;
}

const PAGE = 50;

export const people: MakeView = () => {
  const place = h("div", {});
  const sessions = h("div", {});
  const look = async (person: string) => {
    const path = `/api/v1/persons/${person}/sessions`;
    try {
      const { sessions: all } = await ask<{ sessions: Session[] }>(path);
      const rows = all.map((session) => [session.sessionId, moment(session.beganAt), moment(session.expiresAt)]);
      const end = change("End all", "End all sessions of this person? They have to sign in again.", () => ask(path, { method: "DELETE" }), { danger: true, then: () => void look(person) });
      sessions.replaceChildren(panel(`Sessions of ${person}`, all.length > 0 && end, table(["Session", "Since", "Until"], rows, "Nowhere signed in.")));
    } catch (error) {
      sessions.replaceChildren(panel(`Sessions of ${person}`, h("p", { class: "problem" }, message(error))));
    }
  };
  const trail: (string | undefined)[] = [undefined];
  const show = async (path: string) => {
    const began = performance.now();
    try {
      const { persons, next } = await ask<{ persons: Person[]; next?: string | null }>(path);
      const tookMs = performance.now() - began;
      const rows = persons.map((person) => [
        person.personId,
        person.kind,
        person.roles.join(", ") || "–",
        person.disabled ? "disabled" : "active",
        moment(person.createdAt),
        h("span", { class: "buttons" },
          h("button", { type: "button", class: "small", onclick: () => void look(person.personId) }, "Sessions"),
          change(person.disabled ? "Enable" : "Disable", person.disabled ? "Let this person sign in again?" : "Keep this person from signing in? All their sessions end.",
          () => ask(`/api/v1/persons/${person.personId}/standing`, { method: "PUT", body: { kind: person.kind, roles: person.roles, disabled: !person.disabled } }),
          { danger: !person.disabled, then: () => void show(path) })),
      ]);
      const go = (to: () => void, text: string, possible: boolean) => h("button", { type: "button", class: "small", disabled: !possible, onclick: to }, text);
      place.replaceChildren(
        table(["Person", "Kind", "Roles", "State", "Since", ""], rows, "Nobody."),
        h("div", { class: "buttons" },
          go(() => { trail.pop(); page(); }, "Back", trail.length > 1),
          go(() => { trail.push(next ?? undefined); page(); }, "On", typeof next === "string"),
          h("span", { class: "quiet" }, `read in ${tookMs.toFixed(0)} ms`)),
      );
    } catch (error) {
      place.replaceChildren(h("p", { class: "problem" }, message(error)));
    }
  };
  const page = () => void show(`/api/v1/persons?limit=${PAGE}${trail.at(-1) ? `&after=${trail.at(-1)}` : ""}`);
  const find = h("form", { class: "inline", onsubmit: (event: Event) => {
    event.preventDefault();
    const name = String(new FormData(find).get("person-name") ?? "").trim();
    if (name === "") page();
    else void show(`/api/v1/persons?userId=${encodeURIComponent(name)}`);
  } }, field("person-name", "Name that they sign in with", { autocomplete: "off" }), h("button", { class: "small", type: "submit" }, "Find"));
  page();
  return { element: h("div", {}, panel("People", find, place), sessions) };
};
