// Bytes as they cross wires: numbers are big-endian, texts are UTF-8.

/** What was read is not what was said to stand there. */
export class Malformed extends Error {}

export function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

export function u8(value: number): Uint8Array {
  return Uint8Array.of(value);
}

export function u16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value);
}

export function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** A whole number below 2^53. */
export function u64(value: number): Uint8Array {
  return concat(u32(Math.floor(value / 2 ** 32)), u32(value >>> 0));
}

export function fromHex(hex: string): Uint8Array {
  if (hex.length % 2 !== 0 || /[^0-9a-f]/i.test(hex)) throw new Malformed("not hexadecimal");
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Base64 with or without padding, of the standard alphabet or the one for addresses. */
export function fromBase64(encoded: string): Uint8Array {
  let characters: string;
  try {
    characters = atob(encoded.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    throw new Malformed("not base64");
  }
  return Uint8Array.from(characters, (character) => character.charCodeAt(0));
}

/** Base64 of the standard alphabet, padded. */
export function toBase64(bytes: Uint8Array): string {
  let characters = "";
  for (const byte of bytes) characters += String.fromCharCode(byte);
  return btoa(characters);
}

/** Reads fields from the front of some bytes. */
export class Reader {
  #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  bytes(count: number): Uint8Array {
    if (this.#bytes.length < count) throw new Malformed("it ends too early");
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }

  number(bytes: 1 | 2 | 4 | 8): number {
    return this.bytes(bytes).reduce((sum, byte) => sum * 256 + byte, 0);
  }

  /** A number of things of at least `bytesEach` that are to follow: no more than can. */
  count(bytesEach: number): number {
    const count = this.number(4);
    if (count * bytesEach > this.#bytes.length) throw new Malformed("it ends too early");
    return count;
  }

  get left(): number {
    return this.#bytes.length;
  }

  end(): void {
    if (this.#bytes.length > 0) throw new Malformed(`${this.#bytes.length} bytes too many`);
  }
}
