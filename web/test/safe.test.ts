// What a trustee's browser keeps, and what it can never be talked into.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { toHex, u32 } from "../src/bytes.ts";
import { checkRecord } from "../src/election/trustee/decrypt.ts";
import { Safe } from "../src/election/trustee/safe.ts";
import { serve, shown } from "./recorded.ts";

const election = shown().electionId;
const transport = () => "01".repeat(32);

beforeEach(() => {
  const kept = new Map<string, string>();
  const localStorage = {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => void kept.set(name, value),
  };
  Object.assign(globalThis, { localStorage });
});

/** A safe with a finished share of the first attempt. */
function withShare(): Safe {
  const safe = Safe.of(election);
  safe.begin(1, 2, transport).share = "02".repeat(32);
  safe.save();
  return safe;
}

test("another attempt leaves the share of the first where it is", () => {
  withShare().begin(2, 2, () => "03".repeat(32));
  const again = Safe.of(election);
  assert.equal(again.attempt(1)?.share, "02".repeat(32));
  assert.equal(again.attempt(2)?.transport, "03".repeat(32));
  assert.ok(again.hasShare(1) && !again.hasShare(2));
});

test("an attempt that is begun again has the same secrets, and is no other trustee's", () => {
  withShare();
  assert.equal(Safe.of(election).begin(1, 2, () => "03".repeat(32)).transport, "01".repeat(32));
  assert.throws(() => Safe.of(election).begin(1, 3, transport), /keeps the part of trustee 2/);
});

test("a board that is signed by other keys than before is refused", () => {
  assert.deepEqual(withShare().boardKeys(["a", "b"]), ["a", "b"]);
  assert.deepEqual(Safe.of(election).boardKeys(["a", "b"]), ["a", "b"]);
  assert.throws(() => Safe.of(election).boardKeys(["a", "c"]), /signed by other keys/);
});

test("other lists than were decrypted are refused for ever", () => {
  const [one, other] = ["0a".repeat(32), "0b".repeat(32)];
  withShare().decrypting({ 0: one, 1: one });
  Safe.of(election).decrypting({ 1: one, 0: one });
  for (const lists of [{ 0: one }, { 0: one, 1: other }, { 0: one, 1: one, 2: one }]) {
    assert.throws(() => Safe.of(election).decrypting(lists), /has decrypted other lists/);
  }
});

test("the same lists are the same in whatever order a file has them", () => {
  const hashes = Array.from({ length: 12 }, (_, list) => [String(list), toHex(u32(list)).padStart(64, "0")]);
  withShare().decrypting(Object.fromEntries(hashes));
  const file = (decrypted: object) => JSON.stringify({ ...JSON.parse(Safe.of(election).exported()!), decrypted });
  Safe.of(election).import(file(Object.fromEntries([...hashes].reverse())));
  Safe.of(election).decrypting(Object.fromEntries([...hashes].sort(([one], [other]) => (one! < other! ? -1 : 1))));
  const swapped = Object.fromEntries(hashes.map(([list], at) => [list, hashes[11 - at]![1]]));
  assert.throws(() => Safe.of(election).import(file(swapped)), /has decrypted other lists/);
});

test("a file brings a share, and does not make the browser forget what it knows", () => {
  const saved = withShare().exported()!;
  withShare().boardKeys(["a", "b"]);
  Safe.of(election).decrypting({ 0: "0a".repeat(32) });
  Safe.of(election).import(saved);
  assert.throws(() => Safe.of(election).boardKeys(["c"]), /signed by other keys/);
  assert.throws(() => Safe.of(election).decrypting({ 0: "0b".repeat(32) }), /has decrypted other lists/);
});

test("a file brings the boards that another browser checked, and the longest is remembered", () => {
  const board = (size: number) => ({ size, root: new Uint8Array(32).fill(size) });
  withShare().saw(board(3));
  const saved = Safe.of(election).exported()!;
  Safe.of(election).saw(board(5));
  Safe.of(election).saw(board(4));
  assert.deepEqual(Safe.of(election).seen, [board(5)]);
  Safe.of(election).import(saved);
  assert.deepEqual(Safe.of(election).seen, [board(5), board(3)]);
  assert.throws(() => Safe.of(election).import(saved.replace('"size":3', '"size":-3')), /no trustee’s key/);
});

test("a file of another election, or without a share, is refused", () => {
  const saved = withShare().exported()!;
  assert.throws(() => Safe.of("another").import(saved), /no key for this election/);
  assert.throws(() => Safe.of(election).import(saved.replace(/,"share":"[^"]*"/, "")), /no share of a key/);
  assert.throws(() => Safe.of(election).import("{}"), /no trustee’s key/);
});

test("nothing is decrypted once the board says that all was counted", async () => {
  serve();
  withShare();
  await assert.rejects(checkRecord(shown(), async () => {}), /does not say that anything is to be decrypted/);
});

test("nothing is decrypted of a board that other keys sign than at the ceremony", async () => {
  serve();
  withShare().boardKeys(["a", "b"]);
  await assert.rejects(checkRecord(shown(), async () => {}), /signed by other keys/);
});
