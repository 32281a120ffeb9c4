// Follows a process's stream, and takes it up again when it ends.

import { token } from "../page/session.ts";
import { History, type Moment } from "./series.ts";

export type Connection = "following" | "lost" | "refused";

const AGAIN_MS = 2000;
/** A moment comes every second; a process that stands still, or a way to it that is cut, tells nobody so. */
const SILENT_MS = 5000;

/** Follows until nobody is signed in. `told` hears of each moment, and of how the connection is. */
export async function follow(history: History, told: (connection: Connection) => void): Promise<void> {
  while (token() !== null) {
    try {
      const headers = { authorization: `Bearer ${token()}`, accept: "text/event-stream" };
      const answer = await inTime(fetch("/console/live", { headers, credentials: "omit", cache: "no-store" }));
      if (answer.status === 401 || answer.status === 403) return told("refused");
      if (!answer.ok || !answer.body) throw new Error(`${answer.status}`);
      // A stream ends now and then, so that a token is asked for again; what it told before is not forgotten for that.
      let first = true;
      for await (const data of events(answer.body)) {
        const moment = JSON.parse(data) as Moment;
        if (first) history.begin(moment);
        else history.take(moment);
        first = false;
        told("following");
      }
    } catch {
      told("lost");
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** The data of each event of a stream (WHATWG HTML, server-sent events). */
async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as unknown as TransformStream<Uint8Array, string>).getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await inTime(reader.read());
      if (done) return;
      text += value;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const lines = text.slice(0, end).split("\n");
        text = text.slice(end + 2);
        const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
        if (data.length > 0) yield data.join("\n");
      }
    }
  } finally {
    // Not waited for: the other side may be as silent about this.
    void reader.cancel().catch(() => {});
  }
}

/** What comes of it, or an error if nothing comes for too long. */
async function inTime<T>(coming: Promise<T>): Promise<T> {
  let alarm: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, refuse) => {
    alarm = setTimeout(() => refuse(new Error("nothing comes")), SILENT_MS);
  });
  try {
    return await Promise.race([coming, silence]);
  } finally {
    clearTimeout(alarm);
  }
}
