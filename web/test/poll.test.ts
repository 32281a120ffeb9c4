// Boards of an election whose votes are not secret, as a lying server could sign them. Each must be refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import { text } from "../src/bytes.ts";
import type { Answer } from "../src/mixnet/contest.ts";
import { Forged, refused as refusedOf } from "./recorded.ts";

const refused = (sentence: string, forge: (board: Forged) => void, says: RegExp) => refusedOf(sentence, forge, says, "poll");

interface Vote {
  voter: string;
  weight: number;
  salt: string;
  answers: Answer[];
}

interface Verdicts {
  refused: { index: number; reason: string }[];
  to: number;
  votes: number;
}

interface Counted {
  decryptedBy: number[];
  lied: number[];
  absent: number[];
  answers: { list: number; blob: string }[];
}

const verdicts = (board: Forged, change: (body: Verdicts) => void) => board.change<Verdicts>(board.at("verdicts"), change);
const vote = (board: Forged, change: (body: Vote) => void) => board.change<Vote>(board.at("open-ballot", 2), change);

refused("a poll that calls itself secret", (board) => board.manifest((manifest) => void Object.assign(manifest, { secret: true })), /not that of an election with votes that are secret/);
refused("a poll that names trustees", (board) => board.manifest((manifest) => void Object.assign(manifest, { trustees: { threshold: 1, names: ["Ada"] } })), /not that of an election with votes that are not secret/);
refused("a poll whose issuer has a key", (board) => board.manifest((manifest) => void Object.assign(manifest.issuers[0]!, { key: "00".repeat(32) })), /not that of an election with votes that are not secret/);
refused("a poll with a ceremony", (board) => {
  const { electionId } = board.election();
  board.add("ceremony", { election: electionId, attempt: 1, threshold: 2, trustees: ["a", "b", "c"] }, 0);
}, /votes are not secret has no ceremony/);
refused("a secret vote in a poll", (board) => board.add("ballot", { voter: "00".repeat(32), token: "00".repeat(64), weight: 1, sequence: 1, ballots: [], signature: "00".repeat(64) }, board.at("closed")), /“election\/ballot” has no place/);
refused("a vote after the closing", (board) => {
  verdicts(board, () => {});
  board.add("open-ballot", { ...board.body<Vote>(board.at("open-ballot")), salt: "11".repeat(16) }, board.at("closed") + 1);
}, /“election\/open-ballot” has no place here/);
refused("a vote that stands there twice", (board) => board.add("open-ballot", board.body(board.at("open-ballot")), board.at("closed")), /a vote stands there twice/);
refused("a vote of which nothing is said", (board) => board.add("open-ballot", { ...board.body<Vote>(board.at("open-ballot")), salt: "11".repeat(16) }, board.at("closed")), /of 1 votes nothing was said/);
refused("a vote that is confirmed and marks an option that there is not", (board) => vote(board, (body) => void (body.answers[0]!.marks = { plurality: 7 })), /is confirmed, but it is no answer to each contest/);
refused("a vote that is confirmed and leaves out a contest", (board) => vote(board, (body) => void body.answers.pop()), /is confirmed, but it is no answer to each contest/);
refused("a vote that is confirmed and of another weight", (board) => vote(board, (body) => void (body.weight = 3)), /is confirmed, but it is of no weight of this election/);
refused("a vote with a member that votes do not have", (board) => vote(board, (body) => void Object.assign(body.answers[0]!, { more: 1 })), /its body is not that of “election\/open-ballot”/);
refused("a vote with marks that are none", (board) => vote(board, (body) => void Object.assign(body.answers[0]!, { marks: { plurality: 0, approval: [] } })), /its body is not that of “election\/open-ballot”/);
for (const reason of ["malformed", "signature", "token", "proof"]) {
  refused(`a vote that is refused (${reason}) and holds`, (board) => verdicts(board, (body) => void body.refused.push({ index: board.at("open-ballot"), reason })), new RegExp(`refused \\(${reason}\\), but it holds`));
}
refused("a vote that was changed after it was counted", (board) => vote(board, (body) => void (body.answers[0] = { marks: { plurality: 0 } })), /the answers of list .* are not/);
refused("a closing that gave out fewer tokens than votes count", (board) => board.change<{ issued: { issued: number }[] }>(board.at("closed"), (body) => void (body.issued[0]!.issued = 0)), /votes of weight . count, and only 0 tokens/);
refused("a poll that is mixed", (board) => board.add("decrypting", { lists: [] }, board.at("counted")), /“election\/decrypting” has no place here/);
refused("a poll that is counted twice", (board) => board.add("counted", board.body(board.at("counted")), board.at("published")), /“election\/counted” has no place here/);
refused("a poll that is published before its count", (board) => board.move(board.at("published"), board.at("counted")), /“election\/published” has no place here/);
refused("a poll that goes on after its end", (board) => board.add("published", {}), /“election\/published” has no place here/);
refused("a poll that is abandoned after its count", (board) => board.add("abandoned", {}, board.at("published")), /“election\/abandoned” has no place here/);
for (const named of ["decryptedBy", "lied", "absent"] as const) {
  refused(`a poll whose count names trustees (${named})`, (board) => board.change<Counted>(board.at("counted"), (body) => void (body[named] = [1])), /names trustees, and there are none/);
}
refused("a poll that published other answers", (board) => board.change<Counted>(board.at("counted"), (body) => void (body.answers[0]!.blob = board.serve(text("[null]")))), /the answers of list 0 are not/);
refused("a poll that published the answers of fewer lists", (board) => board.change<Counted>(board.at("counted"), (body) => void body.answers.pop()), /of other lists than there are/);
refused("another winner of a poll", (board) => board.results<{ elected: number[] }>((results) => void (results[0]!.elected[0]! ^= 1)), /the result of “drink” is not what its answers add up to/);

test("a vote of a poll that is refused rightly does not count", async () => {
  const board = new Forged("poll");
  board.end(board.at("closed") + 1);
  vote(board, (body) => void (body.answers[0]!.marks = { plurality: 7 }));
  const places = [board.at("open-ballot", 2)];
  for (const at of board.all("verdicts")) {
    board.change<Verdicts & { from: number }>(at, (body) => {
      body.refused = places.filter((index) => body.from <= index && index < body.to).map((index) => ({ index, reason: "malformed" }));
    });
  }
  assert.equal((await board.checked()).stage, "closed");
});

test("a poll that ends earlier is checked as far as it goes, and may be abandoned", async () => {
  for (const [command, stage] of [["opened", "defined"], ["closed", "open"], ["counted", "closed"], ["published", "counted"]]) {
    const board = new Forged("poll");
    const election = board.election();
    board.end(board.at(command!));
    board.election = () => election;
    assert.equal((await board.checked()).stage, stage);
  }
  const board = new Forged("poll");
  board.end(board.at("counted"));
  board.add("abandoned", {});
  assert.equal((await board.checked()).stage, "abandoned");
});
