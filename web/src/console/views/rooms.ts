// Waiting rooms: who waits, how long, and at which rate people are let in.

import { ask } from "../../page/api.ts";
import { h } from "../../page/dom.ts";
import { type MakeView, Reading, change, field, operate, panel, table } from "../view.ts";
import { count } from "../words.ts";

type Room = { name: string; waiting?: number; letInPerS?: number; closed?: unknown } & Record<string, unknown>;

export const rooms: MakeView = () => {
  const reading = new Reading<Room[]>(operate("/waiting-rooms"), (rooms, again) => [
    table(["Room", "State", ""], rooms.map((room) => [
      room.name,
      Object.entries(room).filter(([key]) => key !== "name").map(([key, value]) => h("div", {}, h("span", { class: "quiet" }, `${key} `), typeof value === "number" ? count(value) : JSON.stringify(value))),
      h("span", { class: "buttons" },
        change("Change the rate", `At which rate are people let into ${room.name}?`, (values) => ask(operate(`/waiting-rooms/${room.name}/rate`), { method: "PUT", body: { perSecond: Number(values.get("rate")) } }), {
          fields: [field("rate", "People a second", { type: "number", min: 0, step: "any", required: "true" })], then: again }),
        change("Close", `Close ${room.name}? Everybody who waits is told that there is nothing left.`, () => ask(operate(`/waiting-rooms/${room.name}/close`), { method: "POST" }), { danger: true, then: again }),
        change("Open", `Open ${room.name} again?`, () => ask(operate(`/waiting-rooms/${room.name}/open`), { method: "POST" }), { then: again }),
      ),
    ]), "There are no waiting rooms in the settings."),
  ]);
  return { element: panel("Waiting rooms", reading.element), tick: () => reading.tick() };
};

