// Who can be elected in a contest: its options, and behind them the names that were written in.

import { text } from "../../bytes.ts";
import type { Answer } from "../../mixnet/contest.ts";
import type { ContestBody } from "../model.ts";
import { byBytes } from "./lots-seed.ts";

/** Candidates of one contest, at most: of names that were written in, the most frequent ones. */
const CANDIDATES_MAX = 1000;

export type Candidate = { optionId: string } | { writeIn: string };

/** The answers of voters of one weight; nothing for what says nothing that is allowed. */
export interface Votes {
  weight: number;
  answers: (Answer | null)[];
}

/** The candidates of a contest, by their places. */
export class Candidates {
  readonly all: Candidate[];
  readonly #options: number;
  readonly #written: Map<string, number>;

  constructor({ options }: ContestBody, votes: Votes[]) {
    const names = mostFrequent(votes, CANDIDATES_MAX - options.length);
    this.all = [...options.map(({ optionId }) => ({ optionId })), ...names.map((writeIn) => ({ writeIn }))];
    this.#options = options.length;
    this.#written = new Map(names.map((name, at) => [name, options.length + at]));
  }

  /** Who stands at a place of a ballot; nobody for a name that is not among the most frequent. */
  at(place: number, answer: Answer): number | undefined {
    if (place < this.#options) return place;
    const name = answer["write-in"];
    return name === undefined ? undefined : this.#written.get(name);
  }
}

/** So many of the names, in the order of their bytes. */
function mostFrequent(votes: Votes[], most: number): string[] {
  const found = new Map<string, number>();
  for (const { weight, answers } of votes) {
    for (const answer of answers) {
      const name = answer?.["write-in"];
      if (name !== undefined) found.set(name, (found.get(name) ?? 0) + weight);
    }
  }
  const sorted = [...found].sort(([one, many], [other, more]) => more - many || inOrder(one, other));
  return sorted.slice(0, most).map(([name]) => name).sort(inOrder);
}

/** JavaScript compares halves of characters, which is another order. */
function inOrder(one: string, other: string): number {
  return byBytes(text(one), text(other));
}
