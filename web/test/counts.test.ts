// The same votes that the Rust side counts, and the same results to the byte: crates/board/vectors/counts.json.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fromHex } from "../src/bytes.ts";
import type { Votes } from "../src/election/count/candidates.ts";
import { asJson, countContest } from "../src/election/count/result.ts";
import type { ContestBody } from "../src/election/model.ts";

interface Case {
  contest: ContestBody;
  number: number;
  seed: string;
  votes: Votes[];
  result: string;
}

const cases: Case[] = JSON.parse(readFileSync("../crates/board/vectors/counts.json", "utf8"));

for (const [kind, rule] of [
  ["plurality", "most"],
  ["approval", "most"],
  ["score", "most"],
  ["ranked", "instant-runoff"],
  ["ranked", "stv-scottish"],
  ["ranked", "stv-meek"],
  ["ranked", "schulze"],
]) {
  test(`${kind} votes are counted by the rule “${rule}” as the vectors say`, () => {
    const own = cases.filter(({ contest }) => contest.form.kind === kind && contest.count === rule);
    assert.ok(own.length >= 14);
    for (const { contest, number, seed, votes, result } of own) {
      assert.equal(asJson(countContest(contest, number, votes, fromHex(seed))), result);
    }
  });
}

test("of more names than can be counted the most frequent are candidates, in the order of their bytes", () => {
  const contest: ContestBody = {
    contestId: "x",
    title: { en: "X" },
    form: { kind: "plurality" },
    count: "most",
    seats: 1,
    writeInBytesMax: 12,
    options: [{ optionId: "a", title: { en: "A" } }],
  };
  const names = Array.from({ length: 1001 }, (_, at) => `name ${String(at).padStart(4, "0")}`);
  // The last name twice: so it is in, and the two last of the others are out.
  const answers = [...names, names[1000]!].map((name) => ({ marks: { plurality: 1 }, "write-in": name }));
  const { candidates, log, blank, ballots } = countContest(contest, 0, [{ weight: 1, answers }], new Uint8Array(32));
  assert.equal(candidates.length, 1000);
  assert.deepEqual(candidates.slice(-2), [{ writeIn: "name 0997" }, { writeIn: "name 1000" }]);
  assert.deepEqual([ballots, blank], [1002, 0]);
  assert.ok("most" in log);
  assert.equal(log.most.counts.reduce((sum, count) => sum + count), 1000);
});
