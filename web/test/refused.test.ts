// A vote may be refused for its token only if the issuer proves what the token would have been.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ristretto255_hasher, ristretto255_oprf } from "@noble/curves/ed25519.js";
import { concat, fromHex, toHex } from "../src/bytes.ts";
import type { Body } from "../src/election/verify/event.ts";
import type { SecretManifest } from "../src/election/verify/manifest.ts";
import { RefusedVotes } from "../src/election/verify/refused.ts";

const { voprf } = ristretto255_oprf;
const DST = "HashToGroup-OPRFV1-\u0001-ristretto255-SHA512";
/** By weight. */
const issuers = new Map([1, 2].map((weight) => [weight, voprf.generateKeyPair()]));
const manifest = {
  issuers: [...issuers].map(([weight, { publicKey }]) => ({ weight, key: toHex(publicKey) })),
} as SecretManifest;
/** Votes that one proof is about. */
const AT_ONCE = 3;

type Vote = ConstructorParameters<typeof RefusedVotes>[1][number];
type Proof = [Body<"election/refused-tokens">, Uint8Array];

function vote(index: number, weight = 1): Vote {
  return { index, voter: toHex(Uint8Array.from({ length: 32 }, () => index)), token: "00".repeat(64), weight };
}

/** The issuer's token of a voter's key. */
function tokenOf(voter: string): string {
  const { secretKey, publicKey } = issuers.get(1)!;
  const { blind, blinded } = voprf.blind(fromHex(voter));
  const { evaluated, proof } = voprf.blindEvaluate(secretKey, publicKey, blinded);
  return toHex(voprf.finalize(fromHex(voter), blind, evaluated, blinded, publicKey, proof));
}

/** What an issuer proves of these votes. */
function proof(votes: Vote[], first: number, weight = 1, { secretKey, publicKey } = issuers.get(weight)!): Proof {
  const blinded = votes.map(({ voter }) => ristretto255_hasher.hashToCurve(fromHex(voter), { DST }).toBytes());
  const { evaluated, proof } = voprf.blindEvaluateBatch(secretKey, publicKey, blinded);
  return [{ weight, first, tokens: votes.length, multiples: "", proof: toHex(proof) }, concat(...evaluated)];
}

const of = (...votes: Vote[]) => new RefusedVotes(manifest, votes, AT_ONCE);

test("votes with tokens that are none are refused rightly, each weight by its own issuer", () => {
  const refused = of(vote(7), vote(8, 2), vote(9), vote(9));
  refused.prove(...proof([vote(8, 2)], 0, 2));
  assert.equal(refused.areProven, false);
  refused.prove(...proof([vote(7), vote(9), vote(9)], 0));
  assert.equal(refused.areProven, true);
  assert.equal(of().areProven, true);
});

test("more than one proof can be about are proven part by part, and none twice", () => {
  const votes = [1, 2, 3, 4, 5, 6, 7].map((index) => vote(index));
  const refused = of(...votes);
  for (const first of [0, 3, 6]) {
    assert.equal(refused.areProven, false);
    const part = proof(votes.slice(first, first + AT_ONCE), first);
    refused.prove(...part);
    assert.throws(() => refused.prove(...part), /do not follow one another/);
  }
  assert.equal(refused.areProven, true);
  assert.throws(() => refused.prove(...proof([vote(8)], 7)), /other tokens are proven than were refused/);
});

test("a part is neither shorter nor longer nor in another order, and begins where the one before it ended", () => {
  const votes = [1, 2, 3, 4].map((index) => vote(index));
  const refused = of(...votes);
  assert.throws(() => refused.prove(...proof(votes.slice(0, 2), 0)), /other tokens are proven/);
  assert.throws(() => refused.prove(...proof(votes, 0)), /other tokens are proven/);
  assert.throws(() => refused.prove(...proof(votes.slice(3), 3)), /do not follow one another/);
  assert.throws(() => refused.prove(...proof([votes[1]!, votes[0]!, votes[2]!], 0)), /proof about tokens does not hold/);
  const [said, multiples] = proof(votes.slice(0, 3), 0);
  assert.throws(() => refused.prove(said, multiples.subarray(32)), /other tokens are proven/);
  assert.throws(() => refused.prove({ ...said, tokens: 0 }, new Uint8Array()), /other tokens are proven/);
});

test("a vote with the issuer's token is not refused, whatever is proven", () => {
  const right = { ...vote(7), token: tokenOf(vote(7).voter) };
  assert.throws(() => of(vote(6), right).prove(...proof([vote(6), right], 0)), /vote 7 was refused although its token is the issuer’s/);
});

test("multiples by another key prove nothing", () => {
  assert.throws(() => of(vote(7)).prove(...proof([vote(7)], 0, 1, voprf.generateKeyPair())), /proof about tokens does not hold/);
});

test("nothing is proven of a weight that nobody has, or of which nobody was refused", () => {
  const refused = of(vote(7));
  assert.throws(() => refused.prove(...proof([vote(7)], 0, 2)), /no vote of this weight was refused/);
  const [said, multiples] = proof([vote(7)], 0);
  assert.throws(() => refused.prove({ ...said, weight: 3 }, multiples), /nobody gives tokens of this weight/);
});
