// Looks for a number so that SHA-256 of seed, a colon and the number begins with enough zero bits (FIPS 180-4).
"use strict";

const K = new Uint32Array(64);
const H = new Uint32Array(8);
{
  // The constants are the first bits of the fractional parts of cube and square roots of the first primes.
  let found = 0;
  for (let candidate = 2; found < 64; candidate++) {
    let prime = true;
    for (let divisor = 2; divisor * divisor <= candidate; divisor++) prime &&= candidate % divisor !== 0;
    if (!prime) continue;
    if (found < 8) H[found] = (Math.sqrt(candidate) % 1) * 2 ** 32;
    K[found++] = (Math.cbrt(candidate) % 1) * 2 ** 32;
  }
}

const block = new Uint32Array(64);
const turn = (word, by) => (word >>> by) | (word << (32 - by));

/** The first word of the hash of one block, whose first 16 words are filled in. */
function first_word() {
  for (let i = 16; i < 64; i++) {
    const a = block[i - 15], b = block[i - 2];
    const s0 = turn(a, 7) ^ turn(a, 18) ^ (a >>> 3);
    const s1 = turn(b, 17) ^ turn(b, 19) ^ (b >>> 10);
    block[i] = block[i - 16] + s0 + block[i - 7] + s1;
  }
  let [a, b, c, d, e, f, g, h] = H;
  for (let i = 0; i < 64; i++) {
    const t1 = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + block[i]) | 0;
    const t2 = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
  }
  return (H[0] + a) >>> 0;
}

onmessage = ({ data: { seed, bits } }) => {
  const bytes = new Uint8Array(64);
  const words = new DataView(bytes.buffer);
  const begin = new TextEncoder().encode(`${seed}:`);
  for (let nonce = 0; ; nonce++) {
    bytes.fill(0);
    bytes.set(begin);
    const digits = String(nonce);
    for (let i = 0; i < digits.length; i++) bytes[begin.length + i] = digits.charCodeAt(i);
    const length = begin.length + digits.length;
    bytes[length] = 0x80;
    words.setUint32(60, length * 8);
    for (let i = 0; i < 16; i++) block[i] = words.getUint32(i * 4);
    if (Math.clz32(first_word()) >= bits) {
      postMessage({ nonce });
      return;
    }
    if (nonce % 8192 === 0) postMessage({ tried: nonce });
  }
};
