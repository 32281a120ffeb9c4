// The record of an election that was held, which the Rust side checks too: crates/verifier/vectors/council.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fromHex, toBase64, toHex } from "../src/bytes.ts";
import { electionHashOf } from "../src/election/bindings.ts";
import type { Election } from "../src/election/model.ts";
import { bodyOf, readRecord } from "../src/election/record.ts";
import { type Found, Verifier } from "../src/election/verify.ts";
import { readEntry } from "../src/board/entry.ts";

const file = (name: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(readFileSync(`../crates/verifier/vectors/council/${name}`));
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The entries' leaves: each behind its length in two bytes. */
function leaves(): Uint8Array[] {
  const bytes = file("entries");
  const found: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = (bytes[at]! << 8) | bytes[at + 1]!;
    found.push(bytes.slice(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return found;
}

/** A server that shows the record, and of one blob something else. */
function serve(changed: string | null = null): void {
  const entries = leaves().map((leaf) => ({ leafBytes: toBase64(leaf) }));
  globalThis.fetch = (async (input: string) => {
    const url = new URL(input, "http://localhost");
    const blob = /\/blobs\/([0-9a-f]{64})$/.exec(url.pathname)?.[1];
    if (blob) {
      const bytes = file(`blobs/${blob}`);
      if (blob === changed) bytes[bytes.length - 1]! ^= 1;
      return new Response(bytes);
    }
    if (url.pathname.endsWith("/board/checkpoint")) return new Response(file("checkpoint"));
    const from = Number(url.searchParams.get("from"));
    return Response.json({ entries: entries.slice(from, from + Number(url.searchParams.get("limit"))) });
  }) as typeof fetch;
  Object.assign(globalThis, { sessionStorage: { getItem: () => null } });
}

/** The election as its board says that it is. */
function election(): Election {
  const defined = leaves().map(readEntry).find(({ command }) => command === "election/defined")!;
  const { manifest } = bodyOf<{ manifest: string }>(defined);
  const keys = text(file("keys")).trim().split("\n");
  const origin = text(file("checkpoint")).split("\n")[0]!;
  const shown = JSON.parse(manifest) as Election;
  return {
    ...shown,
    state: "published",
    electionHash: toHex(electionHashOf(manifest)),
    board: { origin, size: leaves().length, keys },
  };
}

async function verified(): Promise<{ found: string[]; answers: number[] }> {
  const [shown, found] = [election(), [] as string[]];
  const record = await readRecord(shown, () => {});
  const verifier = new Verifier(shown, record, async ({ what }: Found) => void found.push(what));
  await verifier.definition(shown);
  const counting = await verifier.ballots();
  await verifier.tokens(counting);
  const decrypted = await verifier.decryptions(await verifier.mixes(counting));
  return { found, answers: decrypted.map((lists) => lists.reduce((sum, { answers }) => sum + answers.length, 0)) };
}

test("the record of the council is in order", async () => {
  serve();
  const { found, answers } = await verified();
  assert.deepEqual(found.slice(0, 2), ["Definition", "Key"]);
  assert.equal(found.at(-1), "Decryption");
  assert.deepEqual(answers, [5, 5]);
});

test("a server that shows other bytes than the board names is refused", async () => {
  const mixed = leaves().map(readEntry).find(({ command }) => command === "election/mixed")!;
  const { proof } = bodyOf<{ proof: string }>(mixed);
  assert.equal(fromHex(proof).length, 32);
  serve(proof);
  await assert.rejects(verified(), /others than the board names/);
});
