// The records of elections that were held, which the Rust side checks too: crates/verifier/vectors. Tests change them before
// they are checked.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { sha256 } from "@noble/hashes/sha2.js";
import { fromBase64, text, toBase64, toHex } from "../src/bytes.ts";
import { type Entry, readEntry } from "../src/board/entry.ts";
import { electionHashOf } from "../src/election/bindings.ts";
import type { Election } from "../src/election/model.ts";
import type { SecretManifest } from "../src/election/verify/manifest.ts";
import { type Checked, checkElection } from "../src/election/verify/walk.ts";

/** One contest by plurality and one by instant runoff; contests of all kinds, with weights; and votes that are not secret. */
export type Held = "council" | "town" | "poll";

export const file = (name: string, held: Held = "council"): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(readFileSync(`../crates/verifier/vectors/${held}/${name}`));
const asText = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The entries' leaves: each behind its length in two bytes. */
export function leaves(held: Held = "council"): Uint8Array[] {
  const bytes = file("entries", held);
  const found: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = (bytes[at]! << 8) | bytes[at + 1]!;
    found.push(bytes.slice(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return found;
}

/** A board that a server forged, with its own signature under it: only a check of what it says can tell. */
export class Forged {
  readonly #held: Held;
  entries: Entry[];
  /** What the server serves besides what was recorded, by hash. */
  readonly blobs = new Map<string, Uint8Array>();

  constructor(held: Held = "council") {
    [this.#held, this.entries] = [held, leaves(held).map(readEntry)];
  }

  /** The places of entries of a kind. */
  all(command: string): number[] {
    return this.entries.flatMap((entry, at) => (entry.command === `election/${command}` ? [at] : []));
  }

  /** The first entry of a kind, or another of them. */
  at(command: string, which = 0): number {
    const place = this.all(command).at(which);
    if (place === undefined) throw new Error(`no ${command}`);
    return place;
  }

  body<T>(place: number): T {
    return JSON.parse(asText(this.entries[place]!.body)) as T;
  }

  /** Has an entry say something else. */
  change<T>(place: number, change: (body: T) => void): void {
    const body = this.body<T>(place);
    change(body);
    this.entries[place]!.body = text(JSON.stringify(body));
  }

  manifest(change: (manifest: SecretManifest) => void): void {
    this.change<{ manifest: string }>(this.at("defined"), (body) => {
      const manifest = JSON.parse(body.manifest) as SecretManifest;
      change(manifest);
      body.manifest = JSON.stringify(manifest);
    });
  }

  drop(...places: number[]): void {
    this.entries = this.entries.filter((_, at) => !places.includes(at));
    this.number();
  }

  /** Adds an entry before a place, or at the end. */
  add(command: string, body: unknown, before = this.entries.length): void {
    const like = this.entries[Math.min(before, this.entries.length - 1)]!;
    this.entries.splice(before, 0, { ...like, command: `election/${command}`, body: text(JSON.stringify(body)) });
    this.number();
  }

  move(from: number, to: number): void {
    const [entry] = this.entries.splice(from, 1);
    this.entries.splice(to, 0, entry!);
    this.number();
  }

  /** Nothing follows from here on. */
  end(at: number): void {
    this.entries.length = at;
  }

  number(): void {
    let time = 0;
    this.entries = this.entries.map((entry, index) => ({ ...entry, index, at: (time = Math.max(time, entry.at)) }));
  }

  /** Serves these bytes; gives their hash. */
  serve(bytes: Uint8Array): string {
    const hash = toHex(sha256(bytes));
    this.blobs.set(hash, bytes);
    return hash;
  }

  /** What the count published, and its hash says: changed. */
  results<T>(change: (results: T[]) => void): void {
    this.change<{ results: string }>(this.at("counted"), (body) => {
      const results = JSON.parse(asText(file(`blobs/${body.results}`, this.#held))) as T[];
      change(results);
      body.results = this.serve(text(JSON.stringify(results)));
    });
  }

  /** The election as this board says that it is. */
  election(): Election {
    const { manifest } = this.body<{ manifest: string }>(this.at("defined"));
    return { ...(JSON.parse(manifest) as Election), electionHash: toHex(electionHashOf(manifest)) };
  }

  /** What the browser's verifier finds. */
  async checked(told: string[] = []): Promise<Checked> {
    serve(null, this.blobs, this.#held);
    const record = { checkpoint: { origin: "", size: this.entries.length, root: new Uint8Array(32) }, entries: this.entries };
    return checkElection(this.election(), record, async ({ what }) => void told.push(what));
  }
}

/** A forged board must be refused, and for what is wrong with it. */
export function refused(sentence: string, forge: (board: Forged) => void, says: RegExp, held: Held = "council"): void {
  test(`${sentence} is refused`, async () => {
    const board = new Forged(held);
    forge(board);
    await assert.rejects(board.checked(), says);
  });
}

/** A server that shows the record, and of one blob something else. */
export function serve(changed: string | null = null, more = new Map<string, Uint8Array>(), held: Held = "council"): void {
  const entries = leaves(held).map((leaf) => ({ leafBytes: toBase64(leaf) }));
  globalThis.fetch = (async (input: string) => {
    const url = new URL(input, "http://localhost");
    const blob = /\/blobs\/([0-9a-f]{64})$/.exec(url.pathname)?.[1];
    if (blob) {
      const bytes = Uint8Array.from(more.get(blob) ?? file(`blobs/${blob}`, held));
      if (blob === changed) bytes[bytes.length - 1]! ^= 1;
      return new Response(bytes);
    }
    if (url.pathname.endsWith("/board/checkpoint")) return new Response(file("checkpoint", held));
    const from = Number(url.searchParams.get("from"));
    return Response.json({ entries: entries.slice(from, from + Number(url.searchParams.get("limit"))) });
  }) as typeof fetch;
  Object.assign(globalThis, { sessionStorage: { getItem: () => null } });
}

/** The election as a server shows it that shows the recorded board. */
export function shown(held: Held = "council"): Election {
  const keys = asText(file("keys", held)).trim().split("\n");
  const origin = asText(file("checkpoint", held)).split("\n")[0]!;
  return { ...new Forged(held).election(), state: "published", board: { origin, size: leaves(held).length, keys } };
}

/** Base64 of the same bytes with the last bit turned. */
export function damaged(encoded: string): string {
  const bytes = fromBase64(encoded);
  bytes[bytes.length - 1]! ^= 1;
  return toBase64(bytes);
}
