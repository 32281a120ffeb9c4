// Is one list another one, encrypted anew and in another order? See docs/elections-specification.md, section 7.

import { Malformed, Reader } from "../bytes.ts";
import type { Rows } from "./decryption.ts";
import { type Element, G, ZERO, generators, modulo, readElements, readScalars, sum } from "./group.ts";
import { Transcript } from "./transcript.ts";

export interface ShuffleProof {
  commitments: Element[];
  chain: Element[];
  /** Three sums, then for each column a mask and a body. */
  announced: Element[];
  links: Element[];
  /** Three sums, a number for each column, then two for each row. */
  responses: bigint[];
  encoded: { commitments: Uint8Array; announced: Uint8Array; responses: Uint8Array };
}

export function decodeShuffleProof(bytes: Uint8Array): ShuffleProof {
  const reader = new Reader(bytes);
  const count = reader.count(32);
  const width = reader.number(4);
  if (width < 1 || width > 64 || count === 0) throw new Malformed("another size");
  const from = (left: number, until: number) => bytes.subarray(bytes.length - left, bytes.length - until);
  const begin = reader.left + 8;
  const commitments = readElements(reader, count);
  const afterCommitments = reader.left;
  const chain = readElements(reader, count);
  const announced = readElements(reader, 3 + 2 * width);
  const links = readElements(reader, count);
  const afterLinks = reader.left;
  const responses = readScalars(reader, 3 + width + 2 * count);
  reader.end();
  const encoded = {
    commitments: from(begin, afterCommitments),
    announced: from(afterCommitments, afterLinks),
    responses: from(afterLinks, 0),
  };
  return { commitments, chain, announced, links, responses, encoded };
}

/** Every equation of the proof, weighed and added up: the sum vanishes. */
export function isShuffle(
  { context, key, label }: { context: Uint8Array; key: Element; label: Uint8Array },
  input: Rows,
  output: Rows,
  proof: ShuffleProof,
): boolean {
  const { width } = input;
  const count = input.rows.length;
  if (output.width !== width || output.rows.length !== count || proof.commitments.length !== count) return false;
  if (proof.announced.length !== 3 + 2 * width) return false;
  const transcript = Transcript.of("shuffle")
    .tell("context", context)
    .tellElement("key", key)
    .tell("generators", label)
    .tell("input", input.encoded)
    .tell("output", output.encoded)
    .tell("commitments", proof.encoded.commitments);
  const u = transcript.weights("rows", count);
  const c = transcript.tell("announced", proof.encoded.announced).challenge("challenge");
  if (c === 0n) return false;
  const weigh = transcript.tell("responses", proof.encoded.responses).weights("weights", 3 + 2 * width + count);
  const [h, ...hs] = generators(label, count + 1) as [Element, ...Element[]];
  const [s1, s2, s3] = proof.responses as [bigint, bigint, bigint];
  const sigma = proof.responses.slice(3, 3 + width);
  const hats = proof.responses.slice(3 + width, 3 + width + count);
  const primes = proof.responses.slice(3 + width + count);
  const [w1, w2, w3] = weigh as [bigint, bigint, bigint];
  const scalars: bigint[] = [];
  const elements: Element[] = [];
  const add = (scalar: bigint, element: Element) => {
    scalars.push(modulo(scalar));
    elements.push(element);
  };
  // s₁G = t₁ + c (ΣCᵢ − ΣHᵢ); s₂G = t₂ + c (D_N − ΠuᵢH); s₃G + Σs'ᵢHᵢ = t₃ + cΣuᵢCᵢ.
  const product = u.reduce((product, weight) => modulo(product * weight), 1n);
  let atG = w1 * s1 + w2 * s2 + w3 * s3;
  let atH = w2 * c * product;
  const chainFactors = proof.chain.map(() => 0n);
  proof.announced.slice(0, 3).forEach((element, at) => add(-weigh[at]!, element));
  chainFactors[count - 1] = -(w2 * c);
  // For each column Σs'ᵢA'ᵢ − σG = tA + cΣuᵢAᵢ, and the same with bodies and the key.
  for (let column = 0; column < width; column += 1) {
    const [wa, wb] = [weigh[3 + 2 * column]!, weigh[4 + 2 * column]!];
    atG -= wa * sigma[column]!;
    add(-wb * sigma[column]!, key);
    add(-wa, proof.announced[3 + 2 * column]!);
    add(-wb, proof.announced[4 + 2 * column]!);
    for (let row = 0; row < count; row += 1) {
      const [before, after] = [input.rows[row]![column]!, output.rows[row]![column]!];
      add(wa * primes[row]!, after.mask);
      add(wb * primes[row]!, after.body);
      add(-wa * c * u[row]!, before.mask);
      add(-wb * c * u[row]!, before.body);
    }
  }
  // For each row ŝᵢG + s'ᵢD_{i−1} = zᵢ + cDᵢ, where D₀ is H.
  for (let row = 0; row < count; row += 1) {
    const weight = weigh[3 + 2 * width + row]!;
    atG += weight * hats[row]!;
    if (row === 0) atH += weight * primes[row]!;
    else chainFactors[row - 1]! += weight * primes[row]!;
    chainFactors[row]! -= weight * c;
    add(-weight, proof.links[row]!);
    add(-w1 * c - w3 * c * u[row]!, proof.commitments[row]!);
    add(w1 * c + w3 * primes[row]!, hs[row]!);
  }
  proof.chain.forEach((element, at) => add(chainFactors[at]!, element));
  add(atG, G);
  add(atH, h);
  return sum(scalars, elements).equals(ZERO);
}
