// What ballots say of candidates: points for each, or an order of them.

import { Malformed } from "../../bytes.ts";
import type { Answer, Marks } from "../../mixnet/contest.ts";
import type { Candidates, Votes } from "./candidates.ts";

/** Votes in one contest, at most. What is counted of so many whole votes is exact in a number. */
const VOTES_MAX = 2 ** 33;

/** So many votes that say the same. */
export interface Ballot {
  answer: Answer;
  votes: number;
}

/** All votes of a contest, read once. */
export interface Box {
  /** All of them, also those that say nothing. */
  ballots: number;
  /** Votes for nobody. */
  blank: number;
  /** Votes that say nothing that is allowed. */
  invalid: number;
  /** Those that are valid, blank ones too. */
  valid: Ballot[];
}

export function empty(votes: Votes[]): Box {
  const box: Box = { ballots: 0, blank: 0, invalid: 0, valid: [] };
  for (const { weight, answers } of votes) {
    for (const answer of answers) {
      box.ballots += weight;
      if (answer === null) {
        box.invalid += weight;
        continue;
      }
      if (isBlank(answer.marks)) box.blank += weight;
      box.valid.push({ answer, votes: weight });
    }
  }
  if (box.ballots > VOTES_MAX) throw new Malformed("there are more votes than can be counted");
  return box;
}

function isBlank(marks: Marks): boolean {
  if ("plurality" in marks) return marks.plurality === null;
  if ("approval" in marks) return !marks.approval.includes(true);
  return ("score" in marks ? marks.score : marks.ranked).every((mark) => mark === null);
}

/** Votes, approvals or points by candidate. */
export function points(ballots: Ballot[], candidates: Candidates): number[] {
  const sums = candidates.all.map(() => 0);
  for (const { answer, votes } of ballots) {
    given(answer.marks).forEach((points, place) => {
      const candidate = points > 0 ? candidates.at(place, answer) : undefined;
      if (candidate !== undefined) sums[candidate]! += points * votes;
    });
  }
  return sums;
}

/** The points that a ballot gives, by place. */
function given(marks: Marks): number[] {
  if ("plurality" in marks) {
    const one: number[] = [];
    if (marks.plurality !== null) one[marks.plurality] = 1;
    return one;
  }
  if ("approval" in marks) return marks.approval.map(Number);
  if ("score" in marks) return marks.score.map((score) => score ?? 0);
  throw new Malformed("an answer is of another form than its contest");
}

/** Candidates in the order in which somebody prefers them, and how many do. Those of one group are liked equally. */
export interface Ranking {
  groups: number[][];
  votes: number;
}

/** Each ranking once: there are fewer of them than ballots. */
export function rankings(ballots: Ballot[], candidates: Candidates): Ranking[] {
  const found = new Map<string, Ranking>();
  for (const { answer, votes } of ballots) {
    const groups = groupsOf(answer, candidates);
    const key = JSON.stringify(groups);
    const same = found.get(key);
    if (same) same.votes += votes;
    else found.set(key, { groups, votes });
  }
  return [...found.values()];
}

function groupsOf(answer: Answer, candidates: Candidates): number[][] {
  if (!("ranked" in answer.marks)) throw new Malformed("an answer is of another form than its contest");
  const groups: number[][] = [];
  answer.marks.ranked.forEach((rank, place) => {
    const candidate = rank === null ? undefined : candidates.at(place, answer);
    if (rank !== null && candidate !== undefined) (groups[rank] ??= []).push(candidate);
  });
  // Nobody is left at a rank that only a name had which is left out.
  return groups.filter((group) => group !== undefined);
}

/** An order without equal ranks. */
export interface Order {
  order: number[];
  votes: number;
}

export function orders(all: Ranking[]): Order[] {
  return all.map(({ groups, votes }) => {
    if (groups.some((group) => group.length > 1)) throw new Malformed("ballots share ranks, which the rule does not know");
    return { order: groups.flat(), votes };
  });
}
