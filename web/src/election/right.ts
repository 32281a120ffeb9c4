// The right to vote: a key that signs for the voter, and a token for it that nobody can link to them.
// It is kept on the device, because whoever votes again needs the same one.

import { ed25519 } from "@noble/curves/ed25519.js";
import { Malformed, fromHex, toHex } from "../bytes.ts";
import { type TokenRequest, finish, request } from "../mixnet/tokens.ts";
import { Refused, ask } from "../page/api.ts";
import type { Election } from "./model.ts";

export interface Right {
  electionId: string;
  secretKey: Uint8Array;
  voterKey: Uint8Array;
  /** The token's output: 64 bytes. */
  token: Uint8Array;
  weight: number;
}

/** As it is kept, and as it is written to a file. */
interface Kept {
  electionId: string;
  secretKey: string;
  blind: string;
  blinded: string;
  token?: string;
  weight?: number;
}

const name = (electionId: string) => `right/${electionId}`;

function keep(kept: Kept): void {
  localStorage.setItem(name(kept.electionId), JSON.stringify(kept));
}

function kept(electionId: string): Kept | null {
  const text = localStorage.getItem(name(electionId));
  return text === null ? null : (JSON.parse(text) as Kept);
}

/** A token was given to this person on another device, and the key to it is not here. */
export class ElsewhereError extends Error {}

/** The right to vote in an election: as it is kept here, or asked for. */
export async function rightTo(election: Election): Promise<Right> {
  const { electionId } = election;
  // Kept before it is asked for: whoever loses the answer asks the same question again and gets the same answer.
  const asked = kept(electionId) ?? begin(electionId);
  const right = complete(asked);
  if (right) return right;
  const input = ed25519.getPublicKey(fromHex(asked.secretKey));
  const question: TokenRequest = { input, blind: fromHex(asked.blind), blinded: fromHex(asked.blinded) };
  const answer = await ask<{ weight: number; issuer: string; evaluated: string; proof: string }>("/api/v1/voting/token", {
    method: "POST",
    body: { electionId, blindedInput: asked.blinded },
  }).catch((error: unknown) => {
    if (error instanceof Refused && error.code === "elections/token-issued") {
      forget(electionId);
      throw new ElsewhereError("Your voting key was made on another device or in another browser");
    }
    throw error;
  });
  const issuer = election.issuers?.find(({ weight }) => weight === answer.weight);
  // A key for this voter alone would be a mark: only the published one is taken.
  if (issuer?.key !== answer.issuer) throw new Malformed("the server used another key than the one it published");
  const token = finish(question, fromHex(answer.issuer), fromHex(answer.evaluated), fromHex(answer.proof));
  const done = { ...asked, token: toHex(token.subarray(-64)), weight: answer.weight };
  keep(done);
  return complete(done)!;
}

function begin(electionId: string): Kept {
  const secretKey = ed25519.utils.randomSecretKey();
  const { blind, blinded } = request(ed25519.getPublicKey(secretKey));
  const begun = { electionId, secretKey: toHex(secretKey), blind: toHex(blind), blinded: toHex(blinded) };
  keep(begun);
  return begun;
}

function complete({ electionId, secretKey, token, weight }: Kept): Right | null {
  if (token === undefined || weight === undefined) return null;
  const secret = fromHex(secretKey);
  return { electionId, secretKey: secret, voterKey: ed25519.getPublicKey(secret), token: fromHex(token), weight };
}

export function forget(electionId: string): void {
  localStorage.removeItem(name(electionId));
}

/** What to save so that one can vote again from elsewhere. */
export function exported(electionId: string): string {
  return JSON.stringify(kept(electionId), null, 2);
}

export function imported(text: string, electionId: string): void {
  let said: Kept;
  try {
    said = JSON.parse(text) as Kept;
    if (said.electionId !== electionId || complete(said) === null) throw new Malformed("");
  } catch {
    throw new Malformed("this file holds no voting key for this election");
  }
  keep(said);
}
