// The result of one contest, as its answers give it, and the exact text that says it. See
// docs/elections-specification.md, section 16.

import type { ContestBody } from "../model.ts";
import { type Box, empty, orders, points, rankings } from "./ballots.ts";
import { type Candidate, Candidates, type Votes } from "./candidates.ts";
import { type InstantRunoff, countInstantRunoff } from "./instant-runoff.ts";
import { Lots } from "./lots.ts";
import { type Most, countMost } from "./most.ts";
import { type Schulze, countSchulze } from "./schulze.ts";
import { type Meek, countMeek } from "./stv-meek.ts";
import { type Scottish, countScottish } from "./stv-scottish.ts";

export type Log =
  | { most: Most }
  | { "instant-runoff": InstantRunoff }
  | { "stv-scottish": Scottish }
  | { "stv-meek": Meek }
  | { schulze: Schulze };

/** The members stand in the order in which they are written. */
export interface ContestResult {
  contestId: string;
  ballots: number;
  blank: number;
  invalid: number;
  count: ContestBody["count"];
  seats: number;
  candidates: Candidate[];
  /** By their places among the candidates. */
  elected: number[];
  log: Log;
}

/** Counts. `number` is the contest's place, `seed` what lots are drawn by. */
export function countContest(contest: ContestBody, number: number, votes: Votes[], seed: Uint8Array): ContestResult {
  const { contestId, count, seats } = contest;
  const candidates = new Candidates(contest, votes);
  const { valid, ...box } = empty(votes);
  const lots = new Lots(candidates.all.length, number, seed);
  const log = logOf(contest, candidates, valid, lots);
  // Nobody is elected where nobody marked anything.
  const elected = box.ballots > box.blank + box.invalid ? electedBy(log) : [];
  return { contestId, ...box, count, seats, candidates: candidates.all, elected, log };
}

function logOf({ count, seats }: ContestBody, candidates: Candidates, valid: Box["valid"], lots: Lots): Log {
  const size = candidates.all.length;
  if (count === "most") return { most: countMost(points(valid, candidates), seats, lots) };
  const ranked = rankings(valid, candidates);
  switch (count) {
    case "instant-runoff":
      return { "instant-runoff": countInstantRunoff(size, orders(ranked), lots) };
    case "stv-scottish":
      return { "stv-scottish": countScottish(size, orders(ranked), seats, lots) };
    case "stv-meek":
      return { "stv-meek": countMeek(size, orders(ranked), seats, lots) };
    case "schulze":
      return { schulze: countSchulze(size, ranked, lots) };
  }
}

function electedBy(log: Log): number[] {
  if ("most" in log) return log.most.elected;
  if ("instant-runoff" in log) return [log["instant-runoff"].elected];
  if ("stv-scottish" in log) return log["stv-scottish"].elected;
  if ("stv-meek" in log) return log["stv-meek"].elected;
  return log.schulze.order.slice(0, 1);
}

/** Whether lots decided something on the way. */
export function drewLots(log: Log): boolean {
  if ("most" in log) return log.most.tied.length > 0;
  if ("instant-runoff" in log) return log["instant-runoff"].rounds.some((round) => round["by-lot"]);
  if ("stv-scottish" in log) return log["stv-scottish"].stages.some((stage) => stage["by-lot"]);
  if ("stv-meek" in log) return log["stv-meek"].rounds.some(({ step }) => "defeated" in step && step.defeated["by-lot"]);
  return log.schulze.unbeaten.length > 1;
}

/** JSON without spaces. Units are more than a number holds, so they are written digit by digit. */
export function asJson(value: unknown): string {
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return `[${value.map(asJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}:${asJson(member)}`).join(",")}}`;
}
