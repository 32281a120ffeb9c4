// A server that makes a key with the trustees, and shows everybody else another one.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { readEntry } from "../src/board/entry.ts";
import { fromBase64, fromHex, toBase64, toHex } from "../src/bytes.ts";
import { ceremonyContext, electionHashOf } from "../src/election/bindings.ts";
import type { Election } from "../src/election/model.ts";
import { type Ceremony, takePart, transportKeysOf } from "../src/election/trustee/ceremony.ts";
import { confirmKey } from "../src/election/trustee/confirm.ts";
import { type Decryption, isSpokenFor } from "../src/election/trustee/decrypt.ts";
import { Safe } from "../src/election/trustee/safe.ts";
import { decodeElement, decodeScalar } from "../src/mixnet/group.ts";
import * as mixnet from "../src/mixnet/trustees.ts";
import { begin, dealt, election, electionId } from "./hall.ts";
import { consistencyProof, encoded, leafBytes } from "./merkle.ts";
import { Forged } from "./recorded.ts";
import { Signer } from "./signer.ts";

beforeEach(begin);

type Said = Ceremony["said"];

const ORIGIN = `vote.example/elections/${electionId}`;
const board = new Signer(ORIGIN);

function about(said: Said): mixnet.Ceremony {
  const transportKeys = said.map(({ transportKey }) => decodeElement(fromHex(transportKey!)));
  return { context: ceremonyContext(electionId, 1), threshold: 2, transportKeys };
}

/** The entries up to where all trustees have approved, and, if there is a key, its definition. */
function entriesOf(said: Said, defined = true): [string, object][] {
  const names = said.map(({ name }) => name);
  const step = (step: string, bytes: (one: Said[number]) => Uint8Array): [string, object][] =>
    said.map((one) => ["election/said", { attempt: 1, trustee: one.trustee, step, bytes: toBase64(bytes(one)) }]);
  const keys = mixnet.conclude(about(said), said.map(({ opening }) => mixnet.decodeOpening(fromBase64(opening!))));
  const council = new Forged().body<{ manifest: string }>(new Forged().at("defined")).manifest;
  const manifest = { ...JSON.parse(council), electionId, trustees: { threshold: 2, names }, keys: toHex(mixnet.encodeKeys(keys)) };
  return [
    ["election/ceremony", { election: electionId, attempt: 1, threshold: 2, trustees: names }],
    ...step("transport-key", ({ transportKey }) => fromHex(transportKey!)),
    ...step("sealed-opening", ({ sealedOpening }) => fromHex(sealedOpening!)),
    ...step("opening", ({ opening }) => fromBase64(opening!)),
    ...step("dealing", ({ dealing }) => fromBase64(dealing!)),
    ...step("approval", () => new Uint8Array()),
    ...(defined ? [["election/defined", { manifest: JSON.stringify(manifest) }] as [string, object]] : []),
  ];
}

/** Serves a board; gives the election as the server shows it. */
function serve(entries: [string, object][]): Election {
  const leaves = entries.map(([command, body], at) => leafBytes(at, command, body));
  const hashes = leaves.map((leaf) => readEntry(leaf).hash);
  globalThis.fetch = (async (input: string) => {
    const url = new URL(input, "http://localhost");
    const number = (name: string) => Number(url.searchParams.get(name));
    if (url.pathname.endsWith("/checkpoint")) return new Response(board.checkpoint(hashes));
    if (url.pathname.endsWith("/consistency")) {
      return Response.json({ consistencyProof: encoded(consistencyProof(number("from"), hashes.slice(0, number("to")))) });
    }
    const shown = leaves.slice(number("from"), number("from") + number("limit"));
    return Response.json({ entries: shown.map((leaf) => ({ leafBytes: toBase64(leaf) })) });
  }) as typeof fetch;
  return { ...election, board: { origin: ORIGIN, size: leaves.length, keys: board.keys } };
}

