// A trustee's page: one part of the key is made here, and used here when the voting is over.

import { Malformed, toHex } from "../bytes.ts";
import { type Election, said } from "../election/model.ts";
import { type Ceremony, fingerprintOf, takePart, transportKeysOf, waitsForAssent } from "../election/trustee/ceremony.ts";
import { confirmKey } from "../election/trustee/confirm.ts";
import { type Decryption, type ToDecrypt, checkRecord, decryptAll, fewIn, isSpokenFor } from "../election/trustee/decrypt.ts";
import type { List } from "../election/verify/mixes.ts";
import { Safe } from "../election/trustee/safe.ts";
import { ask } from "../page/api.ts";
import { begin } from "../page/begin.ts";
import { type Child, h, root, show } from "../page/dom.ts";
import {
  Invalid,
  button,
  choices,
  download,
  fileField,
  fileOf,
  form,
  heading,
  inset,
  link,
  paragraph,
  subheading,
  summaryList,
  table,
  tag,
  tell,
  warning,
} from "../page/form.ts";
import { signedIn } from "../page/sign-in.ts";

const electionId = root().dataset["election"]!;
const AGAIN_MS = 2000;

void begin(start);

async function start(): Promise<void> {
  await signedIn("Sign in as one of this election’s trustees.");
  const election = await ask<Election>(`/api/v1/elections/${electionId}`);
  if (election.you?.trustee == null) {
    show(heading("You are not a trustee", said(election.title)), paragraph("Ask the election’s officers if you should be one."));
  } else if (election.state === "ceremony") {
    welcome(election);
  } else if (["decrypting", "counted", "published"].includes(election.state)) {
    await decryption(election);
  } else {
    await waiting(election);
  }
}

function welcome(election: Election): void {
  const { threshold, names } = election.trustees!;
  show(
    heading("Make your part of the key", said(election.title)),
    paragraph(`You are one of ${names.length} trustees. Ballots are encrypted to a key that nobody holds: each of you makes a part of it, and ${threshold} of you can decrypt the result together. Fewer cannot.`),
    inset("All trustees take part at the same time: keep this page open until it says that the key is made. Have a way to speak with the others that is not this server, such as the telephone: before you approve the key, you compare a few numbers."),
    warning("Your part is made in this browser and stays here. Save it to a file afterwards: if too many parts are lost, nobody can ever count this election."),
    button("Take part", () => void ceremony(election)),
  );
}

/** The transport keys that this trustee has said are what the others see. */
let compared: string[] | null = null;

