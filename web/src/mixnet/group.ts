// ristretto255 (RFC 9496). Elections are held in this group.
// Scalars are numbers below the order; no element that crosses a wire is the identity.

import { ristretto255, ristretto255_hasher } from "@noble/curves/ed25519.js";
import { Malformed, type Reader, concat, text, u64 } from "../bytes.ts";

export type Element = InstanceType<typeof ristretto255.Point>;

export const G: Element = ristretto255.Point.BASE;
export const ZERO: Element = ristretto255.Point.ZERO;
export const ORDER: bigint = ristretto255.Point.Fn.ORDER;

export function decodeElement(bytes: Uint8Array): Element {
  let element: Element;
  try {
    element = ristretto255.Point.fromBytes(bytes);
  } catch {
    throw new Malformed("not the encoding of an element");
  }
  if (element.equals(ZERO)) throw new Malformed("the identity");
  return element;
}

export function readElement(reader: Reader): Element {
  return decodeElement(reader.bytes(32));
}

export function readElements(reader: Reader, count: number): Element[] {
  return Array.from({ length: count }, () => readElement(reader));
}

export function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

export function readScalar(reader: Reader): bigint {
  return decodeScalar(reader.bytes(32));
}

export function decodeScalar(bytes: Uint8Array): bigint {
  const scalar = littleEndian(bytes);
  if (bytes.length !== 32 || scalar >= ORDER) throw new Malformed("not the encoding of a scalar");
  return scalar;
}

export function readScalars(reader: Reader, count: number): bigint[] {
  return Array.from({ length: count }, () => readScalar(reader));
}

export function encodeScalar(scalar: bigint): Uint8Array {
  const bytes = new Uint8Array(32);
  for (let at = 0, rest = modulo(scalar); at < 32; at += 1, rest >>= 8n) bytes[at] = Number(rest & 255n);
  return bytes;
}

export function modulo(value: bigint): bigint {
  const rest = value % ORDER;
  return rest < 0n ? rest + ORDER : rest;
}

/** 64 bytes to a scalar: the integer, little-endian, modulo the order. */
export function wideScalar(bytes: Uint8Array): bigint {
  return modulo(littleEndian(bytes));
}

/** A scalar that nobody can guess, and never zero. */
export function randomScalar(): bigint {
  for (;;) {
    const scalar = wideScalar(crypto.getRandomValues(new Uint8Array(64)));
    if (scalar !== 0n) return scalar;
  }
}

/** A secret multiple, in a time that does not depend on the scalar's value. */
export function times(element: Element, scalar: bigint): Element {
  const reduced = modulo(scalar);
  return reduced === 0n ? ZERO : element.multiply(reduced);
}

/** A multiple of what everybody knows. */
export function timesPublic(element: Element, scalar: bigint): Element {
  return element.multiplyUnsafe(modulo(scalar));
}

/** The sum of public multiples. */
export function sum(scalars: bigint[], elements: Element[]): Element {
  if (scalars.length !== elements.length) throw new Error("as many scalars as elements");
  const bits = 252;
  const window = elements.length < 32 ? 4 : elements.length < 600 ? 6 : 8;
  let total = ZERO;
  const reduced = scalars.map(modulo);
  for (let at = Math.ceil((bits + 1) / window) - 1; at >= 0; at -= 1) {
    for (let doubled = 0; doubled < window; doubled += 1) total = total.double();
    total = total.add(bucketSum(reduced, elements, BigInt(at * window), window));
  }
  return total;
}

function bucketSum(scalars: bigint[], elements: Element[], shift: bigint, window: number): Element {
  const buckets: (Element | undefined)[] = [];
  const mask = BigInt(2 ** window - 1);
  scalars.forEach((scalar, at) => {
    const digit = Number((scalar >> shift) & mask);
    if (digit === 0) return;
    const element = elements[at]!;
    buckets[digit] = buckets[digit]?.add(element) ?? element;
  });
  let running = ZERO;
  let total = ZERO;
  for (let digit = 2 ** window - 1; digit > 0; digit -= 1) {
    const bucket = buckets[digit];
    if (bucket) running = running.add(bucket);
    total = total.add(running);
  }
  return total;
}

/** Independent generators of a label: nobody knows one as a multiple of others. The first is `H`. */
export function generators(label: Uint8Array, count: number): Element[] {
  const DST = text("holdfast mixnet 1 generators ristretto255");
  const head = concat(u64(label.length), label);
  return Array.from({ length: count }, (_, at) =>
    ristretto255_hasher.hashToCurve(concat(head, u64(at)), { DST }),
  );
}
