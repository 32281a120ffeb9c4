// Every vote and every verdict: no vote stands twice, what was confirmed holds, and what was refused was refused rightly.

import { Malformed, fromBase64, fromHex, toHex } from "../../bytes.ts";
import { decodeBallot, holds } from "../../mixnet/ballot.ts";
import { width } from "../../mixnet/contest.ts";
import { isSigned } from "../../signature.ts";
import { type Statement, encodeStatement, listOf, trackerOf } from "../bindings.ts";
import { contestOf } from "../model.ts";
import type { Decided } from "./decided.ts";
import type { Body } from "./event.ts";
import { pause } from "./found.ts";

export interface Vote extends Body<"election/ballot"> {
  index: number;
}

type Verdicts = Body<"election/verdicts">;

/** Votes that are checked before the page may draw. */
const AT_ONCE = 20;

export class Votes {
  readonly #decided: Decided;
  /** By their places on the board, in its order. */
  readonly #votes = new Map<number, Vote>();
  readonly #trackers = new Set<string>();
  readonly #runs: { from: number; to: number }[] = [];
  readonly #confirmed = new Set<number>();
  readonly #refused = new Map<number, Verdicts["refused"][number]["reason"]>();

  constructor(decided: Decided) {
    this.#decided = decided;
  }

  /** Takes a vote. Whoever repeats an older one of a voter would have it stand instead of the newer one. */
  cast(index: number, body: Body<"election/ballot">): void {
    const tracker = toHex(trackerOf(statementOf(this.#decided, body)));
    if (this.#trackers.has(tracker)) throw new Malformed("a vote stands there twice");
    this.#trackers.add(tracker);
    this.#votes.set(index, { ...body, index });
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

  #decide(vote: Vote, reason: Verdicts["refused"][number]["reason"] | undefined): void {
    const fault = faultOf(this.#decided, vote);
    if (reason === undefined) {
      if (fault !== undefined) throw new Malformed(`vote ${vote.index} is confirmed, but ${fault}`);
      this.#confirmed.add(vote.index);
      return;
    }
    // That a token is none of the issuer’s is proven later.
    if (fault === undefined && reason !== "token") {
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

  /** The last confirmed vote of each voter’s key, in the order of the board. */
  get standing(): Vote[] {
    const confirmed = [...this.#votes.values()].filter(({ index }) => this.#confirmed.has(index));
    const last = new Map(confirmed.map(({ voter, index }) => [voter, index]));
    return confirmed.filter(({ voter, index }) => last.get(voter) === index);
  }

  /** Votes that were refused for their tokens. */
  get refusedForToken(): Vote[] {
    return [...this.#votes.values()].filter(({ index }) => this.#refused.get(index) === "token");
  }
}

function statementOf({ electionHash }: Decided, { voter, token, weight, ballots }: Body<"election/ballot">): Statement {
  return { electionHash, voterKey: fromHex(voter), token: fromHex(token), weight, ballots: ballots.map(fromBase64) };
}

/** What is wrong with a vote, if something is. Whether its token is the issuer’s is another question. */
function faultOf(decided: Decided, vote: Vote): string | undefined {
  const { manifest, weights } = decided;
  if (!weights.includes(vote.weight)) return "it is of no weight of this election";
  if (vote.ballots.length !== manifest.contests.length) return "it is not one ballot for each contest";
  const statement = statementOf(decided, vote);
  if (!isSigned(encodeStatement(statement), fromHex(vote.signature), statement.voterKey)) {
    return "its voter did not sign it";
  }
  const proven = statement.ballots.every((bytes, contest) => isProven(decided, statement, bytes, contest));
  return proven ? undefined : "a ballot in it cannot be read, or its proof does not hold";
}

function isProven(decided: Decided, statement: Statement, bytes: Uint8Array, contest: number): boolean {
  const { manifest, electionHash, keys, weights } = decided;
  const list = listOf(weights, statement.weight, manifest.contests.length, contest);
  try {
    const ballot = decodeBallot(bytes);
    const fits = ballot.row.length === width(contestOf(manifest.contests[contest]!));
    const caster = { voter: statement.voterKey, token: statement.token };
    return fits && holds({ election: electionHash, contest: list, key: keys.key }, caster, ballot);
  } catch (error) {
    if (error instanceof Malformed) return false;
    throw error;
  }
}
