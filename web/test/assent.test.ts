// A trustee approves a key only once they have said that all others see the same transport keys.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { fromBase64, fromHex, toBase64, toHex } from "../src/bytes.ts";
import { ceremonyContext } from "../src/election/bindings.ts";
import type { Election } from "../src/election/model.ts";
import { type Ceremony, type Step, fingerprintOf, takePart, transportKeysOf, waitsForAssent } from "../src/election/trustee/ceremony.ts";
import { fewIn } from "../src/election/trustee/decrypt.ts";
import { Safe } from "../src/election/trustee/safe.ts";
import type { List } from "../src/election/verify/mixes.ts";
import { G, decodeElement, randomScalar, times } from "../src/mixnet/group.ts";
import * as mixnet from "../src/mixnet/trustees.ts";

const electionId = "01a20026-0f0d-7366-be3c-0efe9c92577b";
const election = { electionId } as Election;
let posted: [step: string, bytes: string | undefined][] = [];

beforeEach(() => {
  const all = new Map<string, string>();
  const localStorage = { getItem: (name: string) => all.get(name) ?? null, setItem: (name: string, value: string) => void all.set(name, value) };
  Object.assign(globalThis, { localStorage, sessionStorage: { getItem: () => null } });
  posted = [];
  globalThis.fetch = (async (path: string, { body }: { body: string }) => {
    posted.push([path.split("/").at(-1)!, (JSON.parse(body) as { bytes?: string }).bytes]);
    return Response.json({});
  }) as unknown as typeof fetch;
});

const silent = (trustee: number): Ceremony["said"][number] => ({
  trustee,
  name: `Trustee ${trustee}`,
  transportKey: null,
  sealedOpening: null,
  opening: null,
  dealing: null,
  approved: false,
  complaint: null,
});

/** The ceremony of two, in which the first is at this device, up to where both have dealt. */
async function dealt(): Promise<Ceremony> {
  const context = toHex(ceremonyContext(electionId, 1));
  const ceremony: Ceremony = { state: "ceremony", attempt: 1, context, threshold: 2, trustees: 2, you: 1, step: "transport-key", said: [silent(1), silent(2)], faults: [], keys: null };
  const [own, other] = ceremony.said as [Ceremony["said"][number], Ceremony["said"][number]];
  const say = async (step: Step): Promise<string> => {
    ceremony.step = step;
    await takePart(election, ceremony, null);
    return posted.at(-1)![1]!;
  };
  own.transportKey = toHex(fromBase64(await say("transport-key")));
  other.transportKey = toHex(times(G, randomScalar()).toBytes());
  const about = { context: fromHex(context), threshold: 2, transportKeys: [own, other].map(({ transportKey }) => decodeElement(fromHex(transportKey!))) };
  const polynomial = mixnet.randomPolynomial(2);
  const { opening, sealed } = mixnet.open(about, 2, polynomial);
  own.sealedOpening = toHex(fromBase64(await say("sealed-opening")));
  other.sealedOpening = toHex(sealed);
  own.opening = await say("opening");
  other.opening = toBase64(mixnet.encodeOpening(opening));
  own.dealing = await say("dealing");
  other.dealing = toBase64(mixnet.encodeDealing(mixnet.deal(about, 2, polynomial)));
  return { ...ceremony, step: "approval" };
}

const steps = () => posted.map(([step]) => step);
const BEFORE = ["transport-key", "sealed-opening", "opening", "dealing"];

test("nothing is approved before the keys were compared, also not by whoever speaks last", async () => {
  const now = await dealt();
  now.said[1]!.approved = true;
  assert.ok(waitsForAssent(now, null));
  await takePart(election, now, null);
  await takePart(election, now, null);
  assert.deepEqual(steps(), BEFORE);
  assert.ok(Safe.of(electionId).hasShare(1));
});

test("what was compared is approved", async () => {
  const now = await dealt();
  const compared = transportKeysOf(now);
  assert.ok(!waitsForAssent(now, compared));
  await takePart(election, now, compared);
  assert.deepEqual(steps(), [...BEFORE, "approval"]);
});

test("keys that are others than were compared are not approved", async () => {
  const now = await dealt();
  const compared = transportKeysOf(now)!;
  await takePart(election, now, [compared[0]!, toHex(times(G, randomScalar()).toBytes())]);
  assert.deepEqual(steps(), BEFORE);
});

test("whoever got a wrong share complains without comparing first", async () => {
  const now = await dealt();
  const dealing = mixnet.decodeDealing(fromBase64(now.said[1]!.dealing!));
  const about = { context: fromHex(now.context), threshold: 2, transportKeys: transportKeysOf(now)!.map((key) => decodeElement(fromHex(key))) };
  const wrong = mixnet.deal(about, 2, mixnet.randomPolynomial(2));
  now.said[1]!.dealing = toBase64(mixnet.encodeDealing([wrong[0]!, dealing[1]!]));
  await takePart(election, now, null);
  assert.deepEqual(steps(), [...BEFORE, "complaint"]);
});

test("keys are compared by their first eighty bits", () => {
  assert.equal(fingerprintOf("0123456789abcdef".repeat(4)), "0123 4567 89ab cdef 0123");
});

test("lists of one and of two rows need to be agreed to, and of three do not", () => {
  const lists = [1, 2, 3].map((rows, number) => ({ number, rows: { rows: Array(rows) } }) as unknown as List);
  assert.deepEqual(fewIn(lists).map(({ number }) => number), [0, 1]);
});