async function ceremony(election: Election): Promise<void> {
  let seen = "";
  for (;;) {
    try {
      const path = `/api/v1/elections/${electionId}/ceremony`;
      const now = await takePart(election, await ask<Ceremony>(path), compared);
      const made = now.step === "concluded" && now.keys !== null;
      const hash = made ? await confirmKey(await ask<Election>(`/api/v1/elections/${electionId}`)) : null;
      const state = JSON.stringify([now.step, now.attempt, now.said, now.faults, hash]);
      if (state !== seen) progress(election, now, hash);
      seen = state;
      if (hash !== null) return;
    } catch (error) {
      tell(error);
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

const STEPS: [Ceremony["step"], string][] = [
  ["transport-key", "Address for shares"],
  ["sealed-opening", "Sealed part"],
  ["opening", "Opened part"],
  ["dealing", "Shares dealt"],
  ["approval", "Shares received"],
];

function progress(election: Election, now: Ceremony, hash: string | null): void {
  const done = (said: Ceremony["said"][number]) => [
    said.transportKey !== null,
    said.sealedOpening !== null,
    said.opening !== null,
    said.dealing !== null,
    said.approved,
  ];
  const rows = now.said.map((each): Child[] => [
    each.trustee === now.you ? `${each.name} (you)` : each.name,
    ...done(each).map((yes) => (yes ? "✓" : "…")),
  ]);
  const due = waitsForAssent(now, compared);
  show(
    heading(titleOf(now, due, hash), said(election.title)),
    hash !== null && confirmed(hash),
    now.faults.map(({ trustee, offence }) => warning(`${now.said[trustee - 1]?.name ?? trustee}: ${offence}`)),
    now.step === "void" && paragraph("The officers begin anew. This page goes on by itself when they do."),
    due && addresses(now),
    h("div", { class: "wide" }, table("What each trustee has said", ["Trustee", ...STEPS.map(([, text]) => text)], rows)),
    !due && addresses(now),
    hash !== null && save("You need it when the voting is over."),
  );
}

function titleOf({ step }: Ceremony, due: boolean, hash: string | null): string {
  if (step === "concluded") return hash === null ? "Looking for the key on the public board" : "The key is made";
  if (step === "void") return "Somebody did not keep to the ceremony";
  return due ? "Compare before you approve the key" : "Making the key";
}

/** Whoever stands between the trustees would show each of them other keys. */
function addresses(now: Ceremony): Child {
  const keys = transportKeysOf(now);
  if (!keys) return null;
  const enough = { key: "Enough to decrypt", value: `${now.threshold} of ${now.trustees}` };
  const lines = now.said.map(({ name }, at) => ({ key: name, value: h("code", {}, fingerprintOf(keys[at]!)) }));
  return [
    subheading("Compare with the others"),
    paragraph("Read these to each other by another way than this server, by telephone for example. Every trustee must see the same names and numbers, also of how many are enough."),
    summaryList([enough, ...lines]),
    waitsForAssent(now, compared) && assent(keys),
  ];
}

function assent(keys: string[]): Child {
  const agree = button("All of them are the same: approve the key", () => {
    compared = keys;
    agree.replaceWith(paragraph("Approving…"));
  });
  return [
    warning("If a line differs, do not approve: somebody could read all parts of the key. Tell the election’s officers, and leave this page."),
    agree,
  ];
}

/** What a trustee tells the others, who cannot know otherwise whose key it is. */
function confirmed(hash: string): Child {
  return [
    paragraph("The key on the public board is the one that you and the others made, and you have your share of it. Nobody but a trustee can find that out: tell the other trustees and the observers this hash, by another way than this server."),
    summaryList([{ key: "The election’s hash", value: h("code", { class: "hash" }, grouped(hash)) }]),
  ];
}

function grouped(hash: string): string {
  return hash.replace(/(.{8})(?=.)/g, "$1 ");
}

/** The election's hash, if the key is this trustee's; nothing if this browser does not keep their part, and cannot tell. */
async function confirmedHash(election: Election): Promise<string | null> {
  if (!Safe.of(electionId).hasShare()) return null;
  const hash = await confirmKey(election);
  if (hash === null) throw new Malformed("the public board does not show the key yet");
  return hash;
}

/** Offers the key file. It holds more after each thing that was done with the key. */
function save(why: string): Child {
  const key = Safe.of(electionId).exported();
  if (!key) return null;
  return [
    warning(`Save your part now, and keep it where only you can reach it. ${why}`),
    paragraph(download(key, `trustee-key-${electionId}.json`, "Save my part of the key")),
    paragraph(link(`/elections/${electionId}`, "See this election")),
  ];
}

async function waiting(election: Election): Promise<void> {
  const made = ["ready", "open", "closed", "mixing"].includes(election.state);
  const hash = made ? await confirmedHash(election) : null;
  show(
    heading(Safe.of(electionId).hasShare(election.attempt) ? "Your part of the key is here" : "Trustee", said(election.title)),
    paragraph(tag(election.state), " There is nothing to do for you now. Come back when the ballots are mixed: then the trustees decrypt them."),
    hash !== null && confirmed(hash),
    save("You need it when the voting is over."),
  );
}

const AFTER = "The file now also says what was decrypted, so that no other browser that has it decrypts anything else of this election. Put it in the place of the one that you saved before.";

async function decryption(election: Election): Promise<void> {
  const now = await ask<Decryption>(`/api/v1/elections/${electionId}/decryption`);
  if (isSpokenFor(now, Safe.of(electionId))) return spokenFor(election);
  const mine = now.you !== null && now.decrypted.includes(now.you);
  if (mine || now.state !== "decrypting") {
    const hash = await confirmedHash(election);
    show(
      heading(mine ? "You have decrypted your part" : "The election is counted", said(election.title)),
      paragraph(`${now.decrypted.length} of the ${now.threshold} trustees that are needed have decrypted.`),
      hash === null ? [paragraph("Whether the key on the public board is yours, only your part of it can tell."), keyForm(election)] : confirmed(hash),
      mine ? save(AFTER) : paragraph(link(`/elections/${electionId}`, "See this election")),
    );
    return;
  }
  if (now.you !== null && now.checking.includes(now.you)) {
    show(
      heading("Your part is being checked", said(election.title)),
      paragraph("The server checks that your part fits the public record. With very many ballots that takes minutes. This page tells you what comes of it; you may also close it and come back."),
      save(AFTER),
    );
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    return decryption(election);
  }
  const lied = now.you !== null && now.lied.includes(now.you);
  const rows = now.lists.reduce((sum, list) => sum + list.rows, 0);
  show(
    heading("Decrypt the mixed ballots", said(election.title)),
    lied && warning("A part that was sent in your name is false, and the public record says so. If you did not send it, tell the election’s officers. You can still send a true one."),
    paragraph(`Mixed answers: ${rows}. This page first checks the public record on this device, up to where it says what is to be decrypted, and tells you what to compare with the other trustees. Then it decrypts your part of what came out of the last mix. This browser remembers what that was, and never decrypts anything else of this election.`),
    Safe.of(electionId).hasShare(election.attempt) ? checkForm(election) : keyForm(election),
  );
}

/** Somebody decrypted as this trustee: the trustee with another browser, or somebody else. */
function spokenFor(election: Election): void {
  show(
    heading("Something was decrypted in your name", said(election.title)),
    warning("This browser has decrypted nothing of this election, and the server says that you have. If you did not do that in another browser or with another program, somebody else spoke in your name: tell the election’s officers, the other trustees and the observers."),
    paragraph("If you did it in another browser, choose the file that you saved there afterwards."),
    keyForm(election),
  );
}

/** A list of what was done, and how to add to it. */
function steps(): { log: HTMLElement; told: (what: string) => Promise<void> } {
  const log = h("ol", { class: "steps", role: "status" });
  const told = async (what: string) => {
    log.append(h("li", { class: "step step--good" }, what));
    await new Promise((resolve) => setTimeout(resolve, 0));
  };
  return { log, told };
}

function checkForm(election: Election): HTMLElement {
  const { log, told } = steps();
  const check = async () => {
    log.replaceChildren();
    decryptPage(election, await checkRecord(election, told));
  };
  return h("div", {}, form("Check the record", check), log);
}

/** What a trustee compares, and agrees to, before anything is decrypted. */
function decryptPage(election: Election, checked: ToDecrypt): void {
  const { board, lists } = checked;
  const { log, told } = steps();
  show(
    heading("The record is in order", said(election.title)),
    subheading("Compare with the other trustees"),
    paragraph("Read these to each other by another way than this server. They are the same for every trustee, whenever they look. If they differ, do not decrypt: the server shows you different boards. Tell the election’s officers and observers."),
    summaryList([
      { key: "Entries of the board", value: board.size },
      { key: "Root of the board", value: h("code", { class: "hash" }, grouped(toHex(board.root))) },
    ]),
    form(
      "They are the same: decrypt my part",
      async (values) => {
        const agreed = new Set(values.getAll("few").map(Number));
        if (agreed.size < fewIn(lists).length) throw new Invalid("few", "Agree to each of these lists, or do not decrypt");
        log.replaceChildren();
        await decryptAll(checked, agreed, told);
        await decryption(election);
      },
      fewChoices(checked),
    ),
    log,
  );
}

function fewChoices({ decided: { manifest }, lists }: ToDecrypt): Child {
  const few = fewIn(lists);
  if (few.length === 0) return null;
  const label = ({ number, contest, weight, rows: { rows } }: List) =>
    `List ${number + 1} of ${rows.length} ${rows.length === 1 ? "row" : "rows"}: “${said(manifest.contests[contest]!.title)}”, weight ${weight}. The answers of so few people become public as theirs.`;
  return choices(
    "checkboxes",
    { id: "few", label: "Some lists are very short", hint: "If you do not agree, do not decrypt: speak with the election’s officers and the other trustees first." },
    few.map((list) => ({ value: String(list.number), label: label(list) })),
  );
}

function keyForm(election: Election): HTMLElement {
  return form(
    "Use this key file",
    async (values) => {
      const text = await fileOf(values, "key-file");
      if (text === null) throw new Invalid("key-file", "Choose the file with your part of the key");
      Safe.of(electionId).import(text);
      await decryption(election);
    },
    fileField({ id: "key-file", label: "Your part of the key", hint: "It is not in this browser. Choose the file that you saved." }),
  );
}
