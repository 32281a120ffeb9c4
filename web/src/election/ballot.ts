// A ballot from answers to a submission.

import { toBase64, toHex } from "../bytes.ts";
import { type Secrets, cast, encodeBallot } from "../mixnet/ballot.ts";
import { type Answer, embed } from "../mixnet/contest.ts";
import { ask } from "../page/api.ts";
import { type Statement, encodeStatement, listOf, sign, trackerOf } from "./bindings.ts";
import { type Defined, keyOf, weightsOf } from "./defined.ts";
import { contestOf } from "./model.ts";
import type { Receipt } from "./receipt.ts";
import type { Right } from "./right.ts";

/** Encrypted, neither signed nor cast yet. Its tracker is fixed. */
export interface Sealed {
  electionId: string;
  statement: Statement;
  tracker: string;
  secrets: Secrets[];
}

/** Encrypts the answers, one for each contest in order, by what the board says and nothing else. */
export function seal({ manifest, electionHash }: Defined, right: Right, sequence: number, answers: Answer[]): Sealed {
  const { electionId, contests } = manifest;
  const [key, weights] = [keyOf(manifest), weightsOf(manifest)];
  const { voterKey, token, weight } = right;
  const each = contests.map((body, at) => {
    const contest = listOf(weights, weight, contests.length, at);
    return cast({ election: electionHash, contest, key }, { voter: voterKey, token }, embed(contestOf(body), answers[at]!));
  });
  const ballots = each.map(({ ballot }) => encodeBallot(ballot));
  const statement = { electionHash, voterKey, token, weight, sequence, ballots };
  const tracker = toHex(trackerOf(statement));
  return { electionId, statement, tracker, secrets: each.map(({ secrets }) => secrets) };
}

/** Signs a ballot and casts it, without a word about who does. */
export async function submit({ electionId, statement }: Sealed, { secretKey }: Right): Promise<Receipt> {
  const voterKey = toHex(statement.voterKey);
  const signature = sign(encodeStatement(statement), secretKey);
  return ask<Receipt>("/api/v1/voting/submit", {
    method: "POST",
    anonymous: true,
    headers: { "x-voter-key": voterKey },
    body: {
      electionId,
      weight: statement.weight,
      sequence: statement.sequence,
      voterKey,
      token: toHex(statement.token),
      ballots: statement.ballots.map(toBase64),
      signature: toHex(signature),
    },
  });
}
