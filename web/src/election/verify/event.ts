// The entries of a board, taken apart: which kinds there are, and what each says. See docs/elections-specification.md,
// section 14.

import type { Entry } from "../../board/entry.ts";
import { Malformed } from "../../bytes.ts";
import { type Of, among, base64, either, hex, list, members, nothing, truth, u16, u32, u64, u8, uuid, word } from "./shape.ts";

const listBlob = members({ list: u32, blob: hex(32) });

const eachMay = list(either(u8, nothing));
const marks = either(
  either(members({ plurality: either(u8, nothing) }), members({ approval: list(truth) })),
  either(members({ score: eachMay }), members({ ranked: eachMay })),
);
const answer = either(members({ marks }), members({ marks, "write-in": word }));

const SHAPES = {
  "election/ceremony": members({ election: uuid, attempt: u16, threshold: u16, trustees: list(word) }),
  "election/said": members({
    attempt: u16,
    trustee: u16,
    step: among("transport-key", "sealed-opening", "opening", "dealing", "approval", "complaint"),
    bytes: base64,
  }),
  "election/void": members({ attempt: u16, faults: list(members({ trustee: u16, offence: word })) }),
  "election/defined": members({ manifest: word }),
  "election/opened": members({}),
  "election/ballot": members({
    voter: hex(32),
    token: hex(64),
    weight: u32,
    sequence: u32,
    ballots: list(base64),
    signature: hex(64),
  }),
  "election/open-ballot": members({ voter: hex(32), weight: u32, salt: hex(16), answers: list(answer) }),
  "election/verdicts": members({
    from: u64,
    to: u64,
    votes: u32,
    refused: list(members({ index: u64, reason: among("malformed", "signature", "token", "proof") })),
  }),
  "election/closed": members({ issued: list(members({ weight: u32, voters: u64, issued: u64 })) }),
  "election/mixed": members({ list: u32, mixer: u16, rows: u32, output: hex(32), proof: hex(32) }),
  "election/redeemed": members({ weight: u32, tokens: u32, multiples: hex(32), proofs: list(hex(64)) }),
  "election/refused-tokens": members({ weight: u32, first: u32, tokens: u32, multiples: hex(32), proof: hex(64) }),
  "election/decrypting": members({ lists: list(members({ list: u32, rows: u32, blob: hex(32) })) }),
  "election/decrypted": members({ trustee: u16, partials: list(listBlob) }),
  "election/lied": members({ trustee: u16, partial: listBlob, offence: word }),
  "election/counted": members({
    decryptedBy: list(u16),
    lied: list(u16),
    absent: list(u16),
    answers: list(listBlob),
    results: hex(32),
  }),
  "election/published": members({}),
  "election/abandoned": members({}),
};

export type Command = keyof typeof SHAPES;
export type Body<C extends Command> = Of<(typeof SHAPES)[C]>;
/** One entry: which kind it is says what its body holds. */
export type Event = { [C in Command]: { index: number; at: number; command: C; body: Body<C> } }[Command];

/** Reads an entry. Another kind, other members, or the same said in another way are refused. */
export function readEvent({ index, at, command, body }: Entry): Event {
  if (!Object.hasOwn(SHAPES, command)) throw new Malformed(`there is no entry of the kind “${command}” on a board`);
  const { text, said } = parsed(body);
  // Written again it is the same text, so no member stands there twice and no number was rounded.
  if (!SHAPES[command as Command](said) || JSON.stringify(said) !== text) {
    throw new Malformed(`its body is not that of “${command}”`);
  }
  return { index, at, command, body: said } as Event;
}

function parsed(body: Uint8Array): { text: string; said: unknown } {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
    return { text, said: JSON.parse(text) };
  } catch {
    throw new Malformed("its body is no JSON");
  }
}
