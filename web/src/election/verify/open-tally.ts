// What follows when no votes are taken any more and none of them was secret: they are counted as they stand.

import { Malformed } from "../../bytes.ts";
import type { ContestResult } from "../count/result.ts";
import { type Answers, checkPublished, openAnswers } from "./answers.ts";
import type { Blobs } from "./blobs.ts";
import type { OpenlyDecided } from "./decided.ts";
import type { Body, Event } from "./event.ts";
import type { Told } from "./found.ts";
import type { OpenVote } from "./open-votes.ts";
import { checkResults } from "./results.ts";
import type { Votes } from "./votes.ts";

export class OpenTally {
  readonly #decided: OpenlyDecided;
  readonly #blobs: Blobs;
  readonly #votes: OpenVote[];
  stage: "closed" | "counted" | "published" | "abandoned" = "closed";
  /** Nothing is ever decrypted. */
  readonly lists: never[] = [];
  answers: Answers[] | undefined;
  results: ContestResult[] | undefined;

  constructor(decided: OpenlyDecided, blobs: Blobs, votes: Votes<OpenVote>) {
    votes.checkJudged();
    [this.#decided, this.#blobs, this.#votes] = [decided, blobs, votes.standing];
  }

  async take(event: Event, told: Told): Promise<void> {
    if (this.stage === "closed" && event.command === "election/counted") {
      await this.#count(event.body, told);
    } else if (this.stage === "closed" && event.command === "election/abandoned") {
      this.stage = "abandoned";
    } else if (this.stage === "counted" && event.command === "election/published") {
      this.stage = "published";
    } else {
      throw new Malformed(`“${event.command}” has no place here, where votes are not secret`);
    }
  }

  async #count(said: Body<"election/counted">, told: Told): Promise<void> {
    if ([said.decryptedBy, said.lied, said.absent].some((trustees) => trustees.length > 0)) {
      throw new Malformed("the count names trustees, and there are none");
    }
    const answers = openAnswers(this.#decided, this.#votes);
    await checkPublished(this.#blobs, answers, said);
    this.results = await checkResults(this.#blobs, this.#decided, answers, said);
    this.answers = answers;
    this.stage = "counted";
    await told({ what: "Answers", how: "those that were published are those of the votes that count" });
    await told({ what: "Count", how: "done again on this device by the rule of each contest: the results are those that were published" });
  }
}
