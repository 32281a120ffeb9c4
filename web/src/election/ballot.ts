// A ballot from answers to a submission.

import { fromHex, toBase64, toHex } from "../bytes.ts";
import { type Secrets, cast, encodeBallot } from "../mixnet/ballot.ts";
import { type Answer, embed } from "../mixnet/contest.ts";
import { decodeElement } from "../mixnet/group.ts";
import { ask } from "../page/api.ts";
import { type Statement, encodeStatement, listOf, sign, trackerOf } from "./bindings.ts";
import { type Election, contestOf } from "./model.ts";
import type { Right } from "./right.ts";

/** Encrypted, neither signed nor cast yet. Its tracker is fixed. */
export interface Sealed {
  electionId: string;
  statement: Statement;
  tracker: string;
  secrets: Secrets[];
}

/** Encrypts the answers, one for each contest in order. */
export function seal(election: Election, right: Right, answers: Answer[]): Sealed {
  const electionHash = fromHex(election.electionHash!);
  const key = decodeElement(fromHex(election.key!));
  const weights = election.issuers!.map(({ weight }) => weight);
  const caster = { voter: right.voterKey, token: right.token };
  const each = election.contests.map((body, at) => {
    const contest = listOf(weights, right.weight, election.contests.length, at);
    return cast({ election: electionHash, contest, key }, caster, embed(contestOf(body), answers[at]!));
  });
  const ballots = each.map(({ ballot }) => encodeBallot(ballot));
  const statement = { electionHash, voterKey: right.voterKey, token: right.token, weight: right.weight, ballots };
  const tracker = toHex(trackerOf(statement));
  return { electionId: election.electionId, statement, tracker, secrets: each.map(({ secrets }) => secrets) };
}

export interface Receipt {
  tracker: string;
  status: string;
  index: number;
  leafHash: string;
  receivedAt: string;
}

/** Signs a ballot and casts it, without a word about who does. */
export async function submit({ electionId, statement, tracker }: Sealed, { secretKey }: Right): Promise<Receipt> {
  const voterKey = toHex(statement.voterKey);
  const signature = sign(encodeStatement(statement), secretKey);
  const receipt = await ask<Receipt>("/api/v1/voting/submit", {
    method: "POST",
    anonymous: true,
    headers: { "x-voter-key": voterKey },
    body: {
      electionId,
      weight: statement.weight,
      voterKey,
      token: toHex(statement.token),
      ballots: statement.ballots.map(toBase64),
      signature: toHex(signature),
    },
  });
  if (receipt.tracker !== tracker) throw new Error("The server recorded another ballot than the one that was sent");
  return receipt;
}
