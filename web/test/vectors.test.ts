// The same vectors that the Rust side passes: crates/mixnet/vectors.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fromHex, toHex } from "../src/bytes.ts";
import { decodeBallot, encodeBallot, holds as ballotHolds } from "../src/mixnet/ballot.ts";
import { type Answer, type Contest, NoAnswer, embed, extract } from "../src/mixnet/contest.ts";
import { combine, decodePartial, decodeRows, holds, rowsOf } from "../src/mixnet/decryption.ts";
import { decodeElement } from "../src/mixnet/group.ts";
import { decodeShuffleProof, isShuffle } from "../src/mixnet/shuffle.ts";
import * as trustees from "../src/mixnet/trustees.ts";

const read = (name: string) => JSON.parse(readFileSync(`../crates/mixnet/vectors/${name}.json`, "utf8"));
const elements = (encoded: string[]) => encoded.map((hex) => decodeElement(fromHex(hex)));

test("every answer has the one encoding that the vectors say", () => {
  const { answers } = read("answers");
  assert.ok(answers.length >= 12);
  for (const { contest, answer, ristretto255 } of answers) {
    assert.deepEqual(embed(contest, answer).map((element) => toHex(element.toBytes())), ristretto255);
    assert.deepEqual(extract(contest, elements(ristretto255)), answer);
  }
});

test("elements that say nothing are refused for the reason that the vectors say", () => {
  const { refused } = read("answers");
  assert.ok(refused.length >= 16);
  for (const { contest, ristretto255, why } of refused) {
    const error = (() => {
      try {
        return extract(contest, elements(ristretto255));
      } catch (error) {
        return error;
      }
    })();
    assert.ok(error instanceof NoAnswer, why);
    assert.equal(error.message, why);
  }
});

interface Election {
  answers: Answer[];
  ballots: { ballot: string; token: string; voter: string }[];
  ceremony: Record<"context" | "keys", string> &
    Record<"sealed" | "openings" | "dealings" | "transport-keys", string[]> & { threshold: number };
  contest: Contest;
  "contest-number": number;
  decryption: { context: string; partials: string[] };
  election: string;
  generators: string;
  mixes: { context: string; output: string; proof: string }[];
}

function keysOf({ ceremony }: Election): trustees.TrusteeKeys {
  const begun = {
    context: fromHex(ceremony.context),
    threshold: ceremony.threshold,
    transportKeys: elements(ceremony["transport-keys"]),
  };
  const openings = ceremony.openings.map((hex) => trustees.decodeOpening(fromHex(hex)));
  const dealings = ceremony.dealings.map((hex) => trustees.decodeDealing(fromHex(hex)));
  assert.deepEqual(trustees.faultsOfOpenings(begun, ceremony.sealed.map(fromHex), openings), []);
  assert.deepEqual(trustees.faultsOfDealings(begun, dealings), []);
  assert.deepEqual(openings.map((opening) => toHex(trustees.encodeOpening(opening))), ceremony.openings);
  assert.deepEqual(dealings.map((dealing) => toHex(trustees.encodeDealing(dealing))), ceremony.dealings);
  const keys = trustees.conclude(begun, openings);
  assert.equal(toHex(trustees.encodeKeys(keys)), ceremony.keys);
  return keys;
}

test("a whole election is checked from its record, and nothing of it can be changed", () => {
  const election: Election = read("election");
  const keys = keysOf(election);
  const ballots = election.ballots.map(({ ballot }) => decodeBallot(fromHex(ballot)));
  const polling = { election: fromHex(election.election), contest: election["contest-number"], key: keys.key };
  ballots.forEach((ballot, at) => {
    const { voter, token } = election.ballots[at]!;
    const caster = { voter: fromHex(voter), token: fromHex(token) };
    assert.ok(ballotHolds(polling, caster, ballot));
    assert.ok(!ballotHolds({ ...polling, contest: polling.contest + 1 }, caster, ballot));
    assert.ok(!ballotHolds(polling, { ...caster, voter: caster.token }, ballot));
    assert.equal(toHex(encodeBallot(ballot)), election.ballots[at]!.ballot);
  });
  let rows = rowsOf(ballots.map(({ row }) => row));
  for (const { context, output, proof } of election.mixes) {
    const mixed = decodeRows(fromHex(output));
    const statement = { context: fromHex(context), key: keys.key, label: fromHex(election.generators) };
    const shown = decodeShuffleProof(fromHex(proof));
    assert.ok(isShuffle(statement, rows, mixed, shown));
    assert.ok(!isShuffle({ ...statement, context: fromHex("00") }, rows, mixed, shown));
    assert.ok(!isShuffle(statement, mixed, mixed, shown));
    shown.responses[shown.responses.length - 1]! += 1n;
    assert.ok(!isShuffle(statement, rows, mixed, shown));
    rows = mixed;
  }
  const context = fromHex(election.decryption.context);
  const partials = election.decryption.partials.map((hex) => decodePartial(fromHex(hex)));
  for (const partial of partials) {
    assert.ok(holds(keys, context, rows, partial));
    assert.ok(!holds(keys, fromHex("00"), rows, partial));
  }
  const answers = combine(keys, rows, partials).map((message) => extract(election.contest, message));
  const sorted = (all: Answer[]) => all.map((answer) => JSON.stringify(sortKeys(answer))).sort();
  assert.deepEqual(sorted(answers), sorted(election.answers));
});

function sortKeys({ marks, ...rest }: Answer): Answer {
  return { marks, ...rest };
}
