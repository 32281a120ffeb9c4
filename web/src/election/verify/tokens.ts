// Nobody voted without a token: what was redeemed is the issuer's, and no more of it than was given out. See
// docs/elections-specification.md, section 10.

import { ristretto255_hasher, ristretto255_oprf } from "@noble/curves/ed25519.js";
import { Malformed, equal, fromHex } from "../../bytes.ts";
import type { Body } from "./event.ts";
import type { Manifest, SecretManifest } from "./manifest.ts";
import type { SecretVote } from "./secret-votes.ts";

/** RFC 9497 counts the tokens of one proof in two bytes. */
export const TOKENS_IN_A_PROOF = 65_536;
export const ELEMENT_BYTES = 32;

export type Right = Pick<SecretVote, "voter" | "token">;

/** What the tokens of these voters' keys are, if one proof holds for all of their multiples. */
export function outputs(issuer: string, rights: Right[], multiples: Uint8Array, proof: string): Uint8Array[] {
  const DST = "HashToGroup-OPRFV1-\u0001-ristretto255-SHA512";
  const one = Uint8Array.from({ length: ELEMENT_BYTES }, (_, at) => (at === 0 ? 1 : 0));
  // Blinded with 1: the proof is about the inputs themselves, and what comes out are the tokens.
  const items = rights.map(({ voter }, at) => ({
    input: fromHex(voter),
    blind: one,
    blinded: ristretto255_hasher.hashToCurve(fromHex(voter), { DST }).toBytes(),
    evaluated: multiples.slice(ELEMENT_BYTES * at, ELEMENT_BYTES * (at + 1)),
  }));
  try {
    return ristretto255_oprf.voprf.finalizeBatch(items, fromHex(issuer), fromHex(proof));
  } catch {
    throw new Malformed("the issuer’s proof about tokens does not hold");
  }
}

export function issuerOf(manifest: SecretManifest, weight: number): string {
  const issuer = manifest.issuers.find((each) => each.weight === weight);
  if (!issuer) throw new Malformed("nobody gives tokens of this weight");
  return issuer.key;
}

/** The tokens of the votes of one weight that count. */
export function checkRedeemed(manifest: SecretManifest, said: Body<"election/redeemed">, multiples: Uint8Array, votes: Right[]): void {
  const issuer = issuerOf(manifest, said.weight);
  if (votes.length !== said.tokens || multiples.length !== ELEMENT_BYTES * votes.length) {
    throw new Malformed(`${votes.length} votes count, and ${said.tokens} tokens are proven`);
  }
  if (said.proofs.length !== Math.ceil(votes.length / TOKENS_IN_A_PROOF)) {
    throw new Malformed("there is another number of proofs than there must be");
  }
  said.proofs.forEach((proof, at) => {
    const from = at * TOKENS_IN_A_PROOF;
    const some = votes.slice(from, from + TOKENS_IN_A_PROOF);
    const found = outputs(issuer, some, multiples.subarray(ELEMENT_BYTES * from), proof);
    const other = some.findIndex(({ token }, place) => !equal(found[place]!, fromHex(token)));
    if (other >= 0) throw new Malformed(`token ${from + other} is not the issuer’s`);
  });
}

/** Of each weight it was published how many tokens were given out, and no more votes of it count. */
export function checkIssued(manifest: Manifest, { issued }: Body<"election/closed">, votes: { weight: number }[]): void {
  const given = new Map(issued.map(({ weight, issued }) => [weight, issued]));
  const all = manifest.issuers.every(({ weight }) => given.has(weight));
  if (!all || issued.length !== manifest.issuers.length) {
    throw new Malformed("it does not say once of each weight how many tokens were given out");
  }
  const surplus = issued.find(({ voters, issued }) => issued > voters);
  if (surplus) throw new Malformed(`more tokens of weight ${surplus.weight} were given out than voters have it`);
  for (const [weight, most] of given) {
    const count = votes.filter((vote) => vote.weight === weight).length;
    if (count > most) {
      throw new Malformed(`${count} votes of weight ${weight} count, and only ${most} tokens were given out`);
    }
  }
}
