// The right to vote is each person's own, nobody's word takes it away, and its sequence only ever goes up.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { ristretto255_oprf } from "@noble/curves/ed25519.js";
import { fromHex, toHex } from "../src/bytes.ts";
import type { Defined } from "../src/election/defined.ts";
import { type Holder, type Kept, exported, imported, keep, kept, nextSequence, remove, takeSequence } from "../src/election/kept-right.ts";
import { ElsewhereError, rightTo } from "../src/election/right.ts";

const { voprf } = ristretto255_oprf;
const electionId = "01a20026-0f0d-7366-be3c-0efe9c92577b";
const ada: Holder = { electionId, personId: "ada" };
const bob: Holder = { electionId, personId: "bob" };
const issuer = voprf.generateKeyPair();
const defined = definedWith(toHex(issuer.publicKey));
const MINUTE_MS = 60_000;
const NOW = 29_000_000 * MINUTE_MS;

function definedWith(key: string): Defined {
  return { manifest: { electionId, issuers: [{ weight: 1, key }] } } as unknown as Defined;
}

beforeEach(() => {
  const all = new Map<string, string>();
  const localStorage = {
    getItem: (name: string) => all.get(name) ?? null,
    setItem: (name: string, value: string) => void all.set(name, value),
    removeItem: (name: string) => void all.delete(name),
  };
  Object.assign(globalThis, { localStorage, sessionStorage: { getItem: () => null } });
  issuing(issuer);
});

/** A server that gives tokens with this key. */
function issuing({ secretKey, publicKey }: typeof issuer): void {
  globalThis.fetch = (async (_: string, { body }: { body: string }) => {
    const { blindedInput } = JSON.parse(body) as { blindedInput: string };
    const { evaluated, proof } = voprf.blindEvaluate(secretKey, publicKey, fromHex(blindedInput));
    return Response.json({ weight: 1, issuer: toHex(publicKey), evaluated: toHex(evaluated), proof: toHex(proof) });
  }) as unknown as typeof fetch;
}

/** A server that says that it gave one already. */
function refusing(): void {
  const problem = { type: "https://holdfast.example/problems#elections/token-issued", title: "", detail: "it was given" };
  globalThis.fetch = (async () => Response.json(problem, { status: 409 })) as typeof fetch;
}

const someKey = (sequence: number): Kept => ({
  electionId,
  secretKey: "01".repeat(32),
  blind: "02".repeat(32),
  blinded: "03".repeat(32),
  madeAt: "2026-01-01T00:00:00.000Z",
  token: "04".repeat(64),
  weight: 1,
  sequence,
});

test("two who share a browser have a key each", async () => {
  const [hers, his] = [await rightTo(defined, ada), await rightTo(defined, bob)];
  assert.notEqual(toHex(hers.voterKey), toHex(his.voterKey));
  assert.ok(hers.fresh && his.fresh);
  const again = await rightTo(defined, ada);
  assert.equal(toHex(again.voterKey), toHex(hers.voterKey));
  assert.ok(!again.fresh);
});

test("a key that is removed leaves the other's where it is", async () => {
  await rightTo(defined, ada);
  const his = await rightTo(defined, bob);
  remove(ada);
  assert.equal(kept(ada), null);
  assert.equal(exported(ada), null);
  assert.equal(toHex((await rightTo(defined, bob)).voterKey), toHex(his.voterKey));
});

test("a token of another key than the one on the board is refused, whatever the server says is its key", async () => {
  issuing(voprf.generateKeyPair());
  await assert.rejects(rightTo(defined, ada), /another key than the public board says/);
  assert.equal(exported(ada), null);
});

test("a key is not forgotten because the server says that it gave a token elsewhere", async () => {
  refusing();
  await assert.rejects(rightTo(defined, ada), (error: unknown) => error instanceof ElsewhereError && error.madeAt === null);
  const made = kept(ada)!;
  await assert.rejects(rightTo(defined, ada), (error: unknown) => error instanceof ElsewhereError && error.madeAt === made.madeAt);
  assert.deepEqual(kept(ada), made);
  // It was not true: the same question gets its answer now.
  issuing(issuer);
  await rightTo(defined, ada);
  assert.equal(kept(ada)!.secretKey, made.secretKey);
});

test("sequences follow the clock, and go up by one where it stands still or goes back", () => {
  assert.equal(nextSequence(undefined, NOW), 29_000_000);
  assert.equal(nextSequence(5, NOW), 29_000_000);
  assert.equal(nextSequence(29_000_000, NOW + MINUTE_MS - 1), 29_000_001);
  assert.equal(nextSequence(29_000_005, NOW), 29_000_006);
  assert.equal(nextSequence(29_000_005, 0), 29_000_006);
});

test("a sequence is kept before it is used, also in the file that is saved", async () => {
  await rightTo(defined, ada);
  const first = takeSequence(ada, NOW);
  assert.equal((JSON.parse(exported(ada)!) as Kept).sequence, first);
  assert.equal(takeSequence(ada, NOW), first + 1);
  assert.equal(kept(ada)!.sequence, first + 1);
  assert.throws(() => takeSequence(bob, NOW), /not in this browser/);
});

test("a file brings a key to another device, and its sequence goes on from the higher one", () => {
  keep(ada, someKey(9));
  const file = exported(ada)!;
  imported(file, bob);
  assert.deepEqual(kept(bob), someKey(9));
  keep(ada, someKey(12));
  imported(file, ada);
  assert.equal(kept(ada)!.sequence, 12);
});

test("a file without a sequence is from before the first vote", () => {
  const { sequence, ...rest } = someKey(1);
  assert.equal(sequence, 1);
  imported(JSON.stringify(rest), ada);
  assert.equal(kept(ada)!.sequence, 0);
});

test("a file of another election, of another key than is here, or of no right is refused", () => {
  keep(ada, someKey(1));
  const other = (change: object) => JSON.stringify({ ...someKey(1), ...change });
  assert.throws(() => imported(other({ electionId: "another" }), ada), /no voting key for this election/);
  assert.throws(() => imported(other({ secretKey: "0a".repeat(32) }), ada), /keeps another voting key/);
  for (const file of ["", "{}", "null", other({ token: undefined }), other({ token: "04" }), other({ sequence: -1 })]) {
    assert.throws(() => imported(file, ada), /holds no voting key/, file);
  }
  assert.deepEqual(kept(ada), someKey(1));
});
