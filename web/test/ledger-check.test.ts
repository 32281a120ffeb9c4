// What “Verify” at the console believes of a ledger: only what grew from what was seen before, under signatures that hold.

import assert from "node:assert/strict";
import { test } from "node:test";
import { leafHash } from "../src/board/tree.ts";
import { toBase64, u32 } from "../src/bytes.ts";
import { checkLedger } from "../src/console/ledger-check.ts";
import { consistencyProof, encoded, inclusionProof } from "./merkle.ts";
import { Signer } from "./signer.ts";

const SAMPLES = 8;
const signer = new Signer("town.example/identity");
const entries = (count: number, from = 0) => Array.from({ length: count }, (_, at) => u32(from + at));

/** What a server shows: a ledger, and of each request something else, if it lies. */
interface Shown {
  leaves: Uint8Array[];
  signer?: Signer;
  /** What the receipts are proven under. */
  receipts?: Uint8Array[];
  /** The signed note as it is shown. */
  note?: (note: string) => string;
}

function serve({ leaves, signer: own = signer, receipts = leaves, note = (note) => note }: Shown): void {
  Object.assign(globalThis, { sessionStorage: { getItem: () => null } });
  const hashes = (leaves: Uint8Array[]) => leaves.map(leafHash);
  globalThis.fetch = (async (path: string) => {
    const { pathname, searchParams } = new URL(path, "http://localhost");
    if (pathname.endsWith("/keys")) return Response.json({ origin: own.origin, keys: own.keys });
    if (pathname.endsWith("/checkpoint")) return new Response(note(own.checkpoint(hashes(leaves))));
    if (pathname.endsWith("/consistency")) {
      const [from, to] = ["from", "to"].map((name) => Number(searchParams.get(name))) as [number, number];
      const all = leaves.length < to ? receipts : leaves;
      return Response.json({ consistencyProof: encoded(consistencyProof(from, hashes(all.slice(0, to)))) });
    }
    const index = Number(pathname.split("/").at(-1));
    return Response.json({
      entry: { index },
      leafBytes: toBase64(receipts[index]!),
      inclusionProof: encoded(inclusionProof(index, hashes(receipts))),
      checkpoint: note(own.checkpoint(hashes(receipts))),
    });
  }) as unknown as typeof fetch;
}

/** A browser that has seen twenty entries. */
async function seenBefore() {
  serve({ leaves: entries(20) });
  return (await checkLedger("identity", null, SAMPLES)).seen;
}

test("a ledger that grew is in order, and the next look begins where this one ended", async () => {
  const before = await seenBefore();
  assert.deepEqual([before.size, before.origin, before.keys], [20, signer.origin, signer.keys]);
  serve({ leaves: entries(33), receipts: entries(35) });
  const { proven, seen } = await checkLedger("identity", before, SAMPLES);
  assert.equal(proven, SAMPLES);
  assert.equal(seen.size, 35);
  serve({ leaves: entries(35) });
  assert.equal((await checkLedger("identity", seen, SAMPLES)).seen.root, seen.root);
});

/** What a server shows later, and what is said of it to whoever has seen twenty entries. */
function refused(sentence: string, shown: Shown, says: RegExp): void {
  test(`${sentence} is noticed`, async () => {
    const before = await seenBefore();
    serve(shown);
    await assert.rejects(checkLedger("identity", before, SAMPLES), says);
  });
}

const other = [...entries(3), u32(99), ...entries(16, 4)];

refused("an entry that was changed before more came", { leaves: [...other, ...entries(13, 20)] }, /not what was signed/);
refused("another ledger of as many entries", { leaves: other }, /not what was signed/);
refused("entries that were taken back", { leaves: entries(19) }, /there were 20 entries before, and now there are 19/);
refused("a receipt under another ledger", { leaves: entries(33), receipts: [...entries(30), u32(99), ...entries(4, 31)] }, /not what was signed/);
refused("a receipt under an older ledger than was seen, but another", { leaves: entries(33), receipts: [...other, ...entries(13, 20)] }, /not what was signed/);
refused("a ledger with other keys", { leaves: entries(33), signer: new Signer(signer.origin, 7) }, /other keys/);
refused("a ledger with another name", { leaves: entries(33), signer: new Signer("town.example/else") }, /other keys/);
refused("a checkpoint that was changed after it was signed", { leaves: entries(33), note: (note) => note.replace("\n33\n", "\n32\n") }, /Ed25519 does not hold/);
refused(
  "a checkpoint without its second signature",
  { leaves: entries(33), note: (note) => `${note.trimEnd().split("\n").slice(0, -1).join("\n")}\n` },
  /none of its keys signed this checkpoint with ML-DSA-44/,
);
