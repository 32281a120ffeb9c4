// Holds elections of every kind at a server of one's own, and keeps their records for other tests. It is asked for: with
// HOLDFAST_BINARY, the program, and HOLDFAST_RECORDS, a folder.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import { checkAgrees } from "../src/election/agreement.ts";
import { type Sealed, seal, submit } from "../src/election/ballot.ts";
import { type Defined, readDefined } from "../src/election/defined.ts";
import { takeSequence } from "../src/election/kept-right.ts";
import type { Election } from "../src/election/model.ts";
import { checkReceipt } from "../src/election/receipt.ts";
import { type Right, rightTo } from "../src/election/right.ts";
import type { Answer } from "../src/mixnet/contest.ts";
import { ask, askText } from "../src/page/api.ts";
import { begin, end } from "../src/page/session.ts";

const { HOLDFAST_BINARY: binary = "", HOLDFAST_RECORDS: records = "" } = process.env;
const PASSWORD = "kelp holds fast in winter storms";
const SETTINGS = '[identity]\nregistrations = { burst = 1000000, interval-ms = 1 }\n[networks]\nallowed = ["127.0.0.0/8"]\n';
const TRUSTEES = ["trustee1", "trustee2", "trustee3"];
const post = <T>(path: string, body: object = {}) => ask<T>(path, { method: "POST", body });

/** What a browser keeps, until it is emptied. */
class Kept {
  readonly #all = new Map<string, string>();
  getItem = (name: string) => this.#all.get(name) ?? null;
  setItem = (name: string, value: string) => void this.#all.set(name, value);
  removeItem = (name: string) => void this.#all.delete(name);
  clear = () => this.#all.clear();
}

/** Gives the person's id. */
async function signIn(userId: string, credentials: string): Promise<string> {
  end();
  const { token, personId } = await post<{ token: string; personId: string }>("/api/v1/authenticate", { userId, credentials });
  begin({ token, userId });
  return personId;
}

