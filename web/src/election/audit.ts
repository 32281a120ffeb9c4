// Checking a booth: a locked ballot is opened instead of cast, and another device tells what is in it.

import { Malformed, fromBase64, fromHex, toBase64, toHex } from "../bytes.ts";
import { decodeBallot, holds, open } from "../mixnet/ballot.ts";
import { type Answer, extract } from "../mixnet/contest.ts";
import { decodeScalar, encodeScalar } from "../mixnet/group.ts";
import { listOf, trackerOf } from "./bindings.ts";
import type { Sealed } from "./ballot.ts";
import { type Defined, keyOf, weightsOf } from "./defined.ts";
import { contestOf } from "./model.ts";
import { u32 } from "./verify/shape.ts";

/** What the booth shows of a ballot that will not be cast. */
export interface Opened {
  electionId: string;
  /** Of the definition that the booth went by. */
  electionHash: string;
  weight: number;
  sequence: number;
  voterKey: string;
  token: string;
  ballots: string[];
  secrets: string[][];
}

export function opened(sealed: Sealed): Opened {
  return {
    electionId: sealed.electionId,
    electionHash: toHex(sealed.statement.electionHash),
    weight: sealed.statement.weight,
    sequence: sealed.statement.sequence!,
    voterKey: toHex(sealed.statement.voterKey),
    // Without the key that signs, a token is of no use; and without a signature, nobody can cast this ballot.
    token: toHex(sealed.statement.token),
    ballots: sealed.statement.ballots.map(toBase64),
    secrets: sealed.secrets.map((secrets) => secrets.map((secret) => toHex(encodeScalar(secret)))),
  };
}

/** The tracker and the answers of an opened ballot, if everything about it is as it should be. */
export function checked({ manifest, electionHash }: Defined, said: Opened): { tracker: string; answers: Answer[] } {
  const { electionId, contests } = manifest;
  if (said.electionId !== electionId) throw new Malformed("this ballot is of another election");
  if (said.electionHash !== toHex(electionHash)) {
    throw new Malformed("the booth went by another definition than the one on the public board. Tell the election’s officers and observers");
  }
  const [key, weights] = [keyOf(manifest), weightsOf(manifest)];
  if (!weights.includes(said.weight)) throw new Malformed("this ballot is of no weight of this election");
  if (!u32(said.sequence)) throw new Malformed("this is not an opened ballot");
  const [voterKey, token] = [fromHex(said.voterKey), fromHex(said.token)];
  const ballots = said.ballots.map(fromBase64);
  if (ballots.length !== contests.length) throw new Malformed("another number of contests");
  const statement = { electionHash, voterKey, token, weight: said.weight, sequence: said.sequence, ballots };
  const answers = ballots.map((bytes, at) => {
    const ballot = decodeBallot(bytes);
    const contest = listOf(weights, said.weight, ballots.length, at);
    if (!holds({ election: electionHash, contest, key }, { voter: voterKey, token }, ballot)) {
      throw new Malformed("the ballot's proof does not hold");
    }
    const secrets = (said.secrets[at] ?? []).map((secret) => decodeScalar(fromHex(secret)));
    return extract(contestOf(contests[at]!), open(key, ballot.row, secrets));
  });
  return { tracker: toHex(trackerOf(statement)), answers };
}
