// What a leaf of a board says. See docs/elections-specification.md.

import { Malformed, Reader, equal, text } from "../bytes.ts";
import { leafHash } from "./tree.ts";

export interface Entry {
  index: number;
  /** Milliseconds since 1970; boards cut them to the minute. */
  at: number;
  command: string;
  actor: string;
  subject: Uint8Array;
  body: Uint8Array;
  /** Of all of it, as it stands in the tree. */
  hash: Uint8Array;
}

const SALT_BYTES = 16;
const EFFECT_BYTES = 32;

const HEAD = text("holdfast/entry/v1\n");

export function readEntry(leaf: Uint8Array): Entry {
  const reader = new Reader(leaf);
  if (!equal(reader.bytes(Math.min(HEAD.length, reader.left)), HEAD)) throw new Malformed("not an entry");
  const index = reader.number(8);
  const at = reader.number(8);
  const part = () => reader.bytes(reader.number(4));
  const word = () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(part());
  const [command, actor] = [word(), word()];
  const [subject, salt, body, effect] = [part(), part(), part(), part()];
  reader.end();
  if (salt.length !== SALT_BYTES || effect.length !== EFFECT_BYTES) throw new Malformed("not an entry");
  return { index, at, command, actor, subject, body, hash: leafHash(leaf) };
}
