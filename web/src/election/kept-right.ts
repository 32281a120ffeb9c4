// Where a right to vote is kept: on this device, each person's apart, because several may share a browser. And in files
// that they save.

import { Malformed } from "../bytes.ts";
import { type Shape, hex, u32, word } from "./verify/shape.ts";

/** Whose right it is, and to vote in what. */
export interface Holder {
  electionId: string;
  personId: string;
}

/** As it is kept, and as it is written to a file. */
export interface Kept {
  electionId: string;
  secretKey: string;
  blind: string;
  blinded: string;
  /** When this device made the key. */
  madeAt: string;
  token?: string;
  weight?: number;
  /** The last sequence that a ballot of this key had. */
  sequence?: number;
}

const MINUTE_MS = 60_000;

const name = ({ electionId, personId }: Holder) => `right/${electionId}/${personId}`;

export function kept(holder: Holder): Kept | null {
  const text = localStorage.getItem(name(holder));
  return text === null ? null : (JSON.parse(text) as Kept);
}

export function keep(holder: Holder, right: Kept): void {
  localStorage.setItem(name(holder), JSON.stringify(right));
}

/** Takes it off this device. Only ever asked for by the person themselves. */
export function remove(holder: Holder): void {
  localStorage.removeItem(name(holder));
}

/** What to save so that one can vote again from elsewhere; nothing if there is no whole right. */
export function exported(holder: Holder): string | null {
  const right = kept(holder);
  return right?.token === undefined ? null : JSON.stringify(right, null, 2);
}

const file: { [K in keyof Required<Kept>]: Shape<Required<Kept>[K]> } = {
  electionId: word,
  secretKey: hex(32),
  blind: hex(32),
  blinded: hex(32),
  madeAt: word,
  token: hex(64),
  weight: u32,
  sequence: u32,
};

/** Takes what a file holds. The sequence goes on from the higher of what the file and this device know. */
export function imported(text: string, holder: Holder): void {
  const right = readFile(text);
  if (right.electionId !== holder.electionId) throw new Malformed("this file holds no voting key for this election");
  const before = kept(holder);
  if (before?.token !== undefined && before.secretKey !== right.secretKey) {
    throw new Malformed("this browser keeps another voting key of yours for this election already");
  }
  const sequence = Math.max(before?.sequence ?? 0, right.sequence ?? 0);
  keep(holder, { ...right, sequence });
}

function readFile(text: string): Kept {
  try {
    const said = JSON.parse(text) as Record<string, unknown>;
    const { sequence = 0, ...rest } = said;
    const whole = { ...rest, sequence } as Record<string, unknown>;
    if (Object.entries(file).every(([member, shape]) => shape(whole[member]))) return whole as unknown as Kept;
  } catch {
    // Refused below, as whatever is no such file.
  }
  throw new Malformed("this file holds no voting key");
}

/**
 * The sequence of the next ballot: higher than all before. It follows the clock, so that a device that has an old copy of
 * the key, and does not know how often others voted with it, is still ahead of them.
 */
export function nextSequence(last: number | undefined, now: number): number {
  return Math.max((last ?? 0) + 1, Math.floor(now / MINUTE_MS));
}

/** Takes the next sequence. It is kept before anything is sent with it, so that none is ever used twice. */
export function takeSequence(holder: Holder, now = Date.now()): number {
  const right = kept(holder);
  if (!right) throw new Malformed("your voting key is not in this browser any more");
  const sequence = nextSequence(right.sequence, now);
  keep(holder, { ...right, sequence });
  return sequence;
}
