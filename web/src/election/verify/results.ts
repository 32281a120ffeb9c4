// The count, once more: what the answers of each contest add up to, and whether the server published just that.

import { Malformed } from "../../bytes.ts";
import type { Votes } from "../count/candidates.ts";
import { lotsSeed } from "../count/lots-seed.ts";
import { type ContestResult, asJson, countContest } from "../count/result.ts";
import type { Answers } from "./answers.ts";
import type { Blobs } from "./blobs.ts";
import type { Decided } from "./decided.ts";
import type { Body } from "./event.ts";
import { pause } from "./found.ts";

/** Counts every contest, and refuses results that say anything else. */
export async function checkResults(
  blobs: Blobs,
  decided: Decided,
  lists: Answers[],
  counted: Body<"election/counted">,
): Promise<ContestResult[]> {
  const seed = lotsSeed(decided.electionHash, lists);
  const results: ContestResult[] = [];
  for (const [number, contest] of decided.manifest.contests.entries()) {
    results.push(countContest(contest, number, votesOf(decided, lists, number), seed));
    await pause();
  }
  const own = results.map(asJson);
  const published = textOf(await blobs.of(counted.results));
  if (published !== `[${own.join(",")}]`) throw new Malformed(difference(own, published, results));
  return results;
}

/** In the order of the weights. */
function votesOf({ weights }: Decided, lists: Answers[], contest: number): Votes[] {
  return weights.flatMap((weight) => lists.filter((list) => list.weight === weight && list.contest === contest));
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Malformed("the results cannot be read");
  }
}

/** What is wrong with results that are not the right ones, as far as it can be told. */
function difference(own: string[], published: string, results: ContestResult[]): string {
  let said: unknown;
  try {
    said = JSON.parse(published);
  } catch {
    return "the results cannot be read";
  }
  if (!Array.isArray(said) || said.length !== own.length) return "results are published of other contests than there are";
  // Both are read the same way, whatever that makes of their numbers.
  const other = own.findIndex((text, at) => JSON.stringify(JSON.parse(text)) !== JSON.stringify((said as unknown[])[at]));
  if (other < 0) return "the results are not written as they must be";
  return `the result of “${results[other]!.contestId}” is not what its answers add up to`;
}
