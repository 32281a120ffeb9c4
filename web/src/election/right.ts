// The right to vote: a key that signs for the voter, and a token for it that nobody can link to them. Whoever votes again
// needs the same one, so it is kept.

import { ed25519 } from "@noble/curves/ed25519.js";
import { Malformed, fromHex, toHex } from "../bytes.ts";
import { type TokenRequest, finish, request } from "../mixnet/tokens.ts";
import { Refused, ask } from "../page/api.ts";
import type { Defined } from "./defined.ts";
import { type Holder, type Kept, keep, kept } from "./kept-right.ts";

export interface Right {
  secretKey: Uint8Array;
  voterKey: Uint8Array;
  /** The token's output: 64 bytes. */
  token: Uint8Array;
  weight: number;
  /** It was asked for just now: whoever runs the server knows when, and by whom. */
  fresh: boolean;
}

/** The server says that it gave a token for another key than the one that is here. The one that is here stays: perhaps it lies. */
export class ElsewhereError extends Error {
  /** When this device made the key that is here, if it did before now. */
  readonly madeAt: string | null;

  constructor(madeAt: string | null) {
    super("The server says that your voting key was made on another device or in another browser");
    this.madeAt = madeAt;
  }
}

/** The right to vote in an election: as it is kept here, or asked for. */
export async function rightTo(defined: Defined, holder: Holder): Promise<Right> {
  // Kept before it is asked for: whoever loses the answer asks the same question again and gets the same answer.
  const before = kept(holder);
  const asked = before ?? begin(holder);
  return complete(asked, false) ?? (await demand(defined, holder, asked, before?.madeAt ?? null));
}

async function demand({ manifest }: Defined, holder: Holder, asked: Kept, madeAt: string | null): Promise<Right> {
  const { electionId } = manifest;
  const input = ed25519.getPublicKey(fromHex(asked.secretKey));
  const question: TokenRequest = { input, blind: fromHex(asked.blind), blinded: fromHex(asked.blinded) };
  const answer = await ask<{ weight: number; issuer: string; evaluated: string; proof: string }>("/api/v1/voting/token", {
    method: "POST",
    body: { electionId, blindedInput: asked.blinded },
  }).catch((error: unknown) => {
    if (error instanceof Refused && error.code === "elections/token-issued") throw new ElsewhereError(madeAt);
    throw error;
  });
  const issuer = manifest.issuers.find(({ weight }) => weight === answer.weight);
  // A key for this voter alone would be a mark: only the one on the board is taken.
  if (!issuer?.key || issuer.key !== answer.issuer) {
    throw new Malformed("the server gave out your voting key with another key than the public board says");
  }
  const token = finish(question, fromHex(issuer.key), fromHex(answer.evaluated), fromHex(answer.proof));
  const done = { ...asked, token: toHex(token.subarray(-64)), weight: answer.weight };
  keep(holder, done);
  return complete(done, true)!;
}

function begin(holder: Holder): Kept {
  const secretKey = ed25519.utils.randomSecretKey();
  const { blind, blinded } = request(ed25519.getPublicKey(secretKey));
  const madeAt = new Date().toISOString();
  const { electionId } = holder;
  const begun = { electionId, secretKey: toHex(secretKey), blind: toHex(blind), blinded: toHex(blinded), madeAt };
  keep(holder, begun);
  return begun;
}

function complete({ secretKey, token, weight }: Kept, fresh: boolean): Right | null {
  if (token === undefined || weight === undefined) return null;
  const secret = fromHex(secretKey);
  return { secretKey: secret, voterKey: ed25519.getPublicKey(secret), token: fromHex(token), weight, fresh };
}
