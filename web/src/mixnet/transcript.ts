// Fiat and Shamir's heuristic over SHA-512: every message labelled, every length said.

import { sha512 } from "@noble/hashes/sha2.js";
import { concat, text, u64, u8 } from "../bytes.ts";
import { type Element, littleEndian, wideScalar } from "./group.ts";

export class Transcript {
  #stream: ReturnType<typeof sha512.create>;

  private constructor(stream: ReturnType<typeof sha512.create>) {
    this.#stream = stream;
  }

  /** The beginning of every transcript of a kind of proof. */
  static of(proof: string): Transcript {
    const transcript = new Transcript(sha512.create());
    transcript.tell("protocol", text("holdfast mixnet 1"));
    transcript.tell("proof", text(proof));
    transcript.tell("group", text("ristretto255"));
    return transcript;
  }

  clone(): Transcript {
    return new Transcript(this.#stream.clone());
  }

  tell(label: string, bytes: Uint8Array): this {
    this.#stream.update(concat(u8(1), u8(label.length), text(label), u64(bytes.length))).update(bytes);
    return this;
  }

  tellNumber(label: string, number: number): this {
    return this.tell(label, u64(number));
  }

  tellElement(label: string, element: Element): this {
    return this.tell(label, element.toBytes());
  }

  /** SHA-512 of all that was told and asked. The label stays in the stream, what comes out of it does not. */
  challengeBytes(label: string): Uint8Array {
    this.#stream.update(concat(u8(2), u8(label.length), text(label)));
    return this.#stream.clone().digest();
  }

  challenge(label: string): bigint {
    return wideScalar(this.challengeBytes(label));
  }

  /** Numbers below 2^128, as many as there are things to weigh. */
  weights(label: string, count: number): bigint[] {
    const seed = this.challengeBytes(label);
    const weights: bigint[] = [];
    for (let block = 0; weights.length < count; block += 1) {
      const bytes = sha512(concat(seed, u64(block)));
      for (let at = 0; at < 64; at += 16) weights.push(littleEndian(bytes.slice(at, at + 16).reverse()));
    }
    return weights.slice(0, count);
  }
}
