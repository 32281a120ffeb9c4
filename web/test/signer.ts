// Who signs the checkpoints of a log, as a server does, for tests of who checks them.

import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";
import { concat, text, toBase64, toHex, u64, u8 } from "../src/bytes.ts";
import { rootOf } from "./merkle.ts";

export class Signer {
  readonly origin: string;
  readonly #ed25519;
  readonly #mlDsa44;

  constructor(origin: string, seed = 1) {
    this.origin = origin;
    this.#ed25519 = ed25519.keygen(new Uint8Array(32).fill(seed));
    this.#mlDsa44 = ml_dsa44.keygen(new Uint8Array(32).fill(seed + 1));
  }

  /** The two keys as verifier keys are written. */
  get keys(): [string, string] {
    const written = this.#named().map(({ hash, bytes }) => `${this.origin}+${toHex(hash)}+${toBase64(bytes)}`);
    return [written[0]!, written[1]!];
  }

  /** The note under a log of these leaves. */
  checkpoint(hashes: Uint8Array[]): string {
    const root = rootOf(hashes);
    const said = `${this.origin}\n${hashes.length}\n${toBase64(root)}\n`;
    const short = (value: string) => concat(u8(text(value).length), text(value));
    const sized = concat(u64(0), u64(hashes.length), root);
    const cosigned = concat(text("subtree/v1\n\0"), short(this.origin), u64(0), short(this.origin), sized);
    const lines = [ed25519.sign(text(said), this.#ed25519.secretKey), concat(u64(0), ml_dsa44.sign(cosigned, this.#mlDsa44.secretKey))];
    const named = this.#named();
    return `${said}\n${lines.map((bytes, at) => `— ${this.origin} ${toBase64(concat(named[at]!.hash, bytes))}\n`).join("")}`;
  }

  #named(): { hash: Uint8Array; bytes: Uint8Array }[] {
    return [concat(u8(1), this.#ed25519.publicKey), concat(u8(6), this.#mlDsa44.publicKey)].map((bytes) => ({
      hash: sha256(concat(text(`${this.origin}\n`), bytes)).slice(0, 4),
      bytes,
    }));
  }
}
