// What trustees decrypt together. See docs/elections-specification.md, section 9.

import { Malformed, Reader, concat, u16, u32 } from "../bytes.ts";
import { type Row, encodeRow, readRow } from "./ballot.ts";
import { type Element, modulo, readElements, sum, times, ORDER } from "./group.ts";
import { type EqualityProof, encodeEquality, isEqual, proveEquality, readEquality } from "./proofs.ts";
import { Transcript } from "./transcript.ts";
import { type TrusteeKeys, encodeKeys } from "./trustees.ts";

export interface Rows {
  rows: Row[];
  width: number;
  encoded: Uint8Array;
}

export function rowsOf(rows: Row[]): Rows {
  const width = rows[0]?.length ?? 0;
  if (width === 0 || rows.some((row) => row.length !== width)) throw new Malformed("rows of different widths");
  return { rows, width, encoded: concat(u32(rows.length), u32(width), ...rows.map(encodeRow)) };
}

export function decodeRows(bytes: Uint8Array): Rows {
  const reader = new Reader(bytes);
  const count = reader.count(64);
  const width = reader.number(4);
  if (width < 1 || width > 64 || count === 0 || reader.left !== count * width * 64) throw new Malformed("another size");
  return { rows: Array.from({ length: count }, () => readRow(reader, width)), width, encoded: bytes };
}

export interface PartialDecryption {
  trustee: number;
  /** Column by column. */
  factors: Element[][];
  proof: EqualityProof;
  /** The bytes before the proof. */
  encoded: Uint8Array;
}

function statement(keys: TrusteeKeys, context: Uint8Array, rows: Rows, trustee: number, encoded: Uint8Array) {
  const transcript = Transcript.of("partial decryption")
    .tell("context", context)
    .tell("keys", encodeKeys(keys))
    .tellNumber("trustee", trustee)
    .tell("rows", rows.encoded)
    .tell("factors", encoded);
  return { transcript, weights: transcript.weights("weights", rows.rows.length * rows.width) };
}

function columns(rows: Rows, of: "mask" | "body"): Element[] {
  return Array.from({ length: rows.width }, (_, column) => rows.rows.map((row) => row[column]![of])).flat();
}

/** A trustee's part of the rows. */
export function decrypt(keys: TrusteeKeys, context: Uint8Array, rows: Rows, trustee: number, share: bigint): Uint8Array {
  const masks = columns(rows, "mask");
  const factors = masks.map((mask) => times(mask, share).toBytes());
  const encoded = concat(u16(trustee), u32(rows.rows.length), u32(rows.width), ...factors);
  const { transcript, weights } = statement(keys, context, rows, trustee, encoded);
  return concat(encoded, encodeEquality(proveEquality(transcript, sum(weights, masks), share)));
}

export function decodePartial(bytes: Uint8Array): PartialDecryption {
  const reader = new Reader(bytes);
  const trustee = reader.number(2);
  const count = reader.count(32);
  const width = reader.number(4);
  if (width < 1 || width > 64 || count === 0) throw new Malformed("another size");
  const factors = Array.from({ length: width }, () => readElements(reader, count));
  const encoded = bytes.subarray(0, bytes.length - reader.left);
  const proof = readEquality(reader);
  reader.end();
  return { trustee, factors, proof, encoded };
}

export function holds(keys: TrusteeKeys, context: Uint8Array, rows: Rows, partial: PartialDecryption): boolean {
  const own = keys.trustees[partial.trustee - 1];
  if (!own || partial.factors.length !== rows.width || partial.factors[0]!.length !== rows.rows.length) return false;
  const { transcript, weights } = statement(keys, context, rows, partial.trustee, partial.encoded);
  const base = sum(weights, columns(rows, "mask"));
  const multiple = sum(weights, partial.factors.flat());
  return isEqual(transcript, base, [own, multiple], partial.proof);
}

function inverse(value: bigint): bigint {
  let [power, result, exponent] = [modulo(value), 1n, ORDER - 2n];
  for (; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = modulo(result * power);
    power = modulo(power * power);
  }
  return result;
}

/** The messages of the rows, from as many parts that hold as are needed. */
export function combine(keys: TrusteeKeys, rows: Rows, partials: PartialDecryption[]): Element[][] {
  // With two parts of one trustee the weights below mean nothing, and neither would what comes out.
  if (new Set(partials.map(({ trustee }) => trustee)).size !== partials.length) {
    throw new Malformed("a trustee’s part is used twice");
  }
  const parts = [...partials].sort((one, other) => one.trustee - other.trustee).slice(0, keys.threshold);
  if (parts.length < keys.threshold) throw new Malformed(`${parts.length} trustees decrypted and ${keys.threshold} are needed`);
  const weights = parts.map(({ trustee }) =>
    parts.reduce((product, { trustee: other }) => {
      if (other === trustee) return product;
      return modulo(product * BigInt(other) * inverse(BigInt(other - trustee)));
    }, 1n),
  );
  return rows.rows.map((row, at) =>
    row.map(({ body }, column) => body.subtract(sum(weights, parts.map((part) => part.factors[column]![at]!)))),
  );
}
