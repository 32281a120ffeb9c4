// The operators' console: signs in, follows the process, and shows one view at a time.

import { type Alert, Watch } from "../console/alerts.ts";
import { type Connection, follow } from "../console/live.ts";
import { History } from "../console/series.ts";
import type { MakeView, View } from "../console/view.ts";
import { audit } from "../console/views/audit.ts";
import { data } from "../console/views/data.ts";
import { front } from "../console/views/front.ts";
import { gateways } from "../console/views/gateways.ts";
import { ledgers } from "../console/views/ledgers.ts";
import { overview } from "../console/views/overview.ts";
import { people } from "../console/views/people.ts";
import { queues } from "../console/views/queues.ts";
import { requests } from "../console/views/requests.ts";
import { rooms } from "../console/views/rooms.ts";
import { settings } from "../console/views/settings.ts";
import { ask, message } from "../page/api.ts";
import { h, root } from "../page/dom.ts";
import { begin, end, token, userId } from "../page/session.ts";

const VIEWS: [string, string, MakeView][] = [
  ["overview", "Overview", overview],
  ["requests", "Requests", requests],
  ["queues", "Queues", queues],
  ["front", "Who is let in", front],
  ["rooms", "Waiting rooms", rooms],
  ["gateways", "Gateways", gateways],
  ["data", "Data", data],
  ["ledgers", "Ledgers", ledgers],
  ["people", "People", people],
  ["audit", "Audit", audit],
  ["settings", "Settings", settings],
];

if (token() === null) signIn();
else run();

function signIn(why = ""): void {
  const told = h("p", { class: "problem", role: "alert" }, why);
  const form = h(
    "form",
    { class: "panel sign-in", onsubmit },
    h("h1", {}, "Operators’ console"),
    h("div", { class: "field" }, h("label", { for: "user-id" }, "Name"), h("input", { id: "user-id", name: "user-id", autocomplete: "username", required: true })),
    h("div", { class: "field" }, h("label", { for: "password" }, "Password"), h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true })),
    told,
    h("button", { class: "button", type: "submit" }, "Sign in"),
  );
  async function onsubmit(event: Event) {
    event.preventDefault();
    const values = new FormData(form);
    const body = { userId: String(values.get("user-id")), credentials: String(values.get("password")) };
    try {
      const { token, roles } = await ask<{ token: string; roles: string[] }>("/api/v1/authenticate", { method: "POST", body, anonymous: true });
      if (!roles.some((role) => ["operator", "administrator", "auditor"].includes(role))) {
        throw new Error("You hold no role that lets you see this console");
      }
      begin({ token, userId: body.userId });
      run();
    } catch (error) {
      told.textContent = message(error);
    }
  }
  root().replaceChildren(form);
  form.querySelector("input")?.focus();
}

function run(): void {
  const history = new History();
  const watch = new Watch();
  const made = new Map<string, View>();
  let found: Alert[] = [];
  let lostSince: string | null = null;
  const place = h("main", { id: "main", tabindex: "-1" });
  const state = h("span", { class: "state" }, "Connecting…");
  const links = VIEWS.map(([id, title]) => h("a", { href: `#${id}`, "data-view": id }, title));
  const bell = h("a", { href: "#overview", class: "bell" });
  const out = h("button", { type: "button", class: "small", onclick: () => void signOut() }, `Sign out ${userId() ?? ""}`);
  const header = h("header", { class: "bar" }, h("strong", { class: "bar__name" }, "Holdfast"), state, bell, out);
  root().replaceChildren(header, h("nav", { class: "views", "aria-label": "Views" }, links), place);

  const current = () => VIEWS.find(([id]) => `#${id}` === location.hash) ?? VIEWS[0]!;
  const show = () => {
    const [id, title, make] = current();
    if (!made.has(id)) made.set(id, make(history));
    place.replaceChildren(h("h1", { class: "visually-hidden" }, title), made.get(id)!.element);
    for (const link of links) link.toggleAttribute("aria-current", link.dataset["view"] === id);
    document.title = `${title} – Holdfast console`;
    made.get(id)!.tick?.(found);
  };
  const told = (connection: Connection) => {
    if (connection === "refused") {
      end();
      signIn("Your session is over. Sign in again.");
      return;
    }
    state.textContent = connection === "following" ? `${location.host} · ${new Date().toLocaleTimeString()}` : "Connection lost, trying again…";
    state.classList.toggle("problem", connection === "lost");
    if (connection === "lost") {
      lostSince ??= new Date().toLocaleTimeString();
      found = [{ name: "HoldfastDown", severity: "critical", why: `Nothing has come from ${location.host} since ${lostSince}: what is shown is how it was`, raised: true }];
    } else {
      lostSince = null;
      found = watch.judge(history);
    }
    const raised = found.filter(({ raised }) => raised).length;
    bell.textContent = raised === 0 ? "" : `${raised} ${raised === 1 ? "alert" : "alerts"}`;
    made.get(current()[0])?.tick?.(found);
  };
  window.addEventListener("hashchange", show);
  show();
  void follow(history, told);
}

async function signOut(): Promise<void> {
  try {
    await ask("/api/v1/session", { method: "DELETE" });
  } catch {
    // The session was over already.
  }
  end();
  location.reload();
}
