// What the tracker page believes of a ballot: only what the board says under what it signed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { leafHash } from "../src/board/tree.ts";
import { readEntry } from "../src/board/entry.ts";
import { concat, fromHex, text, toBase64, toHex, u16, u32 } from "../src/bytes.ts";
import { type Statement, encodeStatement, sign, trackerOf } from "../src/election/bindings.ts";
import { type Found, type Proven, checkSupersedes, prove, verdictOf } from "../src/election/tracked.ts";
import { encoded, inclusionProof, leafBytes, rootOf } from "./merkle.ts";

const electionHash = fromHex("5a".repeat(32));
const secretKey = fromHex("07".repeat(32));
const voterKey = ed25519.getPublicKey(secretKey);
const token = fromHex("04".repeat(64));

const statementOf = (sequence: number): Statement => ({ electionHash, voterKey, token, weight: 3, sequence, ballots: [text("one"), text("two")] });
const trackerOfVote = (sequence: number) => toHex(trackerOf(statementOf(sequence)));

function ballotBody(sequence: number, signed = sequence): object {
  const { ballots, weight } = statementOf(sequence);
  const signature = toHex(sign(encodeStatement(statementOf(signed)), secretKey));
  return { voter: toHex(voterKey), token: toHex(token), weight, sequence, ballots: ballots.map(toBase64), signature };
}

type Said = [command: string, body: object];
const ballot = (sequence: number, signed?: number): Said => ["election/ballot", ballotBody(sequence, signed)];
const verdicts = (from: number, to: number, ...refused: number[]): Said => [
  "election/verdicts",
  { from, to, votes: to - from, refused: refused.map((index) => ({ index, reason: "proof" })) },
];
const opened: Said = ["election/opened", {}];

/** A board, and what its server shows of a ballot on it. */
function held(...said: Said[]) {
  const leaves = said.map(([command, body], index) => leafBytes(index, command, body));
  const hashes = leaves.map(leafHash);
  const checkpoint = { origin: "", size: leaves.length, root: rootOf(hashes) };
  const shown = (index: number) => ({
    index,
    leafBytes: toBase64(leaves[index]!),
    inclusionProof: encoded(inclusionProof(index, hashes)),
    checkpoint: "the newest",
  });
  const found = (index: number, status: Found["status"], verdict?: number): Found => ({
    ...shown(index),
    status,
    ...(verdict === undefined ? {} : { verdict: shown(verdict) }),
  });
  return { found, prove: (what: Found, tracker = trackerOfVote(5)) => prove(what, tracker, () => checkpoint, electionHash), hashes };
}

function trackerBytes(voter: Uint8Array, cast: Uint8Array): Uint8Array {
  const prefix = sha256(concat(text("holdfast/voter/v1\n"), voter)).subarray(0, 8);
  return concat(prefix, sha256(concat(text("holdfast/tracker/v1\n"), cast)).subarray(0, 24));
}

test("the bytes that are cast say the sequence between weight and ballots", () => {
  const cast = concat(voterKey, token, u32(3), u32(5), u16(2), u32(3), text("one"), u32(3), text("two"));
  assert.equal(trackerOfVote(5), toHex(trackerBytes(voterKey, cast)));
  assert.deepEqual(encodeStatement(statementOf(5)), concat(text("holdfast/ballot/v1\n"), electionHash, cast));
});

test("a ballot that the board says nothing of was received, and no more", () => {
  const { found, prove, hashes } = held(opened, ballot(5));
  const proven = prove(found(1, "RECEIVED"));
  assert.equal(proven.verdict, undefined);
  assert.deepEqual([proven.index, proven.sequence, toHex(proven.leafHash)], [1, 5, toHex(hashes[1]!)]);
  for (const status of ["CONFIRMED", "REFUSED"] as const) assert.throws(() => prove(found(1, status)), /and the board nothing of that/);
});

test("a ballot that the board's verdicts do not name is confirmed, and one that they name refused", () => {
  const { found, prove } = held(opened, ballot(5), ballot(6), verdicts(1, 3, 2));
  assert.deepEqual(prove(found(1, "CONFIRMED", 3)).verdict, { confirmed: true });
  assert.deepEqual(prove(found(2, "REFUSED", 3), trackerOfVote(6)).verdict, { confirmed: false, reason: "proof" });
  assert.throws(() => prove(found(1, "REFUSED", 3)), /says refused, and the board confirmed/);
  assert.throws(() => prove(found(2, "CONFIRMED", 3), trackerOfVote(6)), /says confirmed, and the board refused/);
  assert.throws(() => prove(found(1, "RECEIVED", 3)), /says received, and the board confirmed/);
});

