// What follows when no votes are taken any more: mixes and proofs of tokens, then decryptions, then the count. Whatever
// is left out, comes again or comes in another order is refused.

import { Malformed } from "../../bytes.ts";
import type { ContestResult } from "../count/result.ts";
import { type Answers, checkPublished, decryptedAnswers } from "./answers.ts";
import type { Blobs } from "./blobs.ts";
import type { SecretlyDecided } from "./decided.ts";
import type { Body, Event } from "./event.ts";
import { type Told, pause } from "./found.ts";
import { type List, Mixes } from "./mixes.ts";
import { Parts } from "./parts.ts";
import { RefusedVotes } from "./refused.ts";
import { checkResults } from "./results.ts";
import type { SecretVote } from "./secret-votes.ts";
import { checkRedeemed } from "./tokens.ts";
import type { Votes } from "./votes.ts";

export type Stage = "mixing" | "decrypting" | "counted" | "published" | "abandoned";

export class Tally {
  readonly #decided: SecretlyDecided;
  readonly #blobs: Blobs;
  readonly #votes: SecretVote[];
  readonly #refused: RefusedVotes;
  readonly #refusals: number;
  readonly #mixes: Mixes;
  readonly #parts: Parts;
  /** Weights whose tokens are proven. */
  readonly #redeemed = new Set<number>();
  #stage: Stage = "mixing";
  #answers: Answers[] | undefined;
  #results: ContestResult[] | undefined;

  constructor(decided: SecretlyDecided, blobs: Blobs, votes: Votes<SecretVote>) {
    votes.checkJudged();
    [this.#decided, this.#blobs] = [decided, blobs];
    this.#votes = votes.standing;
    const refused = votes.refusedForToken;
    [this.#refused, this.#refusals] = [new RefusedVotes(decided.manifest, refused), refused.length];
    this.#mixes = new Mixes(decided, blobs, this.#votes);
    this.#parts = new Parts(decided, blobs, this.#mixes.lists);
  }

  get stage(): Stage {
    return this.#stage;
  }

  /** What is to be decrypted: nothing before all is mixed, and nothing once it is abandoned. */
  get lists(): List[] {
    return this.#stage === "mixing" || this.#stage === "abandoned" ? [] : this.#mixes.lists;
  }

  /** Nothing before the votes are counted. */
  get answers(): Answers[] | undefined {
    return this.#answers;
  }

  get results(): ContestResult[] | undefined {
    return this.#results;
  }

  async take(event: Event, told: Told): Promise<void> {
    await pause();
    switch (this.#stage) {
      case "mixing":
        return this.#mixing(event, told);
      case "decrypting":
        return this.#decrypting(event, told);
      case "counted":
        if (event.command !== "election/published") throw new Malformed("after the count it has no place");
        this.#stage = "published";
        return;
      case "published":
      case "abandoned":
        throw new Malformed("the election is over, and something follows");
    }
  }

  async #mixing(event: Event, told: Told): Promise<void> {
    switch (event.command) {
      case "election/mixed":
        return this.#mixes.mix(event.body);
      case "election/redeemed":
        return this.#redeem(event.body);
      case "election/refused-tokens":
        return this.#refused.prove(event.body, await this.#blobs.of(event.body.multiples));
      case "election/decrypting":
        return this.#finishMixing(event.body, told);
      case "election/abandoned":
        this.#stage = "abandoned";
        return;
      default:
        throw new Malformed(`“${event.command}” has no place before all is mixed`);
    }
  }

  async #redeem(said: Body<"election/redeemed">): Promise<void> {
    const own = this.#votes.filter(({ weight }) => weight === said.weight);
    checkRedeemed(this.#decided.manifest, said, await this.#blobs.of(said.multiples), own);
    if (this.#redeemed.has(said.weight)) throw new Malformed("the tokens of a weight are proven twice");
    this.#redeemed.add(said.weight);
  }

  async #finishMixing(said: Body<"election/decrypting">, told: Told): Promise<void> {
    if (!this.#decided.weights.every((weight) => this.#redeemed.has(weight))) {
      throw new Malformed("the issuer has not proven the tokens of every weight");
    }
    if (!this.#refused.areProven) throw new Malformed("the issuer has not proven that the refused tokens are none of its own");
    this.#mixes.finish(said);
    this.#stage = "decrypting";
    const refused = this.#refusals > 0 ? `; ${this.#refusals} refused, none of them the issuer’s` : "";
    await told({ what: "Tokens", how: `${this.#votes.length} redeemed, each is the issuer’s${refused}` });
    await told({ what: "Mixes", how: `${this.#mixes.mixed} mixes, each proven to lose, add and change nothing` });
  }

  async #decrypting(event: Event, told: Told): Promise<void> {
    switch (event.command) {
      case "election/decrypted":
        return this.#parts.decrypted(event.body);
      case "election/lied":
        return this.#parts.lied(event.body);
      case "election/counted":
        return this.#count(event.body, told);
      case "election/abandoned":
        this.#stage = "abandoned";
        return;
      default:
        throw new Malformed(`“${event.command}” has no place while trustees decrypt`);
    }
  }

  async #count(said: Body<"election/counted">, told: Told): Promise<void> {
    const answers = decryptedAnswers(this.#decided, this.lists, this.#parts, said);
    await checkPublished(this.#blobs, answers, said);
    this.#results = await checkResults(this.#blobs, this.#decided, answers, said);
    this.#answers = answers;
    this.#stage = "counted";
    const { names } = this.#decided.manifest.trustees;
    const by = (trustees: number[]) => trustees.map((trustee) => names[trustee - 1]).join(", ");
    const lied = said.lied.length > 0 ? `; what was sent in the name of ${by(said.lied)} is rightly called false` : "";
    await told({ what: "Decryption", how: `by ${by(said.decryptedBy)}; every part proven${lied}` });
    await told({ what: "Answers", how: "those that were published are those that were decrypted" });
    await told({ what: "Count", how: "done again on this device by the rule of each contest: the results are those that were published" });
  }
}
