// An honest record, and a server that serves other bytes than it names.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readRecord } from "../src/election/record.ts";
import { type Checked, checkElection } from "../src/election/verify/walk.ts";
import { Forged, council, serve } from "./council.ts";

async function verified(found: string[] = []): Promise<Checked> {
  const shown = council();
  return checkElection(shown, await readRecord(shown, () => {}), async ({ what }) => void found.push(what));
}

test("the record of the council is in order", async () => {
  serve();
  const found: string[] = [];
  const { stage, answers } = await verified(found);
  assert.equal(stage, "published");
  assert.deepEqual(found, ["Definition", "Key", "Ballots", "Turnout", "Tokens", "Mixes", "Decryption", "Answers", "Count"]);
  assert.deepEqual(answers?.map((list) => list.answers.length), [5, 5]);
});

test("a server that shows other bytes than the board names is refused", async () => {
  const forged = new Forged();
  const { proof } = forged.body<{ proof: string }>(forged.at("mixed"));
  serve(proof);
  await assert.rejects(verified(), /others than the board names/);
});

test("a server that shows another definition than its board is refused", async () => {
  serve();
  const shown = { ...council(), electionHash: "00".repeat(32) };
  await assert.rejects(checkElection(shown, await readRecord(shown, () => {}), async () => {}), /another definition than the board/);
});

test("a board that nobody signed whom the server names is refused", async () => {
  serve();
  const shown = council();
  shown.board!.keys = [];
  await assert.rejects(readRecord(shown, () => {}), /none of the board's keys/);
});
