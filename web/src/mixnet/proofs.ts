// Two proofs that many others are made of: knowing a secret, and two pairs having the same secret.

import { type Reader, concat } from "../bytes.ts";
import {
  type Element,
  G,
  encodeScalar,
  modulo,
  randomScalar,
  readElement,
  readScalar,
  times,
  timesPublic,
} from "./group.ts";
import type { Transcript } from "./transcript.ts";

/** Whoever made it knows the secret of a public element. */
export interface KnowledgeProof {
  commitment: Element;
  response: bigint;
}

export function proveKnowledge(transcript: Transcript, secret: bigint): KnowledgeProof {
  const nonce = randomScalar();
  const commitment = times(G, nonce);
  const challenge = transcript.tellElement("commitment", commitment).challenge("challenge");
  return { commitment, response: modulo(nonce + challenge * secret) };
}

export function isKnown(transcript: Transcript, element: Element, proof: KnowledgeProof): boolean {
  const challenge = transcript.tellElement("commitment", proof.commitment).challenge("challenge");
  return timesPublic(G, proof.response).equals(proof.commitment.add(timesPublic(element, challenge)));
}

export function encodeKnowledge(proof: KnowledgeProof): Uint8Array {
  return concat(proof.commitment.toBytes(), encodeScalar(proof.response));
}

export function readKnowledge(reader: Reader): KnowledgeProof {
  return { commitment: readElement(reader), response: readScalar(reader) };
}

/** The secret of one element is also what a base was multiplied by. */
export interface EqualityProof {
  commitment: Element;
  multiple: Element;
  response: bigint;
}

export function proveEquality(transcript: Transcript, base: Element, secret: bigint): EqualityProof {
  const nonce = randomScalar();
  const commitment = times(G, nonce);
  const multiple = times(base, nonce);
  const challenge = challengeOf(transcript, commitment, multiple);
  return { commitment, multiple, response: modulo(nonce + challenge * secret) };
}

export function isEqual(
  transcript: Transcript,
  base: Element,
  [publicKey, multiple]: [Element, Element],
  proof: EqualityProof,
): boolean {
  const challenge = challengeOf(transcript, proof.commitment, proof.multiple);
  return (
    timesPublic(G, proof.response).equals(proof.commitment.add(timesPublic(publicKey, challenge))) &&
    timesPublic(base, proof.response).equals(proof.multiple.add(timesPublic(multiple, challenge)))
  );
}

function challengeOf(transcript: Transcript, commitment: Element, multiple: Element): bigint {
  return transcript
    .tellElement("commitment", commitment)
    .tellElement("commitment to the multiple", multiple)
    .challenge("challenge");
}

export function encodeEquality(proof: EqualityProof): Uint8Array {
  return concat(proof.commitment.toBytes(), proof.multiple.toBytes(), encodeScalar(proof.response));
}

export function readEquality(reader: Reader): EqualityProof {
  return { commitment: readElement(reader), multiple: readElement(reader), response: readScalar(reader) };
}
