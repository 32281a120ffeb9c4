// Checking a booth: a locked ballot is opened instead of cast, and another device tells what is in it.

import { Malformed, fromBase64, fromHex, toBase64, toHex } from "../bytes.ts";
import { decodeBallot, holds, open } from "../mixnet/ballot.ts";
import { type Answer, extract } from "../mixnet/contest.ts";
import { decodeElement, decodeScalar, encodeScalar } from "../mixnet/group.ts";
import { listOf, trackerOf } from "./bindings.ts";
import type { Sealed } from "./ballot.ts";
import { type Election, contestOf } from "./model.ts";

/** What the booth shows of a ballot that will not be cast. */
export interface Opened {
  electionId: string;
  weight: number;
  voterKey: string;
  token: string;
  ballots: string[];
  secrets: string[][];
}

export function opened(sealed: Sealed): Opened {
  return {
    electionId: sealed.electionId,
    weight: sealed.statement.weight,
    voterKey: toHex(sealed.statement.voterKey),
    // Without the key that signs, a token is of no use; and without a signature, nobody can cast this ballot.
    token: toHex(sealed.statement.token),
    ballots: sealed.statement.ballots.map(toBase64),
    secrets: sealed.secrets.map((secrets) => secrets.map((secret) => toHex(encodeScalar(secret)))),
  };
}

/** The tracker and the answers of an opened ballot, if everything about it is as it should be. */
export function checked(election: Election, said: Opened): { tracker: string; answers: Answer[] } {
  if (said.electionId !== election.electionId) throw new Malformed("this ballot is of another election");
  if (!election.electionHash || !election.key) throw new Malformed("this election has no key yet");
  const electionHash = fromHex(election.electionHash);
  const key = decodeElement(fromHex(election.key));
  const [voterKey, token] = [fromHex(said.voterKey), fromHex(said.token)];
  const ballots = said.ballots.map(fromBase64);
  if (ballots.length !== election.contests.length) throw new Malformed("another number of contests");
  const statement = { electionHash, voterKey, token, weight: said.weight, ballots };
  const weights = election.issuers?.map(({ weight }) => weight) ?? [];
  const answers = ballots.map((bytes, at) => {
    const ballot = decodeBallot(bytes);
    const contest = listOf(weights, said.weight, ballots.length, at);
    if (!holds({ election: electionHash, contest, key }, { voter: voterKey, token }, ballot)) {
      throw new Malformed("the ballot's proof does not hold");
    }
    const secrets = (said.secrets[at] ?? []).map((secret) => decodeScalar(fromHex(secret)));
    return extract(contestOf(election.contests[at]!), open(key, ballot.row, secrets));
  });
  return { tracker: toHex(trackerOf(statement)), answers };
}
