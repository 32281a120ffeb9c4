// Every vote and every verdict: no vote stands twice, what was confirmed holds, and what was refused was refused rightly.

import { Malformed } from "../../bytes.ts";
import type { Body } from "./event.ts";
import { pause } from "./found.ts";

export interface Vote {
  index: number;
  voter: string;
  weight: number;
  /** Which of the voter’s votes it is, by their own count; where nobody signs, votes stand as they came. */
  sequence?: number;
}

type Verdicts = Body<"election/verdicts">;
type Reason = Verdicts["refused"][number]["reason"];

/** What votes of an election are. */
export interface Kind<V extends Vote> {
  /** What a voter finds theirs by. */
  trackerOf(vote: V): string;
  /** What is wrong with a vote, if something is. Whether its token is the issuer’s is another question. */
  faultOf(vote: V): string | undefined;
  /** Whether votes may be refused for their tokens. */
  tokens: boolean;
}

/** Votes that are checked before the page may draw. */
const AT_ONCE = 20;

export class Votes<V extends Vote> {
  readonly #kind: Kind<V>;
  /** By their places on the board, in its order. */
  readonly #votes = new Map<number, V>();
  readonly #trackers = new Set<string>();
  readonly #runs: { from: number; to: number }[] = [];
  readonly #confirmed = new Set<number>();
  readonly #refused = new Map<number, Reason>();

  constructor(kind: Kind<V>) {
    this.#kind = kind;
  }

  /** Takes a vote. Whoever repeats an older one of a voter would have it stand instead of the newer one. */
  cast(vote: V): void {
    const tracker = this.#kind.trackerOf(vote);
    if (this.#trackers.has(tracker)) throw new Malformed("a vote stands there twice");
    this.#trackers.add(tracker);
    this.#votes.set(vote.index, vote);
  }

  /** Takes what entry `at` says of votes before it, if it is what can be said of each. */
  async judge(at: number, verdicts: Verdicts): Promise<void> {
    const { from, to, votes, refused } = verdicts;
    if (from >= to || to > at) throw new Malformed("verdicts about no entries");
    if (this.#runs.some((run) => run.from < to && from < run.to)) {
      throw new Malformed("verdicts about votes that were checked before");
    }
    const own = [...this.#votes.values()].filter(({ index }) => from <= index && index < to);
    if (own.length !== votes) throw new Malformed("verdicts about another number of votes than stand there");
    const reasons = new Map(refused.map(({ index, reason }) => [index, reason]));
    const places = new Set(own.map(({ index }) => index));
    const known = refused.every(({ index }) => places.has(index));
    if (reasons.size !== refused.length || !known) throw new Malformed("something is refused that is no vote, or twice");
    for (const [done, vote] of own.entries()) {
      this.#decide(vote, reasons.get(vote.index));
      if (done % AT_ONCE === AT_ONCE - 1) await pause();
    }
    this.#runs.push({ from, to });
  }

  #decide(vote: V, reason: Reason | undefined): void {
    const fault = this.#kind.faultOf(vote);
    if (reason === undefined) {
      if (fault !== undefined) throw new Malformed(`vote ${vote.index} is confirmed, but ${fault}`);
      this.#confirmed.add(vote.index);
      return;
    }
    // That a token is none of the issuer’s is proven later.
    if (fault === undefined && !(reason === "token" && this.#kind.tokens)) {
      throw new Malformed(`vote ${vote.index} is refused (${reason}), but it holds`);
    }
    this.#refused.set(vote.index, reason);
  }

  get size(): number {
    return this.#votes.size;
  }

  get refused(): number {
    return this.#refused.size;
  }

  /** Votes that the board says nothing of yet. */
  get unchecked(): number {
    return this.#votes.size - this.#confirmed.size - this.#refused.size;
  }

  /**
   * The confirmed vote of each voter’s key that they made last, in the order of the board: a server that keeps one back does
   * not make it the last.
   */
  get standing(): V[] {
    const confirmed = [...this.#votes.values()].filter(({ index }) => this.#confirmed.has(index));
    const last = new Map<string, V>();
    for (const vote of confirmed) {
      const known = last.get(vote.voter);
      if (!known || (vote.sequence ?? 0) >= (known.sequence ?? 0)) last.set(vote.voter, vote);
    }
    return confirmed.filter((vote) => last.get(vote.voter) === vote);
  }

  /** Votes that were refused for their tokens. */
  get refusedForToken(): V[] {
    return [...this.#votes.values()].filter(({ index }) => this.#refused.get(index) === "token");
  }

  /** Refuses a tally that begins while the board says nothing of some votes. */
  checkJudged(): void {
    if (this.unchecked > 0) throw new Malformed(`the tally begins, and of ${this.unchecked} votes nothing was said`);
  }
}
