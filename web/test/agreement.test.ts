// A booth believes what the public board says, proven, and refuses a server that says something else to one voter.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readEntry } from "../src/board/entry.ts";
import { fromBase64, toBase64, toHex } from "../src/bytes.ts";
import { OtherDefinition, checkAgrees } from "../src/election/agreement.ts";
import { type Defined, keyOf, readDefined } from "../src/election/defined.ts";
import type { Election } from "../src/election/model.ts";
import { G } from "../src/mixnet/group.ts";
import { consistencyProof, encoded } from "./merkle.ts";
import { type Held, leaves, serve, shown } from "./recorded.ts";

/** Serves a board, with what grew from what proven, and entries changed. */
function board(change: (leaf: Uint8Array) => Uint8Array = (leaf) => leaf, asked: string[] = [], held: Held = "council"): void {
  const hashes = leaves(held).map((leaf) => readEntry(leaf).hash);
  serve(null, undefined, held);
  const rest = globalThis.fetch;
  globalThis.fetch = (async (input: string, init: RequestInit) => {
    const url = new URL(input, "http://localhost");
    asked.push(url.pathname);
    assert.equal(new Headers(init.headers).get("authorization"), null);
    if (url.pathname.endsWith("/board/consistency")) {
      const from = Number(url.searchParams.get("from"));
      assert.equal(url.searchParams.get("to"), String(hashes.length));
      return Response.json({ consistencyProof: encoded(consistencyProof(from, hashes)) });
    }
    const answer = await rest(input, init);
    if (!url.pathname.endsWith("/board/entries")) return answer;
    const { entries } = (await answer.json()) as { entries: { leafBytes: string }[] };
    return Response.json({ entries: entries.map(({ leafBytes }) => ({ leafBytes: toBase64(change(fromBase64(leafBytes))) })) });
  }) as typeof fetch;
}

/** The same bytes with a word replaced by one that is as long. */
function replaced(leaf: Uint8Array, word: string, by: string): Uint8Array {
  const latin = new TextDecoder("latin1").decode(leaf);
  return Uint8Array.from(latin.replace(word, by), (letter) => letter.charCodeAt(0));
}

async function defined(): Promise<Defined> {
  board();
  return readDefined(shown());
}

/** What an honest server says. */
function honest({ manifest }: Defined): Election {
  return { ...shown(), key: toHex(keyOf(manifest).toBytes()) };
}

test("the definition is proven to stand on the board, without a word about who asks", async () => {
  const asked: string[] = [];
  board(undefined, asked);
  const { manifest, electionHash } = await readDefined(shown());
  assert.equal(toHex(electionHash), shown().electionHash);
  assert.deepEqual(manifest.contests, shown().contests);
  assert.ok(asked.some((path) => path.endsWith("/board/consistency")));
});

test("it is found wherever the server says that it is", async () => {
  board();
  const { electionHash } = await readDefined({ ...shown(), attempt: 0, trustees: { threshold: 1, names: [] } });
  assert.equal(toHex(electionHash), shown().electionHash);
});

test("a definition that the board did not sign is refused", async () => {
  board((leaf) => replaced(leaf, "ada", "eve"));
  await assert.rejects(readDefined(shown()), /not what was signed/);
});

test("a board of other keys is refused", async () => {
  board();
  const election = shown();
  await assert.rejects(readDefined({ ...election, board: { ...election.board!, keys: [] } }), /none of its keys/);
});

test("the board of another election is refused", async () => {
  board();
  await assert.rejects(readDefined({ ...shown(), electionId: "01a20026-0f0d-7366-be3c-0efe9c92577a" }), /defines another election/);
});

test("the definition of a poll whose votes are not secret is proven, too, and has no key", async () => {
  board(undefined, [], "poll");
  const defined = await readDefined(shown("poll"));
  checkAgrees(shown("poll"), defined);
  assert.throws(() => keyOf(defined.manifest), /there is no key/);
});

test("a server that says what the board says is believed, in whatever order it says it", async () => {
  const board = await defined();
  checkAgrees(honest(board), board);
  const { contests, ...rest } = honest(board);
  const turned = contests.map((contest) => Object.fromEntries(Object.entries({ ...contest, width: 1 }).reverse()));
  checkAgrees({ contests: turned as unknown as Election["contests"], ...rest }, board);
});

function refused(sentence: string, lie: (election: Election) => Partial<Election>, says: RegExp): void {
  test(`a server that shows ${sentence} is refused`, async () => {
    const board = await defined();
    const election = honest(board);
    assert.throws(
      () => checkAgrees({ ...election, ...lie(structuredClone(election)) }, board),
      (error: unknown) =>
        error instanceof OtherDefinition &&
        error.published === toHex(board.electionHash) &&
        says.test(error.differences.join()) &&
        says.test(error.message),
    );
  });
}

refused("another issuer’s key", ({ issuers }) => ({ issuers: issuers!.map((issuer) => ({ ...issuer, key: "ab".repeat(32) })) }), /voting keys are given out with/);
refused("options with their titles swapped", ({ contests }) => {
  const [one, two] = contests[0]!.options;
  [one!.title, two!.title] = [two!.title, one!.title];
  return { contests };
}, /questions and options/);
refused("options in another order", ({ contests }) => {
  contests[0]!.options.reverse();
  return { contests };
}, /questions and options/);
refused("another question", ({ contests }) => ({ contests: contests.slice(1) }), /questions and options/);
refused("another key", () => ({ key: toHex(G.toBytes()) }), /key that ballots are encrypted with/);
refused("other keys of trustees", ({ keys }) => ({ keys: `${keys!.slice(0, -2)}00` }), /key that ballots are encrypted with/);
refused("another hash", () => ({ electionHash: "00".repeat(32) }), /hash of the definition/);
refused("another title", () => ({ title: { en: "Another" } }), /title or description/);
refused("another end of voting", () => ({ closesAt: "2030-01-01T00:00:00Z" }), /when voting begins and ends/);
refused("votes that are not secret", () => ({ secret: false }), /whether votes are secret/);
refused("other trustees", ({ trustees }) => ({ trustees: { ...trustees!, threshold: 1 } }), /trustees/);
refused("a board that others sign", ({ board }) => ({ board: { ...board!, keys: board!.keys.slice(1) } }), /keys that sign the board/);
