// What the ballots say: what the trustees' parts give, and whether the server published just that.

import { Malformed } from "../../bytes.ts";
import { type Answer, NoAnswer, extract } from "../../mixnet/contest.ts";
import { combine } from "../../mixnet/decryption.ts";
import { listOf } from "../bindings.ts";
import { type ContestBody, contestOf } from "../model.ts";
import type { Blobs } from "./blobs.ts";
import type { OpenlyDecided, SecretlyDecided } from "./decided.ts";
import type { Body } from "./event.ts";
import type { List } from "./mixes.ts";
import type { OpenVote } from "./open-votes.ts";
import type { Parts } from "./parts.ts";

/** The answers of one list; nothing for what says nothing that is allowed. */
export interface Answers {
  list: number;
  contest: number;
  weight: number;
  answers: (Answer | null)[];
}

/** What comes out of the parts that a count used. */
export function decryptedAnswers(decided: SecretlyDecided, lists: List[], parts: Parts, counted: Body<"election/counted">): Answers[] {
  parts.checkNamed(counted);
  return lists.map(({ number, contest, weight, rows }) => {
    const question = decided.manifest.contests[contest]!;
    const messages = combine(decided.keys, rows, parts.used(number, counted.decryptedBy));
    return { list: number, contest, weight, answers: messages.map((message) => answerOf(question, message)) };
  });
}

/** What votes say that are not secret. Lists without votes are left out. */
export function openAnswers({ manifest: { contests }, weights }: OpenlyDecided, votes: OpenVote[]): Answers[] {
  return weights.flatMap((weight) => {
    const own = votes.filter((vote) => vote.weight === weight);
    if (own.length === 0) return [];
    return contests.map((_, contest) => {
      const answers = own.map((vote) => vote.answers[contest]!);
      return { list: listOf(weights, weight, contests.length, contest), contest, weight, answers };
    });
  });
}

/** Whatever is not written exactly as an answer is no vote. */
function answerOf(body: ContestBody, message: Parameters<typeof extract>[1]): Answer | null {
  try {
    return extract(contestOf(body), message);
  } catch (error) {
    if (error instanceof NoAnswer) return null;
    throw error;
  }
}

/** Refuses a count that published other answers than these. Their order says nothing. */
export async function checkPublished(blobs: Blobs, lists: Answers[], counted: Body<"election/counted">): Promise<void> {
  const published = new Map(counted.answers.map(({ list, blob }) => [list, blob]));
  if (published.size !== counted.answers.length || published.size !== lists.length) {
    throw new Malformed("answers are published of other lists than there are");
  }
  for (const { list, answers } of lists) {
    const blob = published.get(list);
    if (blob === undefined) throw new Malformed("answers are published of other lists than there are");
    const [own, shown] = [sorted(answers), sorted(readAnswers(await blobs.of(blob)))];
    if (own.length !== shown.length || own.some((answer, at) => answer !== shown[at])) {
      throw new Malformed(`the answers of list ${list} are not what was decrypted`);
    }
  }
}

/** There is one way to write them, so that nobody reads more or other than this out of them. */
function readAnswers(json: Uint8Array): unknown[] {
  let text: string;
  let said: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json);
    said = JSON.parse(text);
  } catch {
    throw new Malformed("published answers cannot be read");
  }
  if (!Array.isArray(said)) throw new Malformed("published answers cannot be read");
  if (JSON.stringify(said) !== text) throw new Malformed("published answers are not written as they must be");
  return said;
}

function sorted(answers: unknown[]): string[] {
  return answers.map((answer) => JSON.stringify(answer)).sort();
}
