// The manifest: what was decided before the first vote, and whether there can be such an election. See
// docs/elections-specification.md, section 13.

import { Malformed } from "../../bytes.ts";
import { electionHashOf } from "../bindings.ts";
import { checkDefinition } from "./definition.ts";
import { type Of, among, either, hex, list, members, named, nothing, truth, u16, u32, u8, upTo, word } from "./shape.ts";

const PROTOCOL = "holdfast election 1";

const texts = named(word);
const kind = <K extends string>(name: K) => among(name);

const form = either(
  either(members({ kind: kind("plurality") }), members({ kind: kind("approval"), approvalsMax: u8 })),
  either(
    members({ kind: kind("score"), scoreMax: u8 }),
    members({ kind: kind("ranked"), ranksMax: u8, sharedRanks: truth }),
  ),
);

const contest = members({
  contestId: word,
  title: texts,
  form,
  count: among("most", "instant-runoff", "stv-scottish", "stv-meek", "schulze"),
  seats: u16,
  writeInBytesMax: u8,
  options: list(members({ optionId: word, title: texts })),
});

const SHARED = {
  protocol: word,
  electionId: word,
  title: texts,
  description: texts,
  opensAt: either(word, nothing),
  closesAt: either(word, nothing),
  mixers: upTo(0xff),
  contests: list(contest),
};

const secret = members({
  ...SHARED,
  secret: truth,
  trustees: members({ threshold: u16, names: list(word) }),
  attempt: u16,
  keys: word,
  issuers: list(members({ weight: u32, key: hex(32) })),
});

/** The manifest of an election with secret votes. */
export type Manifest = Of<typeof secret>;

/** Reads a manifest's exact text, and what its hash is. */
export function readManifest(text: string): { manifest: Manifest; electionHash: Uint8Array } {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    throw new Malformed("the manifest cannot be read");
  }
  if ((said as { protocol?: unknown } | null)?.protocol !== PROTOCOL) throw new Malformed("the manifest is of another protocol");
  if ((said as { secret?: unknown }).secret === false) {
    throw new Malformed("the votes of this election are not secret: holdfast verify-election checks it, this page does not");
  }
  if (!secret(said)) throw new Malformed("the manifest is not that of an election with secret votes");
  checkDefinition(said);
  return { manifest: said, electionHash: electionHashOf(text) };
}
