// Whether what the server says to somebody of an election is what its public board says to everybody.

import { Malformed, toHex } from "../bytes.ts";
import { type Defined, keyOf } from "./defined.ts";
import type { Election } from "./model.ts";

/** The server says something else than the board. Whoever finds that should tell: it is a proof of what it did. */
export class OtherDefinition extends Malformed {
  /** What is different, in words. */
  readonly differences: string[];
  /** The hash that the server says. */
  readonly shown: string;
  /** That of the definition on the board. */
  readonly published: string;

  constructor(differences: string[], shown: string, published: string) {
    super(`the server shows you something else than the public board: ${differences.join(", ")}`);
    [this.differences, this.shown, this.published] = [differences, shown, published];
  }
}

/** Refuses an answer of the server that is not what the board says. */
export function checkAgrees(shown: Election, { manifest, electionHash, board }: Defined): void {
  const published = toHex(electionHash);
  const key = manifest.secret ? toHex(keyOf(manifest).toBytes()) : null;
  const compared: [string, unknown, unknown][] = [
    ["the hash of the definition", shown.electionHash, published],
    ["whether votes are secret", shown.secret, manifest.secret],
    ["the title or description", [shown.title, shown.description], [manifest.title, manifest.description]],
    ["when voting begins and ends", [shown.opensAt, shown.closesAt], [manifest.opensAt, manifest.closesAt]],
    ["the questions and options", shown.contests.map(questionOf), manifest.contests.map(questionOf)],
    ["the key that ballots are encrypted with", [shown.key, shown.keys], [key, manifest.keys]],
    ["the keys that voting keys are given out with", shown.issuers, manifest.issuers],
    ["the trustees", shown.trustees, manifest.trustees],
    ["the keys that sign the board", [shown.board?.origin, shown.board?.keys], [board.origin, board.keys]],
  ];
  const differences = compared.filter(([, one, other]) => asText(one) !== asText(other)).map(([what]) => what);
  if (differences.length > 0) throw new OtherDefinition(differences, shown.electionHash ?? "none", published);
}

/** A question without what the server adds to it. */
function questionOf({ contestId, title, form, count, seats, writeInBytesMax, options }: Election["contests"][number]): object {
  return { contestId, title, form, count, seats, writeInBytesMax, options };
}

/** The same text for the same value, in whatever order its members stand. What is absent is null. */
function asText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(asText).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value ?? null);
  const sorted = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${sorted.map(([name, each]) => `${JSON.stringify(name)}:${asText(each)}`).join()}}`;
}
