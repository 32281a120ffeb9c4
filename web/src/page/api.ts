// Asking the server: JSON there and back, refusals as problem documents.

import { token } from "./session.ts";

/** A refusal that says what to do (RFC 9457). */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

interface Asking {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  body?: unknown;
  /** Raw bytes instead of JSON. */
  bytes?: Uint8Array<ArrayBuffer>;
  /** Says nothing about who asks: neither token nor cookie. */
  anonymous?: boolean;
  headers?: Record<string, string>;
}

export async function ask<T>(path: string, asking: Asking = {}): Promise<T> {
  const answer = await send(path, asking);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

export async function askBytes(path: string, asking: Asking = {}): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await send(path, asking)).arrayBuffer());
}

export async function askText(path: string, asking: Asking = {}): Promise<string> {
  return (await send(path, asking)).text();
}

async function send(path: string, { method = "GET", body, bytes, anonymous, headers }: Asking): Promise<Response> {
  const said = new Headers(headers);
  const bearer = anonymous ? null : token();
  if (bearer) said.set("authorization", `Bearer ${bearer}`);
  if (body !== undefined) said.set("content-type", "application/json");
  if (bytes !== undefined) said.set("content-type", "application/octet-stream");
  const sent = bytes ?? (body === undefined ? null : JSON.stringify(body));
  let answer: Response;
  try {
    answer = await fetch(path, { method, body: sent, headers: said, credentials: "omit", cache: "no-cache" });
  } catch {
    throw new Refused(0, "page/no-connection", "The server could not be reached. Check your connection and try again.");
  }
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

async function refusal(answer: Response): Promise<Refused> {
  try {
    const { type = "", title = "", detail = "" } = (await answer.json()) as Record<string, string>;
    const code = type.replace(/^.*problems(#|\/)/, "");
    return new Refused(answer.status, code, detail || title || `The server answered ${answer.status}.`);
  } catch {
    return new Refused(answer.status, "page/unclear", `The server answered ${answer.status}.`);
  }
}

/** What to tell a person about an error. */
export function message(error: unknown): string {
  const said = error instanceof Error ? error.message : String(error);
  const sentence = said.charAt(0).toUpperCase() + said.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}