test("the first entry of a run belongs to it, and the last does not", () => {
  const entry = (from: number, to: number) => readEntry(leafBytes(9, ...verdicts(from, to)));
  assert.deepEqual(verdictOf(entry(4, 6), 4), { confirmed: true });
  assert.deepEqual(verdictOf(entry(4, 6), 5), { confirmed: true });
  for (const index of [3, 6]) assert.throws(() => verdictOf(entry(4, 6), index), /about other ballots/);
  assert.throws(() => verdictOf(entry(4, 10), 5), /about other ballots/);
});

test("verdicts that are not on the board that was signed, or are none, are refused", () => {
  const board = held(opened, ballot(5), verdicts(1, 2));
  const found = board.found(1, "CONFIRMED", 2);
  const other = toBase64(leafBytes(2, ...verdicts(0, 2)));
  assert.throws(() => board.prove({ ...found, verdict: { ...found.verdict!, leafBytes: other } }), /not on the board that was signed/);
  assert.throws(() => board.prove({ ...found, verdict: { ...found.verdict!, inclusionProof: [] } }), /not on the board that was signed/);
  assert.throws(() => board.prove({ ...found, verdict: { ...found.verdict!, index: 1 } }), /stands elsewhere/);
  const { checkpoint, ...unsigned } = found.verdict!;
  assert.ok(checkpoint);
  assert.throws(() => board.prove({ ...found, verdict: unsigned }), /has not signed this entry/);
  assert.throws(() => board.prove(board.found(1, "CONFIRMED", 0)), /shown as a verdict is none/);
});

test("a ballot of another tracker, in another place or not on the board is refused", () => {
  const { found, prove } = held(opened, ballot(5), ballot(6));
  assert.throws(() => prove(found(2, "RECEIVED")), /another ballot’s/);
  assert.throws(() => prove({ ...found(1, "RECEIVED"), index: 2 }), /stands elsewhere/);
  assert.throws(() => prove({ ...found(1, "RECEIVED"), inclusionProof: [] }), /not on the board that was signed/);
  assert.throws(() => prove(found(0, "RECEIVED")), /no ballot/);
});

test("a ballot that is confirmed without its voter's signature is refused", () => {
  const { found, prove } = held(opened, ballot(5, 6), verdicts(1, 2));
  assert.throws(() => prove(found(1, "CONFIRMED", 2)), /its voter did not sign it/);
});

test("a ballot that is not secret is found by the hash of what it says", () => {
  const body = { voter: "ab".repeat(32), weight: 1, salt: "cd".repeat(16), answers: [] };
  const { found, prove } = held(opened, ["election/open-ballot", body], verdicts(1, 2));
  const tracker = toHex(trackerBytes(fromHex(body.voter), text(JSON.stringify(body))));
  assert.deepEqual(prove(found(1, "CONFIRMED", 2), tracker).verdict, { confirmed: true });
  assert.throws(() => prove(found(1, "CONFIRMED", 2), "00".repeat(32)), /another ballot’s/);
});

const vote = (index: number, sequence: number, more: Partial<Proven> = {}): Proven => ({
  index,
  leafHash: new Uint8Array(32),
  voter: "ab",
  sequence,
  verdict: { confirmed: true },
  checkpoints: [],
  ...more,
});

test("a vote stands instead of another of its voter with a lower sequence, or with the same and behind it", () => {
  checkSupersedes(vote(1, 6), vote(2, 5));
  checkSupersedes(vote(3, 5), vote(2, 5));
});

test("no other vote stands instead of it", () => {
  assert.throws(() => checkSupersedes(vote(3, 4), vote(2, 5)), /made before this one/);
  assert.throws(() => checkSupersedes(vote(1, 5), vote(2, 5)), /made before this one/);
  assert.throws(() => checkSupersedes(vote(2, 5), vote(2, 5)), /made before this one/);
  assert.throws(() => checkSupersedes(vote(3, 6, { voter: "cd" }), vote(2, 5)), /another voter’s/);
  assert.throws(() => checkSupersedes(vote(3, 6, { verdict: undefined }), vote(2, 5)), /not confirmed/);
  assert.throws(() => checkSupersedes(vote(3, 6, { verdict: { confirmed: false, reason: "proof" } }), vote(2, 5)), /not confirmed/);
});
