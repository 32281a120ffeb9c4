// What lots are drawn by: all that was voted. Nobody knows it before the last vote is opened, and nobody who cannot change a
// vote can change it.

import { sha256 } from "@noble/hashes/sha2.js";
import { concat, text, u32, u64 } from "../../bytes.ts";
import type { Answer } from "../../mixnet/contest.ts";

/** The answers of a list; nothing for what says nothing that is allowed. */
interface Said {
  list: number;
  answers: (Answer | null)[];
}

export function lotsSeed(electionHash: Uint8Array, lists: Said[]): Uint8Array {
  const ascending = [...lists].sort((one, other) => one.list - other.list);
  const parts = ascending.flatMap(({ list, answers }) => {
    const texts = answers.map((answer) => text(written(answer))).sort(byBytes);
    return [u32(list), u64(texts.length), ...texts.flatMap((each) => [u64(each.length), each])];
  });
  return sha256(concat(text("holdfast/lots-seed/v1\n"), electionHash, ...parts));
}

/** The one JSON of an answer, in whatever order its members came. */
function written(answer: Answer | null): string {
  return JSON.stringify(answer && { marks: answer.marks, "write-in": answer["write-in"] });
}

/** Of two of which one begins with the other, the shorter comes first. */
export function byBytes(one: Uint8Array, other: Uint8Array): number {
  const at = one.findIndex((byte, place) => byte !== other[place]);
  if (at < 0) return one.length - other.length;
  return at < other.length ? one[at]! - other[at]! : 1;
}
