// The settings as they were read, and reading them again.

import { ask, askText, message } from "../../page/api.ts";
import { h } from "../../page/dom.ts";
import { type MakeView, change, operate, panel } from "../view.ts";

export const settings: MakeView = () => {
  const text = h("pre", { class: "settings", tabindex: "0" }, "Reading…");
  askText("/console/settings").then(
    (said) => (text.textContent = said),
    (error: unknown) => (text.textContent = message(error)),
  );
  const reload = change("Read the settings again", "Read the settings again? Limits, networks, rooms and inspection change at once.", () => ask(operate("/reload"), { method: "POST" }));
  const handOver = change("Restart without a gap", "Start a new process of the same program and hand over to it? No connection is lost.", () => ask(operate("/hand-over"), { method: "POST" }), { danger: true });
  return { element: panel("Settings", h("div", { class: "buttons" }, reload, handOver), text) };
};
