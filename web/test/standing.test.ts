// Which of a voter's votes counts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Vote, Votes } from "../src/election/verify/votes.ts";

/** The places of the votes that stand: each of them is confirmed but for those that are refused. */
async function standing(votes: Vote[], refused: number[] = []): Promise<number[]> {
  const all = new Votes<Vote>({ trackerOf: ({ index }) => String(index), faultOf: ({ index }) => (refused.includes(index) ? "wrong" : undefined), tokens: false });
  votes.forEach((vote) => all.cast(vote));
  await all.judge(9, { from: 0, to: 9, votes: votes.length, refused: refused.map((index) => ({ index, reason: "proof" })) });
  return all.standing.map(({ index }) => index);
}

const vote = (index: number, voter: string, sequence: number): Vote => ({ index, voter, weight: 1, sequence });

test("of a voter's votes the one that was made last counts", async () => {
  assert.deepEqual(await standing([vote(1, "a", 1), vote(2, "b", 1), vote(5, "a", 2)]), [2, 5]);
});

test("a vote that was kept back does not become the last one", async () => {
  assert.deepEqual(await standing([vote(1, "a", 2), vote(2, "b", 1), vote(5, "a", 1)]), [1, 2]);
});

test("of votes that say the same the later one counts", async () => {
  assert.deepEqual(await standing([vote(1, "a", 2), vote(2, "a", 2)]), [2]);
});

test("a last vote that was refused leaves the one before", async () => {
  assert.deepEqual(await standing([vote(1, "a", 1), vote(2, "b", 1), vote(5, "a", 2)], [5]), [1, 2]);
});
