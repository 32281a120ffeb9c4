// A receipt that a server can be held to, and what is none.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concat, fromHex, text, toBase64, toHex } from "../src/bytes.ts";
import { type Receipt, checkReceipt, receiptText } from "../src/election/receipt.ts";

const electionId = "01a20026-0f0d-7366-be3c-0efe9c92577b";
const origin = `town.example/elections/${electionId}`;
const secretKey = fromHex("07".repeat(32));
const leaf = fromHex("5a".repeat(32));

/** A key as boards show it. */
function verifierKey(name: string, secret: Uint8Array): string {
  const bytes = concat(Uint8Array.of(1), ed25519.getPublicKey(secret));
  const hash = toHex(sha256(concat(text(name), text("\n"), bytes)).slice(0, 4));
  return `${name}+${hash}+${toBase64(bytes)}`;
}

const board = { origin, size: 1, keys: [verifierKey(origin, secretKey)] };

/** To the byte as the specification says. */
function receipt(index: number, secret = secretKey, signed = index): Receipt {
  const number = fromHex(signed.toString(16).padStart(16, "0"));
  const said = concat(text("holdfast/received/v1\n"), fromHex(electionId.replaceAll("-", "")), number, leaf);
  const signature = toBase64(ed25519.sign(said, secret));
  return { tracker: "ab", status: "RECEIVED", index, leafHash: toBase64(leaf), receivedAt: "2026-01-01T00:00:00Z", signature };
}

const refused = (wrong: Partial<Receipt>, keys = board.keys) =>
  assert.throws(() => checkReceipt(electionId, { ...board, keys }, { ...receipt(7), ...wrong }), /the server’s receipt is not/);

test("a receipt that the board's key signed holds, also of an index that needs more than 32 bits", () => {
  checkReceipt(electionId, board, receipt(7));
  checkReceipt(electionId, board, receipt(2 ** 33 + 5));
});

test("a receipt of another place, another entry or another election is refused", () => {
  refused({ index: 8 });
  refused({ leafHash: toBase64(fromHex("5b".repeat(32))) });
  assert.throws(() => checkReceipt(electionId.replace("01", "02"), board, receipt(7)), /not signed by the board’s key/);
});

test("a receipt that somebody else signed is refused", () => {
  refused({ signature: receipt(7, fromHex("08".repeat(32))).signature });
  refused({}, [verifierKey(`${origin}/another`, secretKey)]);
  refused({}, []);
});

test("a receipt that says nothing is refused", () => {
  for (const wrong of [{ signature: "" }, { leafHash: "" }, { leafHash: "WlpaWg==" }, { index: -1 }, { index: 1.5 }]) refused(wrong);
  refused({ signature: undefined as unknown as string });
});

test("what a voter saves says all that was signed", () => {
  const said = receipt(7);
  const saved = receiptText("Council", said, "https://town.example/x");
  for (const word of [said.tracker, "7", said.leafHash, said.signature, "https://town.example/x"]) assert.ok(saved.includes(word));
});
