// Ed25519 as everybody who checks a board must decide it: docs/elections-specification.md, section 12. Libraries differ
// where keys and signatures are made to be odd, and whoever could make one that only some of them take could make an
// honest board look wrong to the others. So the rule stands here, and not in a library.

import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { concat, equal } from "./bytes.ts";
import { littleEndian } from "./mixnet/group.ts";

const { Point } = ed25519;
const ORDER = Point.Fn.ORDER;

/** The point of a key: written in the one canonical way, and not of small order. */
function keyOf(bytes: Uint8Array): InstanceType<typeof Point> | undefined {
  try {
    const point = Point.fromBytes(bytes, false);
    return equal(point.toBytes(), bytes) && !point.isSmallOrder() ? point : undefined;
  } catch {
    return undefined;
  }
}

/** Whether `S < L`, and `R` is, byte for byte, the encoding of `S*B - k*A`. */
export function isSigned(message: Uint8Array, signature: Uint8Array, key: Uint8Array): boolean {
  const point = keyOf(key);
  if (!point || signature.length !== 64) return false;
  const [commitment, response] = [signature.subarray(0, 32), littleEndian(signature.subarray(32))];
  if (response >= ORDER) return false;
  const challenge = littleEndian(sha512(concat(commitment, key, message))) % ORDER;
  // Nothing is multiplied by the cofactor: a part of small order in R or in the key is not forgiven.
  const expected = Point.BASE.multiplyUnsafe(response).subtract(point.multiplyUnsafe(challenge));
  return equal(expected.toBytes(), commitment);
}
