// The settings as they were read, and reading them again.

import { ask, askText, message } from "../../page/api.ts";
import { h } from "../../page/dom.ts";
import { type MakeView, change, operate, panel } from "../view.ts";

export const settings: MakeView = () => {
  const text = h("pre", { class: "settings", tabindex: "0" }, "Reading…");
  const later = h("p", { role: "status" });
  const read = async () => {
    text.textContent = await askText("/console/settings").catch(message);
  };
  const readAgain = async () => {
    const { nextStart } = await ask<{ nextStart: string[] }>(operate("/reload"), { method: "POST" });
    later.textContent = nextStart.length > 0 ? `In force from the next start only: ${nextStart.join(", ")}.` : "All of them are in force.";
  };
  const reload = change("Read the settings again", "Read the settings again? Limits, networks, rooms and inspection change at once.", readAgain, { then: () => void read() });
  const handOver = change("Restart without a gap", "Start a new process of the same program and hand over to it? No connection is lost.", () => ask(operate("/hand-over"), { method: "POST" }), { danger: true });
  void read();
  return { element: panel("Settings", h("div", { class: "buttons" }, reload, handOver), later, text) };
};
