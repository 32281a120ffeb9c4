// Votes that were refused for their tokens: part by part the issuer proves that those are not its own, and leaves none out.
// See docs/elections-specification.md, section 15.

import { Malformed, equal, fromHex } from "../../bytes.ts";
import type { Body } from "./event.ts";
import type { SecretManifest } from "./manifest.ts";
import { ELEMENT_BYTES, type Right, TOKENS_IN_A_PROOF, issuerOf, outputs } from "./tokens.ts";

type Refused = Right & { index: number; weight: number };

export class RefusedVotes {
  readonly #manifest: SecretManifest;
  readonly #atOnce: number;
  /** Weight by weight, in the order of the board; and how many of them are proven. */
  readonly #weights = new Map<number, { votes: Refused[]; proven: number }>();

  /** Of votes in the order of the board, so many of which one proof is about. */
  constructor(manifest: SecretManifest, votes: Refused[], atOnce = TOKENS_IN_A_PROOF) {
    [this.#manifest, this.#atOnce] = [manifest, atOnce];
    for (const vote of votes) {
      const own = this.#weights.get(vote.weight) ?? { votes: [], proven: 0 };
      own.votes.push(vote);
      this.#weights.set(vote.weight, own);
    }
  }

  /** Whether it is proven of all of them. */
  get areProven(): boolean {
    return [...this.#weights.values()].every(({ votes, proven }) => proven === votes.length);
  }

  /** The next ones of a weight are proven: a full part, or all that are left. */
  prove(said: Body<"election/refused-tokens">, multiples: Uint8Array): void {
    const issuer = issuerOf(this.#manifest, said.weight);
    const own = this.#weights.get(said.weight);
    if (!own) throw new Malformed("no vote of this weight was refused for its token");
    if (said.first !== own.proven) throw new Malformed("the proofs about refused tokens do not follow one another");
    const part = own.votes.slice(own.proven, own.proven + this.#atOnce);
    if (part.length === 0 || said.tokens !== part.length || multiples.length !== ELEMENT_BYTES * part.length) {
      throw new Malformed("other tokens are proven than were refused");
    }
    const found = outputs(issuer, part, multiples, said.proof);
    const given = part.find(({ token }, at) => equal(found[at]!, fromHex(token)));
    if (given) throw new Malformed(`vote ${given.index} was refused although its token is the issuer’s`);
    own.proven += part.length;
  }
}
