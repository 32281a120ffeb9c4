// A trustee approves a key only once they have said that all others see the same transport keys.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { fromBase64, fromHex, toBase64, toHex } from "../src/bytes.ts";
import { fingerprintOf, takePart, transportKeysOf, waitsForAssent } from "../src/election/trustee/ceremony.ts";
import { fewIn } from "../src/election/trustee/decrypt.ts";
import { Safe } from "../src/election/trustee/safe.ts";
import type { List } from "../src/election/verify/mixes.ts";
import { G, decodeElement, randomScalar, times } from "../src/mixnet/group.ts";
import * as mixnet from "../src/mixnet/trustees.ts";
import { begin, dealt, election, electionId, posted } from "./hall.ts";

beforeEach(begin);

const steps = () => posted.map(([step]) => step);
const BEFORE = ["transport-key", "sealed-opening", "opening", "dealing"];

test("nothing is approved before the keys were compared, also not by whoever speaks last", async () => {
  const now = await dealt();
  now.said[1]!.approved = true;
  assert.ok(waitsForAssent(now, null));
  await takePart(election, now, null);
  await takePart(election, now, null);
  assert.deepEqual(steps(), BEFORE);
  assert.ok(Safe.of(electionId).hasShare(1));
});

test("what was compared is approved", async () => {
  const now = await dealt();
  const compared = transportKeysOf(now);
  assert.ok(!waitsForAssent(now, compared));
  await takePart(election, now, compared);
  assert.deepEqual(steps(), [...BEFORE, "approval"]);
});

test("keys that are others than were compared are not approved", async () => {
  const now = await dealt();
  const compared = transportKeysOf(now)!;
  await takePart(election, now, [compared[0]!, toHex(times(G, randomScalar()).toBytes())]);
  assert.deepEqual(steps(), BEFORE);
});

test("whoever got a wrong share complains without comparing first", async () => {
  const now = await dealt();
  const dealing = mixnet.decodeDealing(fromBase64(now.said[1]!.dealing!));
  const about = { context: fromHex(now.context), threshold: 2, transportKeys: transportKeysOf(now)!.map((key) => decodeElement(fromHex(key))) };
  const wrong = mixnet.deal(about, 2, mixnet.randomPolynomial(2));
  now.said[1]!.dealing = toBase64(mixnet.encodeDealing([wrong[0]!, dealing[1]!]));
  await takePart(election, now, null);
  assert.deepEqual(steps(), [...BEFORE, "complaint"]);
});

test("nothing is said to a server that says another threshold than it showed, or one that a minority reaches", async () => {
  const now = await dealt();
  const compared = transportKeysOf(now);
  for (const changed of [{ threshold: 1 }, { threshold: 3 }]) {
    await assert.rejects(takePart(election, { ...now, ...changed }, compared), /cannot keep a key/);
  }
  const three = { ...election, trustees: { threshold: 3, names: ["Trustee 1", "Trustee 2", "Trustee 3"] } };
  await assert.rejects(takePart(three, now, compared), /another number of them who decrypt/);
  const other = { ...election, trustees: { threshold: 2, names: ["Trustee 1", "Somebody"] } };
  await assert.rejects(takePart(other, now, compared), /shows other trustees/);
  assert.deepEqual(steps(), BEFORE);
});

test("keys are compared by their first eighty bits", () => {
  assert.equal(fingerprintOf("0123456789abcdef".repeat(4)), "0123 4567 89ab cdef 0123");
});

test("lists of one and of two rows need to be agreed to, and of three do not", () => {
  const lists = [1, 2, 3].map((rows, number) => ({ number, rows: { rows: Array(rows) } }) as unknown as List);
  assert.deepEqual(fewIn(lists).map(({ number }) => number), [0, 1]);
});
