// A vote may be refused for its token only if the issuer proves what the token would have been.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ristretto255_hasher, ristretto255_oprf } from "@noble/curves/ed25519.js";
import { fromHex, text, toHex } from "../src/bytes.ts";
import type { SecretManifest } from "../src/election/verify/manifest.ts";
import type { SecretVote } from "../src/election/verify/secret-votes.ts";
import { checkRefused } from "../src/election/verify/tokens.ts";

const { voprf } = ristretto255_oprf;
const issuer = voprf.generateKeyPair();
const manifest = { issuers: [{ weight: 1, key: toHex(issuer.publicKey) }] } as SecretManifest;
const DST = "HashToGroup-OPRFV1-\u0001-ristretto255-SHA512";
const voter = "5a".repeat(32);
const right = toHex(tokenOf(fromHex(voter)));

/** The issuer's token of an input. */
function tokenOf(input: Uint8Array): Uint8Array {
  const { blind, blinded } = voprf.blind(input);
  const { evaluated, proof } = voprf.blindEvaluate(issuer.secretKey, issuer.publicKey, blinded);
  return voprf.finalize(input, blind, evaluated, blinded, issuer.publicKey, proof);
}

function vote(index: number, token: string): SecretVote {
  return { index, voter, token, weight: 1, sequence: 1, ballots: [], signature: "" };
}

/** The issuer's multiple of the voter's key, proven with these keys. */
function proven(index: number, { secretKey, publicKey } = issuer): object {
  const blinded = ristretto255_hasher.hashToCurve(fromHex(voter), { DST }).toBytes();
  const { evaluated, proof } = voprf.blindEvaluate(secretKey, publicKey, blinded);
  return { index, multiple: toHex(evaluated), proof: toHex(proof) };
}

const json = (...said: object[]) => text(JSON.stringify(said));

test("a vote with a token that is none is refused rightly", () => {
  checkRefused(manifest, json(proven(7)), [vote(7, "00".repeat(64))]);
});

test("a vote with the issuer's token is not refused, whatever is proven", () => {
  assert.throws(() => checkRefused(manifest, json(proven(7)), [vote(7, right)]), /vote 7 was refused although its token is the issuer’s/);
});

test("a multiple by another key proves nothing", () => {
  assert.throws(() => checkRefused(manifest, json(proven(7, voprf.generateKeyPair())), [vote(7, right)]), /proof about tokens does not hold/);
});

test("each refused token is proven once, and no other", () => {
  const votes = [vote(7, "00".repeat(64))];
  for (const said of [[], [proven(8)], [proven(7), proven(7)], [proven(7), proven(8)]]) {
    assert.throws(() => checkRefused(manifest, json(...said), votes), /other tokens are proven than were refused/);
  }
});

test("what is no list of proofs is refused", () => {
  for (const said of ["", "{}", '[{"index":7}]']) {
    assert.throws(() => checkRefused(manifest, text(said), [vote(7, right)]), /cannot be read/);
  }
});