/** What both said, of whom the first, at this device, has a share. */
async function made(): Promise<Said> {
  const now = await dealt();
  await takePart(election, now, transportKeysOf(now));
  return now.said;
}

/** What was said, but as whoever makes up what a trustee says fixes, opens and deals in their name. */
function spokenFor(said: Said, trustee: number): Said {
  const polynomial = mixnet.randomPolynomial(2);
  const { opening, sealed } = mixnet.open(about(said), trustee, polynomial);
  const dealing = toBase64(mixnet.encodeDealing(mixnet.deal(about(said), trustee, polynomial)));
  const words = { opening: toBase64(mixnet.encodeOpening(opening)), sealedOpening: toHex(sealed), dealing };
  return said.map((one) => (one.trustee === trustee ? { ...one, ...words } : one));
}

test("a trustee confirms the key that they made, and waits for it before", async () => {
  const said = await made();
  assert.equal(await confirmKey(serve(entriesOf(said, false))), null);
  const entries = entriesOf(said);
  const { manifest } = entries.at(-1)![1] as { manifest: string };
  assert.equal(await confirmKey(serve(entries)), toHex(electionHashOf(manifest)));
  assert.equal(await confirmKey(serve([...entries, ["election/opened", {}]])), toHex(electionHashOf(manifest)));
});

test("a ceremony that a server made alone is found out by its transport keys", async () => {
  const other = await made();
  begin();
  await made();
  await assert.rejects(confirmKey(serve(entriesOf(other))), /has a transport key in your name that this device did not say/);
});

test("a part of the key that a server made in a trustee’s name is found out", async () => {
  const said = await made();
  await assert.rejects(confirmKey(serve(entriesOf(spokenFor(said, 1)))), /has an opening in your name that this device did not say/);
});

test("a dealing that a trustee did not say is found out", async () => {
  const said = await made();
  const polynomial = Safe.of(electionId).attempt(1)!.polynomial!.map((one) => decodeScalar(fromHex(one)));
  const dealing = toBase64(mixnet.encodeDealing(mixnet.deal(about(said), 1, polynomial)));
  const other = said.map((one) => (one.trustee === 1 ? { ...one, dealing } : one));
  await assert.rejects(confirmKey(serve(entriesOf(other))), /has a dealing in your name that this device did not say/);
});

test("a key with a trustee’s own part of which they have no share is not theirs", async () => {
  const said = await made();
  await assert.rejects(confirmKey(serve(entriesOf(spokenFor(said, 2)))), /is not of this election’s key/);
});

test("a device without a share confirms nothing", async () => {
  const said = await made();
  begin();
  await assert.rejects(confirmKey(serve(entriesOf(said))), /does not hold your share/);
});

test("a board that went back, or became another one, is refused", async () => {
  const said = await made();
  await confirmKey(serve([...entriesOf(said), ["election/opened", {}]]));
  await confirmKey(serve(entriesOf(said)));
  await assert.rejects(confirmKey(serve(entriesOf(said, false))), /shorter than what this device checked before/);
  await assert.rejects(confirmKey(serve(entriesOf(spokenFor(said, 2)))), /not what was signed/);
});

test("what was decrypted in the name of a trustee whose device decrypted nothing is found out", async () => {
  await made();
  const now = (changed: Partial<Decryption>): Decryption => ({ state: "counted", you: 1, threshold: 2, lists: [], decrypted: [], lied: [], checking: [], ...changed });
  assert.ok(isSpokenFor(now({ decrypted: [1, 2] }), Safe.of(electionId)));
  assert.ok(isSpokenFor(now({ checking: [1] }), Safe.of(electionId)));
  assert.ok(!isSpokenFor(now({ decrypted: [2] }), Safe.of(electionId)));
  Safe.of(electionId).decrypting({ 0: "0a".repeat(32) });
  assert.ok(!isSpokenFor(now({ decrypted: [1, 2] }), Safe.of(electionId)));
});
