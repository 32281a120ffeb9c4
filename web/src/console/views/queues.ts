// Queues: how long they are, and the jobs that were given up.

import { ask } from "../../page/api.ts";
import { h } from "../../page/dom.ts";
import { type MakeView, Reading, change, panel, table } from "../view.ts";
import { count, moment, seconds } from "../words.ts";

interface Queue {
  queue: string;
  ready: number;
  delayed: number;
  active: number;
  done: number;
  dead: number;
  oldestMs: number;
  perSecond: number;
  wantedWorkers: number;
  paused: boolean;
  held: boolean;
}

interface Dead {
  jobs: { job: string; name: string; attempts: number; at?: string; failure?: string }[];
}

export const queues: MakeView = () => {
  const dead = h("div", {});
  const look = async (queue: string) => {
    const { jobs } = await ask<Dead>(`/api/v1/queues/${queue}/dead?limit=100`);
    const rows = jobs.map((job) => [
      job.name,
      job.job,
      job.attempts,
      job.failure ?? "",
      job.at ? moment(job.at) : "",
      h("span", { class: "buttons" },
        change("Try again", `Try the job ${job.job} again?`, () => ask(`/api/v1/queues/${queue}/jobs/${job.job}/retry`, { method: "POST" }), { then: () => void look(queue) }),
        change("Purge", `Purge the job ${job.job}? What it was to do is not done.`, () => ask(`/api/v1/queues/${queue}/jobs/${job.job}`, { method: "DELETE" }), { danger: true, then: () => void look(queue) }),
      ),
    ]);
    const all = change("Purge all", `Purge all jobs of ${queue} that were given up?`, () => ask(`/api/v1/queues/${queue}/dead`, { method: "DELETE" }), { danger: true, then: () => void look(queue) });
    dead.replaceChildren(panel(`Given up: ${queue}`, jobs.length > 0 && all, table(["Job", "Id", "Attempts", "Why", "When", ""], rows, "No job of this queue was given up.")));
  };
  const reading = new Reading<{ queues: Queue[] }>("/api/v1/queues", ({ queues }, again) => {
    const rows = queues.map((queue) => [
      queue.queue,
      count(queue.ready),
      count(queue.delayed),
      count(queue.active),
      count(queue.perSecond),
      queue.oldestMs > 0 ? seconds(queue.oldestMs / 1000) : "–",
      count(queue.done),
      h("button", { type: "button", class: queue.dead > 0 ? "small danger" : "small", onclick: () => void look(queue.queue) }, `${count(queue.dead)} given up`),
      queue.held ? "held" : queue.paused ? "paused" : "running",
      h("span", { class: "buttons" },
        queue.held && change("Release", `Release ${queue.queue}? Its jobs are from before a restore.`, () => ask(`/api/v1/queues/${queue.queue}/hold`, { method: "DELETE" }), { then: again }),
        queue.paused
          ? change("Resume", `Let workers take jobs of ${queue.queue} again?`, () => ask(`/api/v1/queues/${queue.queue}/pause`, { method: "DELETE" }), { then: again })
          : change("Pause", `Pause ${queue.queue}? Workers finish what they have and take no more.`, () => ask(`/api/v1/queues/${queue.queue}/pause`, { method: "PUT" }), { then: again }),
      ),
    ]);
    return [table(["Queue", "Ready", "Delayed", "At work", "A second", "Oldest", "Done", "Given up", "State", ""], rows, "There are no queues.")];
  });
  const element = h("div", {}, panel("Queues", reading.element), dead);
  return { element, tick: () => reading.tick() };
};
