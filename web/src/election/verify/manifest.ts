// The manifest: what was decided before the first vote, and whether there can be such an election. See
// docs/elections-specification.md, section 13.

import { Malformed } from "../../bytes.ts";
import { electionHashOf } from "../bindings.ts";
import { checkDefinition } from "./definition.ts";
import { type Of, among, either, hex, list, members, named, no, nothing, truth, u16, u32, u8, uuid, word, yes } from "./shape.ts";

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

const BEGINNING = {
  protocol: word,
  electionId: uuid,
  title: texts,
  description: texts,
  opensAt: either(word, nothing),
  closesAt: either(word, nothing),
};

const secret = members({
  ...BEGINNING,
  secret: yes,
  mixers: u8,
  contests: list(contest),
  trustees: members({ threshold: u16, names: list(word) }),
  attempt: u16,
  keys: word,
  issuers: list(members({ weight: u32, key: hex(32) })),
});

const open = members({
  ...BEGINNING,
  secret: no,
  mixers: u8,
  contests: list(contest),
  trustees: nothing,
  attempt: nothing,
  keys: nothing,
  issuers: list(members({ weight: u32, key: nothing })),
});

/** The manifest of an election with secret votes. */
export type SecretManifest = Of<typeof secret>;
/** That of one whose votes are declared not to be. */
export type OpenManifest = Of<typeof open>;
export type Manifest = SecretManifest | OpenManifest;

/** Reads a manifest's exact text, and what its hash is. */
export function readManifest(text: string): { manifest: Manifest; electionHash: Uint8Array } {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    throw new Malformed("the manifest cannot be read");
  }
  if ((said as { protocol?: unknown } | null)?.protocol !== PROTOCOL) throw new Malformed("the manifest is of another protocol");
  const manifest = shaped(said);
  // Written again it is the same text, so no member stands there twice and everybody reads the same.
  if (JSON.stringify(manifest) !== text) throw new Malformed("the manifest is not written as it must be");
  checkDefinition(manifest);
  return { manifest, electionHash: electionHashOf(text) };
}

function shaped(said: unknown): Manifest {
  if (secret(said) || open(said)) return said;
  const secretly = (said as { secret?: unknown }).secret !== false;
  throw new Malformed(`the manifest is not that of an election with votes that are ${secretly ? "secret" : "not secret"}`);
}
