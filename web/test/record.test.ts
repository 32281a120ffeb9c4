// Honest records, and a server that serves other bytes than it names.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readRecord } from "../src/election/record.ts";
import { type Checked, checkElection } from "../src/election/verify/walk.ts";
import { Forged, type Held, file, serve, shown } from "./recorded.ts";

async function verified(found: string[] = [], held: Held = "council"): Promise<Checked> {
  const election = shown(held);
  return checkElection(election, await readRecord(election, () => {}), async ({ what }) => void found.push(what));
}

/** Who is elected in each contest, by name. */
function electedIn({ results }: Checked): string[][] {
  return results!.map(({ candidates, elected }) => elected.map((place) => Object.values(candidates[place]!)[0] as string));
}

test("the record of the council is in order", async () => {
  serve();
  const found: string[] = [];
  const checked = await verified(found);
  assert.equal(checked.stage, "published");
  assert.deepEqual(found, ["Definition", "Key", "Ballots", "Turnout", "Tokens", "Mixes", "Decryption", "Answers", "Count"]);
  assert.deepEqual(checked.answers?.map((list) => list.answers.length), [5, 5]);
  assert.deepEqual(electedIn(checked), [["ada"], ["x"]]);
});

test("the record of the town, with contests of every kind and voters of two weights, is in order", async () => {
  serve(null, undefined, "town");
  const checked = await verified([], "town");
  assert.equal(checked.stage, "published");
  assert.deepEqual(checked.results?.map(({ count }) => count), ["most", "most", "most", "instant-runoff", "stv-scottish", "stv-meek", "schulze"]);
  assert.deepEqual(checked.results?.map(({ ballots }) => ballots), Array.from({ length: 7 }, () => 14));
});

test("the record of a poll whose votes are not secret is in order", async () => {
  serve(null, undefined, "poll");
  const found: string[] = [];
  const checked = await verified(found, "poll");
  assert.equal(checked.stage, "published");
  assert.deepEqual(found, ["Definition", "Secrecy", "Ballots", "Turnout", "Answers", "Count"]);
  assert.deepEqual(checked.lists, []);
  assert.deepEqual(checked.results?.map(({ ballots, blank }) => [ballots, blank]), [[7, 2], [7, 2]]);
});

test("a server that shows other bytes than the board names is refused", async () => {
  const forged = new Forged();
  const { proof } = forged.body<{ proof: string }>(forged.at("mixed"));
  serve(proof);
  await assert.rejects(verified(), /others than the board names/);
});

test("a server that shows another definition than its board is refused", async () => {
  serve();
  const election = { ...shown(), electionHash: "00".repeat(32) };
  await assert.rejects(checkElection(election, await readRecord(election, () => {}), async () => {}), /another definition than the board/);
});

test("the board of another election is refused", async () => {
  serve();
  const election = shown();
  election.board!.origin = shown("town").board!.origin;
  await assert.rejects(readRecord(election, () => {}), /the board is another election’s/);
});

test("a board that nobody signed whom the server names is refused", async () => {
  serve();
  const election = shown();
  const [ed25519, mlDsa] = election.board!.keys as [string, string];
  for (const [keys, says] of [[[], /none of its keys .* Ed25519/], [[mlDsa], /none of its keys .* Ed25519/], [[ed25519], /none of its keys .* ML-DSA-44/]] as const) {
    election.board!.keys = [...keys];
    await assert.rejects(readRecord(election, () => {}), says);
  }
});

/** The checkpoint of the council with a bit of one of its two signatures turned. */
function damagedIn(line: number): Uint8Array<ArrayBuffer> {
  const lines = new TextDecoder().decode(file("checkpoint")).split("\n");
  const last = lines.at(line)!;
  // The letter before the end is one of the signature's, whichever of the two it is.
  const at = last.length - 10;
  lines[lines.length + line] = `${last.slice(0, at)}${last[at] === "A" ? "B" : "A"}${last.slice(at + 1)}`;
  return Uint8Array.from(new TextEncoder().encode(lines.join("\n")));
}

test("a checkpoint of which either signature does not hold is refused", async () => {
  for (const [line, says] of [[-3, /Ed25519 does not hold/], [-2, /ML-DSA-44 does not hold/]] as const) {
    serve();
    const asked = globalThis.fetch;
    globalThis.fetch = async (input) => (String(input).endsWith("/checkpoint") ? new Response(damagedIn(line)) : asked(input));
    await assert.rejects(readRecord(shown(), () => {}), says);
  }
});
