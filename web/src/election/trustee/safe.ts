// What a trustee's browser keeps of an election: the secrets of every ceremony they took part in, the keys that sign the
// board as they were first seen, the board as it was last checked, and what was decrypted. It stays on this device, and in files that they save from it.

import type { Sized } from "../../board/tree.ts";
import { Malformed, fromHex, toHex } from "../../bytes.ts";
import { type Of, hex, list, membersInAnyOrder, named, u16, u64, word } from "../verify/shape.ts";

/** A trustee's secrets for one attempt. */
export interface Attempt {
  trustee: number;
  transport: string;
  polynomial?: string[];
  opening?: string;
  dealing?: string;
  share?: string;
}

/** List by number, each the hash of its rows. */
export type Hashes = Record<string, string>;

interface Kept {
  electionId: string;
  /** The keys that sign the board, as they were when this device first saw them. */
  boardKeys: string[];
  /** By number. None ever takes another's place: whoever lost a share could not decrypt. */
  attempts: Record<string, Attempt>;
  /** What was decrypted; nothing else ever is. */
  decrypted?: Hashes;
  /** The board as it was when this device last checked it, and as files from other devices say that they did. */
  seen?: Seen[];
}

/** A board that was checked. */
type Seen = Of<typeof seen>;

const seen = membersInAnyOrder({ size: u64, root: hex(32) });
const always = { electionId: word, boardKeys: list(word), attempts: named(isAttempt) };
const later = { decrypted: named(hex(32)), seen: list(seen) };

/** What is known only later may be missing, and nothing else. */
function isFile(value: unknown): value is Kept {
  const has = (name: string) => typeof value === "object" && value !== null && Object.hasOwn(value, name);
  const known = Object.entries(later).filter(([name]) => has(name));
  return membersInAnyOrder({ ...always, ...Object.fromEntries(known) })(value);
}

function isAttempt(value: unknown): value is Attempt {
  const said = value as Partial<Attempt> | null;
  return typeof said === "object" && said !== null && u16(said.trustee) && hex(32)(said.transport) && (said.share === undefined || hex(32)(said.share));
}

const name = (electionId: string) => `trustee/${electionId}`;

export class Safe {
  readonly #kept: Kept;

  private constructor(kept: Kept) {
    this.#kept = kept;
  }

  /** What is kept of an election; an empty safe if nothing is. */
  static of(electionId: string): Safe {
    const text = localStorage.getItem(name(electionId));
    return new Safe(text === null ? { electionId, boardKeys: [], attempts: {} } : (JSON.parse(text) as Kept));
  }

  /** Writes everything down. */
  save(): void {
    localStorage.setItem(name(this.#kept.electionId), JSON.stringify(this.#kept));
  }

  /** What to save to a file; nothing if there is no share in it. */
  exported(): string | null {
    return this.#shares.length > 0 ? JSON.stringify(this.#kept) : null;
  }

  /** Takes what a file holds besides what is kept. What this device knows of the board and has decrypted stays. */
  import(text: string): void {
    const said = readFile(text);
    if (said.electionId !== this.#kept.electionId) throw new Malformed("this file holds no key for this election");
    if (!Object.values(said.attempts).some(({ share }) => share)) throw new Malformed("this file holds no share of a key");
    if (said.boardKeys.length > 0) this.#know(said.boardKeys);
    if (said.decrypted) this.#remember(said.decrypted);
    if (said.seen) this.#kept.seen = [...(this.#kept.seen ?? []), ...said.seen];
    for (const [attempt, secrets] of Object.entries(said.attempts)) {
      if (this.#kept.attempts[attempt]?.share === undefined) this.#kept.attempts[attempt] = secrets;
    }
    this.save();
  }

  /** The secrets of an attempt. */
  attempt(attempt: number): Attempt | undefined {
    return this.#kept.attempts[attempt];
  }

  /** The secrets of an attempt, made anew if there are none. */
  begin(attempt: number, trustee: number, transport: () => string): Attempt {
    const found = this.#kept.attempts[attempt];
    if (found && found.trustee !== trustee) {
      throw new Malformed(`this browser keeps the part of trustee ${found.trustee}: take part in another browser`);
    }
    const secrets = found ?? { trustee, transport: transport() };
    this.#kept.attempts[attempt] = secrets;
    this.save();
    return secrets;
  }

  /** Whether a share is here: of this attempt, or of any. */
  hasShare(attempt?: number): boolean {
    return attempt ? this.#kept.attempts[attempt]?.share !== undefined : this.#shares.length > 0;
  }

  get #shares(): Attempt[] {
    return Object.values(this.#kept.attempts).filter(({ share }) => share !== undefined);
  }

  /**
   * The keys that sign the board: those it was first seen with, or these, if it was not seen before. A server that shows
   * this trustee another board than everybody else needs other keys, or signs both with its own for all to see.
   */
  boardKeys(shown: string[]): string[] {
    this.#know(shown);
    this.save();
    return this.#kept.boardKeys;
  }

  #know(keys: string[]): void {
    const known = this.#kept.boardKeys;
    if (known.length === 0) this.#kept.boardKeys = keys;
    else if (!same(known, keys)) {
      throw new Malformed("the board is signed by other keys than when this device first saw it. Tell the election’s officers");
    }
  }

  /** The boards that were checked: whatever is shown later goes on from them. */
  get seen(): Sized[] {
    return (this.#kept.seen ?? []).map(({ size, root }) => ({ size, root: fromHex(root) }));
  }

  /** Remembers a board that was checked, and that goes on from all that were seen: the longest is enough. */
  saw({ size, root }: Sized): void {
    const longest = (this.#kept.seen ?? []).reduce((one, other) => (other.size > one.size ? other : one), { size, root: toHex(root) });
    this.#kept.seen = [longest];
    this.save();
  }

  /** Whether anything was decrypted here, or by whoever saved what was imported. */
  hasDecrypted(): boolean {
    return this.#kept.decrypted !== undefined;
  }

  /**
   * Writes down what is about to be decrypted. Whoever decrypted two different lists of one election, say with and without
   * one ballot, would show what that ballot says: so other lists are refused for ever.
   */
  decrypting(lists: Hashes): void {
    this.#remember(lists);
    this.save();
  }

  #remember(lists: Hashes): void {
    const before = this.#kept.decrypted;
    if (before && !sameLists(before, lists)) {
      throw new Malformed("this device has decrypted other lists of this election before. Tell the election’s officers");
    }
    this.#kept.decrypted = lists;
  }
}

function same(one: string[], other: string[]): boolean {
  return one.length === other.length && one.every((each, at) => each === other[at]);
}

/** The same hash under each number, in whatever order they stand and whichever program wrote them. */
function sameLists(one: Hashes, other: Hashes): boolean {
  const byNumber = (hashes: Hashes) => new Map(Object.entries(hashes).map(([list, hash]) => [Number(list), hash]));
  const [known, shown] = [byNumber(one), byNumber(other)];
  return known.size === shown.size && [...known].every(([list, hash]) => shown.get(list) === hash);
}

function readFile(text: string): Kept {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    throw new Malformed("this file holds no trustee’s key");
  }
  if (!isFile(said)) throw new Malformed("this file holds no trustee’s key");
  return said;
}
