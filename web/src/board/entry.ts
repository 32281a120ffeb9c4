// What a leaf of a board says. See docs/elections-specification.md.

import { Malformed, Reader, equal, text } from "../bytes.ts";

export interface Entry {
  index: number;
  /** Milliseconds since 1970; boards cut them to the minute. */
  at: number;
  command: string;
  actor: string;
  body: Uint8Array;
}

const HEAD = text("holdfast/entry/v1\n");

export function readEntry(leaf: Uint8Array): Entry {
  const reader = new Reader(leaf);
  if (!equal(reader.bytes(Math.min(HEAD.length, reader.left)), HEAD)) throw new Malformed("not an entry");
  const index = reader.number(8);
  const at = reader.number(8);
  const part = () => reader.bytes(reader.number(4));
  const word = () => new TextDecoder("utf-8", { fatal: true }).decode(part());
  const [command, actor] = [word(), word()];
  part(); // the subject: a board's entries have none
  part(); // the salt
  const body = part();
  part(); // the effect
  reader.end();
  return { index, at, command, actor, body };
}
