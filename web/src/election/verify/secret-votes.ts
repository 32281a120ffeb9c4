// A secret vote: signed by its voter’s key, and each ballot in it with a proof.

import { Malformed, fromBase64, fromHex, toHex } from "../../bytes.ts";
import { decodeBallot, holds } from "../../mixnet/ballot.ts";
import { width } from "../../mixnet/contest.ts";
import { isSigned } from "../../signature.ts";
import { type Statement, encodeStatement, listOf, trackerOf } from "../bindings.ts";
import { contestOf } from "../model.ts";
import type { SecretlyDecided } from "./decided.ts";
import type { Body } from "./event.ts";
import type { Kind } from "./votes.ts";

export interface SecretVote extends Body<"election/ballot"> {
  index: number;
}

export function secretVotes(decided: SecretlyDecided): Kind<SecretVote> {
  return {
    trackerOf: (vote) => toHex(trackerOf(statementOf(decided, vote))),
    faultOf: (vote) => faultOf(decided, vote),
    tokens: true,
  };
}

function statementOf({ electionHash }: SecretlyDecided, { voter, token, weight, sequence, ballots }: SecretVote): Statement {
  return { electionHash, voterKey: fromHex(voter), token: fromHex(token), weight, sequence, ballots: ballots.map(fromBase64) };
}

function faultOf(decided: SecretlyDecided, vote: SecretVote): string | undefined {
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

function isProven(decided: SecretlyDecided, statement: Statement, bytes: Uint8Array, contest: number): boolean {
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
