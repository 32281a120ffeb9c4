// Which signatures hold, where libraries differ. The Rust side decides the same way.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ED25519_TORSION_SUBGROUP, ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { concat, fromHex, text } from "../src/bytes.ts";
import { encodeScalar, littleEndian, modulo } from "../src/mixnet/group.ts";
import { isSigned } from "../src/signature.ts";

const { Point } = ed25519;
const ORDER = Point.Fn.ORDER;
const message = text("a statement");
const secretKey = new Uint8Array(32).fill(7);
const key = ed25519.getPublicKey(secretKey);
const torsion = ED25519_TORSION_SUBGROUP.map((hex) => Point.fromBytes(fromHex(hex)));

function orderOf(point: InstanceType<typeof Point>): number {
  let [order, sum] = [1, point];
  for (; !sum.is0(); order += 1) sum = sum.add(point);
  return order;
}

function challenge(commitment: Uint8Array, key: Uint8Array): bigint {
  return littleEndian(sha512(concat(commitment, key, message))) % ORDER;
}

/** Signed by the honest key, with an R that has a part of small order. */
function signedBeside(part: InstanceType<typeof Point>): Uint8Array {
  const { scalar } = ed25519.utils.getExtendedPublicKey(secretKey);
  const nonce = 1_234_567n;
  const commitment = Point.BASE.multiply(nonce).add(part).toBytes();
  return concat(commitment, encodeScalar(modulo(nonce + challenge(commitment, key) * scalar)));
}

test("an honest signature holds, and not for another message", () => {
  const signature = ed25519.sign(message, secretKey);
  assert.ok(isSigned(message, signature, key));
  assert.ok(!isSigned(text("another statement"), signature, key));
});

test("the identity as a key is refused, though the equation holds with it", () => {
  const identity = Point.ZERO.toBytes();
  const signature = concat(Point.BASE.multiply(5n).toBytes(), encodeScalar(5n));
  assert.ok(ed25519.verify(signature, message, identity, { zip215: true }));
  assert.ok(!isSigned(message, signature, identity));
});

test("every key of small order is refused", () => {
  const signature = concat(Point.BASE.multiply(5n).toBytes(), encodeScalar(5n));
  for (const point of torsion) assert.ok(!isSigned(message, signature, point.toBytes()));
});

test("a key that is not written canonically is refused", () => {
  // y = 1 + p and y = p are second encodings; so is the sign of a coordinate that is zero.
  const written = [`ee${"ff".repeat(30)}7f`, `ed${"ff".repeat(30)}7f`, `01${"00".repeat(30)}80`].map(fromHex);
  const signature = concat(Point.BASE.multiply(5n).toBytes(), encodeScalar(5n));
  for (const bytes of written) assert.ok(!isSigned(message, signature, bytes));
});

test("an R with a part of small order is refused, though it holds when all is multiplied by the cofactor", () => {
  assert.ok(isSigned(message, signedBeside(Point.ZERO), key));
  const orders = new Set<number>();
  for (const part of torsion.filter((point) => !point.is0())) {
    const signature = signedBeside(part);
    assert.ok(ed25519.verify(signature, message, key, { zip215: false }));
    assert.ok(!isSigned(message, signature, key));
    orders.add(orderOf(part));
  }
  assert.deepEqual([...orders].sort(), [2, 4, 8]);
});

test("a response that is not below the order is refused", () => {
  const signature = ed25519.sign(message, secretKey);
  const more = littleEndian(signature.subarray(32)) + ORDER;
  const bytes = Uint8Array.from({ length: 32 }, (_, at) => Number((more >> BigInt(8 * at)) & 255n));
  assert.ok(!isSigned(message, concat(signature.subarray(0, 32), bytes), key));
  assert.ok(!isSigned(message, signature.subarray(0, 63), key));
});

test("a key with a part of small order signs what the exact equation allows, and nothing else", () => {
  const { scalar } = ed25519.utils.getExtendedPublicKey(secretKey);
  const mixed = Point.fromBytes(key).add(torsion.find((point) => orderOf(point) === 8)!).toBytes();
  const found = { held: 0, refused: 0 };
  for (let nonce = 1n; nonce <= 48n; nonce += 1n) {
    const commitment = Point.BASE.multiply(nonce).toBytes();
    const hashed = challenge(commitment, mixed);
    const signature = concat(commitment, encodeScalar(modulo(nonce + hashed * scalar)));
    assert.equal(isSigned(message, signature, mixed), hashed % 8n === 0n);
    found[hashed % 8n === 0n ? "held" : "refused"] += 1;
  }
  assert.ok(found.held > 0 && found.refused > 0);
});