class Town {
  readonly #server: ChildProcess;
  readonly #folder: string;
  readonly #known = new Set<string>();
  url = "";
  electionId = "";

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), "holdfast-"));
    const settings = join(this.#folder, "settings.toml");
    writeFileSync(settings, SETTINGS);
    const listen = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    const given = ["serve", "--data", join(this.#folder, "data"), "--config", settings, ...listen];
    this.#server = spawn(binary, given, { stdio: ["ignore", "ignore", "pipe"] });
  }

  async start(): Promise<void> {
    for await (const line of createInterface({ input: this.#server.stderr! })) {
      const address = /^holdfast serves (\S+) /.exec(line)?.[1];
      if (address) {
        this.url = `http://${address}`;
        break;
      }
    }
    this.#server.stderr!.resume();
    const asked = globalThis.fetch;
    globalThis.fetch = (input, init) => asked(new URL(String(input), this.url), init);
    Object.assign(globalThis, { localStorage: new Kept(), sessionStorage: new Kept() });
    await signIn("administrator", readFileSync(join(this.#folder, "data", "first-administrator-password"), "utf8"));
    for (const userId of ["officer", ...TRUSTEES]) {
      const roles = userId === "officer" ? ["officer"] : [];
      await post("/api/v1/persons", { userId, password: PASSWORD, kind: "staff", roles });
    }
  }

  async stop(): Promise<void> {
    this.#server.kill();
    await new Promise((resolve) => this.#server.once("exit", resolve));
    rmSync(this.#folder, { recursive: true });
  }

  /** An election, and who votes in it with which weight. */
  async create(definition: object, weights: number[]): Promise<void> {
    await signIn("officer", PASSWORD);
    this.electionId = (await post<Election>("/api/v1/elections", definition)).electionId;
    const voters = weights.map((weight, number) => ({ userId: `voter${number}`, weight }));
    await post(`/api/v1/elections/${this.electionId}/roll`, { voters });
  }

  async step(what: string): Promise<void> {
    await signIn("officer", PASSWORD);
    await post(`/api/v1/elections/${this.electionId}/${what}`);
  }

  /** Somebody signed in at a browser that nobody used before. */
  async arrive(userId: string): Promise<string> {
    end();
    localStorage.clear();
    if (!this.#known.has(userId)) await post("/api/v1/persons", { userId, password: PASSWORD });
    this.#known.add(userId);
    return signIn(userId, PASSWORD);
  }

  shown(): Promise<Election> {
    return ask(`/api/v1/public/elections/${this.electionId}`, { anonymous: true });
  }

  async until(what: () => Promise<boolean>): Promise<void> {
    for (let tries = 0; !(await what()); tries += 1) {
      assert.ok(tries < 1200, "it takes too long");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  untilState(state: string): Promise<void> {
    return this.until(async () => (await ask<Election>(`/api/v1/elections/${this.electionId}`)).state === state);
  }

  untilConfirmed(trackers: string[]): Promise<void> {
    return this.untilJudged(trackers, "CONFIRMED");
  }

  untilJudged(trackers: string[], judged: "CONFIRMED" | "REFUSED"): Promise<void> {
    const path = (tracker: string) => `/api/v1/public/elections/${this.electionId}/ballots/${tracker}`;
    return this.until(async () => {
      const found = await Promise.all(trackers.map((tracker) => ask<{ status: string }>(path(tracker), { anonymous: true })));
      return found.every(({ status }) => status === judged);
    });
  }

  /** Has trustees do their part until the election is in a state. */
  async trustees(users: string[], state: string, ...more: string[]): Promise<void> {
    const children = users.map((user) => {
      const key = ["--key-file", join(this.#folder, `${this.electionId}-${user}`)];
      const given = ["trustee", "--server", this.url, "--election", this.electionId, "--user", user, "--poll-ms", "200", "--keys-compared", "--few"];
      const env = { ...process.env, HOLDFAST_PASSWORD: PASSWORD };
      return spawn(binary, [...given, ...key, ...more], { env, stdio: "ignore" });
    });
    await this.untilState(state);
    await Promise.all(children.map((child) => child.exitCode ?? new Promise((resolve) => child.once("exit", resolve))));
  }

  /** Waits until a checkpoint covers all that stands on the board. */
  untilSigned(): Promise<void> {
    const board = `/api/v1/public/elections/${this.electionId}/board/checkpoint`;
    return this.until(async () => {
      const { board: own } = await ask<Election>(`/api/v1/elections/${this.electionId}`);
      const note = await askText(board, { anonymous: true }).catch(() => "");
      return note.split("\n")[1] === String(own!.size);
    });
  }

  /** Publishes the result, and keeps the record. */
  async keep(name: string): Promise<void> {
    await this.step("publication");
    await this.untilSigned();
    const at = `${this.url}/api/v1/public/elections/${this.electionId}`;
    execFileSync(binary, ["verify-election", at, "--save", join(records, name)]);
  }
}

const title = (text: string) => ({ title: { en: text } });
const options = (...ids: string[]) => ({ options: ids.map((optionId) => ({ optionId, ...title(optionId) })) });
const ranked = (ranksMax: number, sharedRanks = false) => ({ form: { kind: "ranked", ranksMax, sharedRanks } });

/** One contest of each form and of each rule. */
const TOWN = {
  ...title("Town"),
  mixers: 1,
  weights: [1, 3],
  trustees: { threshold: 2, persons: TRUSTEES.map((userId) => ({ userId, name: userId })) },
  contests: [
    { contestId: "mayor", ...title("Mayor"), form: { kind: "plurality" }, count: "most", writeInBytesMax: 20, ...options("ada", "bob") },
    { contestId: "colours", ...title("Colours"), form: { kind: "approval", approvalsMax: 2 }, count: "most", seats: 2, ...options("red", "green", "blue") },
    { contestId: "parks", ...title("Parks"), form: { kind: "score", scoreMax: 5 }, count: "most", ...options("north", "south") },
    { contestId: "order", ...title("Order"), ...ranked(3), count: "instant-runoff", ...options("x", "y", "z") },
    { contestId: "board", ...title("Board"), ...ranked(4), count: "stv-scottish", seats: 2, ...options("k", "l", "m", "n") },
    { contestId: "panel", ...title("Panel"), ...ranked(4), count: "stv-meek", seats: 2, writeInBytesMax: 12, ...options("o", "p", "q") },
    { contestId: "song", ...title("Song"), ...ranked(2, true), count: "schulze", ...options("s", "t", "u") },
  ],
};

type Row = [number | null, boolean[], (number | null)[], (number | null)[], (number | null)[], (number | null)[], (number | null)[], string?];

/** What voters say, the last of them twice. */
const SAID: Row[] = [
  [0, [true, false, true], [5, 0], [1, 2, 3], [1, 2, null, null], [1, 2, 3, null], [1, 1, 2]],
  [1, [true, true, false], [3, null], [2, 1, 3], [1, 3, 2, null], [1, 3, 2, null], [null, 1, 2]],
  [2, [false, false, false], [null, null], [3, 2, 1], [1, 2, 3, 4], [2, 1, null, 3], [2, 1, 1], "Zoe"],
  [null, [false, true, true], [0, 5], [null, null, null], [1, null, 2, 3], [null, null, null, 1], [1, null, null], "Zoë"],
  [0, [true, false, false], [2, 2], [1, null, null], [2, null, 1, null], [null, 1, 2, null], [1, 2, 2]],
  [1, [false, true, false], [4, 3], [2, 3, 1], [null, 1, 2, 3], [3, 2, 1, null], [2, null, 1]],
  [2, [false, false, true], [null, 1], [3, 1, 2], [1, 2, null, 3], [1, null, null, null], [null, null, 1], "Zoe"],
  [1, [true, true, false], [1, 4], [1, 3, 2], [4, 3, 2, 1], [null, null, 1, 2], [1, 2, 1], "Eve"],
];

function answersOf([one, approval, score, order, board, panel, song, name]: Row): Answer[] {
  const named = (marks: Answer["marks"], last: boolean): Answer => (last ? { marks, "write-in": name! } : { marks });
  return [
    named({ plurality: one }, one === 2),
    { marks: { approval } },
    { marks: { score } },
    { marks: { ranked: order } },
    { marks: { ranked: board } },
    named({ ranked: panel }, panel[3] !== null),
    { marks: { ranked: song } },
  ];
}

/** Strangers' keys and the weights that they claim: two votes are by one key. */
const STRANGERS = [
  { seed: 1, weight: 1 },
  { seed: 1, weight: 1 },
  { seed: 2, weight: 3 },
];

/** Strangers vote with tokens that nobody gave. */
async function intrude(town: Town, defined: Defined, answers: Answer[]): Promise<void> {
  const trackers: string[] = [];
  for (const [number, { seed, weight }] of STRANGERS.entries()) {
    const secretKey = new Uint8Array(32).fill(seed);
    const right = { secretKey, voterKey: ed25519.getPublicKey(secretKey), token: new Uint8Array(64), weight, fresh: true };
    trackers.push((await submit(seal(defined, right, number + 1, answers), right)).tracker);
  }
  await town.untilJudged(trackers, "REFUSED");
}

/** Holds an election with secret votes, of whose voters the last votes twice, and of whose trustees one is lost. */
async function hold(town: Town, name: string, definition: object, weights: number[], votes: Answer[][], [one, other]: [string, string]): Promise<void> {
  await town.create(definition, weights);
  await town.step("ceremony");
  await town.trustees(TRUSTEES, "ready", "--until-ready");
  await town.step("opening");
  await town.untilSigned();
  const election = await town.shown();
  const defined = await readDefined(election);
  checkAgrees(election, defined);
  const sealed: { vote: Sealed; right: Right }[] = [];
  for (const [number, said] of votes.entries()) {
    const holder = { electionId: town.electionId, personId: await town.arrive(`voter${number}`) };
    const right = await rightTo(defined, holder);
    const first = number === votes.length - 1 ? [votes[0]!] : [];
    for (const answers of [...first, said]) sealed.push({ vote: seal(defined, right, takeSequence(holder), answers), right });
  }
  // One after the other at once, so that they are checked together.
  const trackers: string[] = [];
  for (const { vote, right } of sealed) {
    const receipt = await submit(vote, right);
    checkReceipt(town.electionId, defined.board, receipt);
    trackers.push(receipt.tracker);
  }
  await town.untilConfirmed(trackers);
  // Where weights differ, strangers try too.
  if (defined.manifest.issuers.length > 1) await intrude(town, defined, votes[0]!);
  await town.step("closing");
  await town.step("tally");
  await town.untilState("decrypting");
  await town.trustees([one], "decrypting");
  await town.trustees([other], "counted");
  await town.keep(name);
}

/** The council of the system tests. */
const COUNCIL = {
  ...title("Council"),
  mixers: 2,
  trustees: TOWN.trustees,
  contests: [
    { contestId: "mayor", ...title("Mayor"), form: { kind: "plurality" }, count: "most", writeInBytesMax: 20, ...options("ada", "bob") },
    { contestId: "order", ...title("Order"), ...ranked(3), count: "instant-runoff", ...options("x", "y", "z") },
  ],
};

const COUNCIL_SAID: Answer[][] = [
  [{ marks: { plurality: 0 } }, { marks: { ranked: [1, 2, 3] } }],
  [{ marks: { plurality: 1 } }, { marks: { ranked: [2, 1, null] } }],
  [{ marks: { plurality: 0 } }, { marks: { ranked: [1, null, null] } }],
  [{ marks: { plurality: 2 }, "write-in": "Zoe" }, { marks: { ranked: [null, null, null] } }],
  [{ marks: { plurality: 0 } }, { marks: { ranked: [1, 2, 3] } }],
];

const POLL = {
  ...title("Poll"),
  secret: false,
  weights: [1, 2],
  contests: [
    { contestId: "drink", ...title("Drink"), form: { kind: "plurality" }, count: "most", writeInBytesMax: 12, ...options("tea", "coffee") },
    { contestId: "cakes", ...title("Cakes"), ...ranked(3), count: "stv-scottish", seats: 2, ...options("plum", "nut", "carrot") },
  ],
};

type Selected = Record<string, unknown>[];
const drink = (more: object): Selected => [{ contestId: "drink", ...more }];
const cakes = (...ids: string[]): Selected => ids.map((optionId, at) => ({ contestId: "cakes", optionId, rank: at + 1 }));
const SELECTED: Selected[] = [
  [...drink({ optionId: "tea" }), ...cakes("plum", "nut", "carrot")],
  [...drink({ optionId: "coffee" }), ...cakes("plum", "carrot")],
  [...drink({ writeIn: "water" }), ...cakes("nut")],
  [],
  [...drink({ optionId: "tea" }), ...cakes("plum", "nut")],
];

async function holdPoll(town: Town): Promise<void> {
  await town.create(POLL, SELECTED.map((_, number) => 1 + (number % 2)));
  await town.step("ceremony");
  await town.step("opening");
  const { electionId } = town;
  const trackers: string[] = [];
  for (const [number, selected] of SELECTED.entries()) {
    await signIn(`voter${number}`, PASSWORD);
    const { token } = await post<{ token: string }>("/api/v1/voting/token", { electionId });
    const first = number === 1 ? [SELECTED[0]!] : [];
    for (const selections of [...first, selected]) {
      const body = { electionId, token, selections };
      trackers.push((await ask<{ tracker: string }>("/api/v1/voting/submit", { method: "POST", anonymous: true, body })).tracker);
    }
  }
  await town.untilConfirmed(trackers);
  await town.step("closing");
  await town.step("tally");
  await town.untilState("counted");
  await town.keep("poll");
}

test("elections of every kind are held at a server, and their records kept", { skip: binary === "" && "no HOLDFAST_BINARY" }, async () => {
  const town = new Town();
  try {
    await town.start();
    await hold(town, "town", TOWN, [1, 1, 1, 3, 1, 3, 1, 3], SAID.map(answersOf), ["trustee2", "trustee3"]);
    await hold(town, "council", COUNCIL, [1, 1, 1, 1, 1], COUNCIL_SAID, ["trustee1", "trustee2"]);
    await holdPoll(town);
  } finally {
    await town.stop();
  }
});
