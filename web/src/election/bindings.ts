// What is signed, hashed and bound to what in an election, to the byte.

import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concat, fromHex, text, u16, u32, u64 } from "../bytes.ts";

/** A submission before it is signed. */
export interface Statement {
  electionHash: Uint8Array;
  voterKey: Uint8Array;
  token: Uint8Array;
  weight: number;
  /** Of a voter's votes the one with the highest stands, whatever the order is in which they arrive. */
  sequence: number;
  ballots: Uint8Array[];
}

export function encodeStatement(statement: Statement): Uint8Array {
  return concat(text("holdfast/ballot/v1\n"), statement.electionHash, encodeCast(statement));
}

function encodeCast({ voterKey, token, weight, sequence, ballots }: Statement): Uint8Array {
  const each = ballots.map((ballot) => concat(u32(ballot.length), ballot));
  return concat(voterKey, token, u32(weight), u32(sequence), u16(ballots.length), ...each);
}

/**
 * The code that a voter follows their ballot by. It is bound to their own key, which is part of the statement, and
 * says nothing of the signature: whoever opens a ballot to check the booth shows no signature, so nobody can cast it.
 */
export function trackerOf(statement: Statement): Uint8Array {
  return trackerOfCast(statement.voterKey, encodeCast(statement));
}

/** Trackers of one voter begin with the same 8 bytes. */
export function trackerOfCast(voter: Uint8Array, cast: Uint8Array): Uint8Array {
  const prefix = sha256(concat(text("holdfast/voter/v1\n"), voter)).subarray(0, 8);
  return concat(prefix, sha256(concat(text("holdfast/tracker/v1\n"), cast)).subarray(0, 24));
}

export function sign(statement: Uint8Array, secretKey: Uint8Array): Uint8Array {
  return ed25519.sign(statement, secretKey);
}

export function voterKeyOf(secretKey: Uint8Array): Uint8Array {
  return ed25519.getPublicKey(secretKey);
}

export function electionHashOf(manifest: string): Uint8Array {
  return sha256(concat(text("holdfast/election/v1\n"), text(manifest)));
}

/** The 16 bytes of an election's UUID. */
function idBytes(electionId: string): Uint8Array {
  return fromHex(electionId.replaceAll("-", ""));
}

/** What a board signs for a voter whose vote it has taken. */
export function receivedBytes(electionId: string, index: number, leafHash: Uint8Array): Uint8Array {
  return concat(text("holdfast/received/v1\n"), idBytes(electionId), u64(index), leafHash);
}

/** What a ceremony's transcripts begin with. */
export function ceremonyContext(electionId: string, attempt: number): Uint8Array<ArrayBuffer> {
  return concat(text("holdfast/ceremony/v1\n"), idBytes(electionId), u16(attempt));
}

export function mixContext(electionHash: Uint8Array, list: number, mixer: number): Uint8Array {
  return concat(text("holdfast/mix/v1\n"), electionHash, u32(list), u16(mixer));
}

export function generatorsLabel(electionHash: Uint8Array): Uint8Array {
  return concat(text("holdfast/generators/v1\n"), electionHash);
}

export function decryptionContext(electionHash: Uint8Array, list: number): Uint8Array {
  return concat(text("holdfast/decryption/v1\n"), electionHash, u32(list));
}

/** Which list a ballot goes to: each weight has one for each contest. */
export function listOf(weights: number[], weight: number, contests: number, contest: number): number {
  return weights.indexOf(weight) * contests + contest;
}

/** A tracker as people read it: groups of four. */
export function shown(tracker: string): string {
  return tracker.replace(/(.{4})(?=.)/g, "$1 ");
}
