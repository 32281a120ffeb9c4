// Voting tokens (RFC 9497, VOPRF, ristretto255-SHA512): whoever gives one does not know it when it comes back.

import { ristretto255_oprf } from "@noble/curves/ed25519.js";
import { concat, u16 } from "../bytes.ts";

/** What was asked for, and what only the voter knows of it. */
export interface TokenRequest {
  input: Uint8Array;
  blind: Uint8Array;
  blinded: Uint8Array;
}

export function request(input: Uint8Array): TokenRequest {
  const { blind, blinded } = ristretto255_oprf.voprf.blind(input);
  return { input, blind, blinded };
}

/** The token, once the issuer's one key was used: throws if it was not. */
export function finish(
  { input, blind, blinded }: TokenRequest,
  issuer: Uint8Array,
  evaluated: Uint8Array,
  proof: Uint8Array,
): Uint8Array {
  const output = ristretto255_oprf.voprf.finalize(input, blind, evaluated, blinded, issuer, proof);
  return concat(u16(input.length), input, output);
}
