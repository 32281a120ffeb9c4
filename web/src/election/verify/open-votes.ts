// A vote in an election that is declared not to be secret: its answers, for all to read.

import { fromHex, text, toHex } from "../../bytes.ts";
import { type Answer, NoAnswer, check } from "../../mixnet/contest.ts";
import { trackerOfCast } from "../bindings.ts";
import { type ContestBody, contestOf } from "../model.ts";
import type { OpenlyDecided } from "./decided.ts";
import type { Body } from "./event.ts";
import type { Kind } from "./votes.ts";

export interface OpenVote extends Body<"election/open-ballot"> {
  index: number;
}

export function openVotes(decided: OpenlyDecided): Kind<OpenVote> {
  return {
    // Every entry is written in one way alone, so this is its body.
    trackerOf: ({ index: _, ...body }) => toHex(trackerOfCast(fromHex(body.voter), text(JSON.stringify(body)))),
    faultOf: (vote) => faultOf(decided, vote),
    tokens: false,
  };
}

function faultOf({ manifest: { contests }, weights }: OpenlyDecided, { weight, answers }: OpenVote): string | undefined {
  if (!weights.includes(weight)) return "it is of no weight of this election";
  const allowed = answers.length === contests.length && contests.every((contest, at) => isAllowed(contest, answers[at]!));
  return allowed ? undefined : "it is no answer to each contest";
}

function isAllowed(contest: ContestBody, answer: Answer): boolean {
  try {
    check(contestOf(contest), answer);
    return true;
  } catch (error) {
    if (error instanceof NoAnswer) return false;
    throw error;
  }
}
