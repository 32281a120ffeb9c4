// A trustee's page: one part of the key is made here, and used here when the voting is over.

import { type Election, said } from "../election/model.ts";
import { type Ceremony, takePart } from "../election/trustee/ceremony.ts";
import { type Decryption, decryptAll } from "../election/trustee/decrypt.ts";
import { Safe } from "../election/trustee/safe.ts";
import { ask } from "../page/api.ts";
import { begin } from "../page/begin.ts";
import { type Child, h, root, show } from "../page/dom.ts";
import {
  Invalid,
  button,
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
    inset("All trustees take part at the same time: keep this page open until it says that the key is made. It takes a minute."),
    warning("Your part is made in this browser and stays here. Save it to a file afterwards: if too many parts are lost, nobody can ever count this election."),
    button("Take part", () => void ceremony(election)),
  );
}

async function ceremony(election: Election): Promise<void> {
  let seen = "";
  for (;;) {
    try {
      const path = `/api/v1/elections/${electionId}/ceremony`;
      const now = await takePart(election, await ask<Ceremony>(path));
      const state = JSON.stringify([now.step, now.attempt, now.said, now.faults]);
      if (state !== seen) progress(election, now);
      seen = state;
      if (now.step === "concluded") return;
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

function progress(election: Election, now: Ceremony): void {
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
  const concluded = now.step === "concluded";
  show(
    heading(concluded ? "The key is made" : now.step === "void" ? "Somebody did not keep to the ceremony" : "Making the key", said(election.title)),
    now.faults.map(({ trustee, offence }) => warning(`${now.said[trustee - 1]?.name ?? trustee}: ${offence}`)),
    now.step === "void" && paragraph("The officers begin anew. This page goes on by itself when they do."),
    h("div", { class: "wide" }, table("What each trustee has said", ["Trustee", ...STEPS.map(([, text]) => text)], rows)),
    now.said.every(({ transportKey }) => transportKey !== null) && addresses(now),
    concluded && save(),
  );
}

/** Whoever stands between the trustees would show each of them other keys. */
function addresses(now: Ceremony): Child {
  const lines = now.said.map(({ name, transportKey }) => ({
    key: name,
    value: h("code", {}, (transportKey ?? "").replace(/(.{8})(?=.)/g, "$1 ")),
  }));
  return [
    subheading("Compare with the others"),
    paragraph("Read these to each other, by telephone for example. Every trustee must see the same: if a line differs, do not save your part, and tell the election’s officers."),
    summaryList(lines),
  ];
}

function save(): Child {
  const key = Safe.of(electionId).exported();
  if (!key) return null;
  return [
    warning("Save your part now, and keep it where only you can reach it. You need it when the voting is over."),
    paragraph(download(key, `trustee-key-${electionId}.json`, "Save my part of the key")),
    paragraph(link(`/elections/${electionId}`, "See this election")),
  ];
}

async function waiting(election: Election): Promise<void> {
  show(
    heading(Safe.of(electionId).hasShare(election.attempt) ? "Your part of the key is here" : "Trustee", said(election.title)),
    paragraph(tag(election.state), " There is nothing to do for you now. Come back when the ballots are mixed: then the trustees decrypt them."),
    save(),
  );
}

async function decryption(election: Election): Promise<void> {
  const now = await ask<Decryption>(`/api/v1/elections/${electionId}/decryption`);
  const mine = now.you !== null && now.decrypted.includes(now.you);
  if (mine || now.state !== "decrypting") {
    show(
      heading(mine ? "You have decrypted your part" : "The election is counted", said(election.title)),
      paragraph(`${now.decrypted.length} of the ${now.threshold} trustees that are needed have decrypted.`),
      paragraph(link(`/elections/${electionId}`, "See this election")),
    );
    return;
  }
  if (now.you !== null && now.checking.includes(now.you)) {
    show(
      heading("Your part is being checked", said(election.title)),
      paragraph("The server checks that your part fits the public record. With very many ballots that takes minutes. This page tells you what comes of it; you may also close it and come back."),
    );
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    return decryption(election);
  }
  const lied = now.you !== null && now.lied.includes(now.you);
  const rows = now.lists.reduce((sum, list) => sum + list.rows, 0);
  show(
    heading("Decrypt the mixed ballots", said(election.title)),
    lied && warning("A part that was sent in your name is false, and the public record says so. If you did not send it, tell the election’s officers. You can still send a true one."),
    paragraph(`There are ${rows} mixed answers. This page first checks the public record on this device, up to where it says what is to be decrypted, and then decrypts your part of what came out of the last mix. This browser remembers what that was, and never decrypts anything else of this election.`),
    Safe.of(electionId).hasShare(election.attempt) ? decryptForm(election) : keyForm(election),
  );
}

function decryptForm(election: Election): HTMLElement {
  const log = h("ol", { class: "steps", role: "status" });
  return h(
    "div",
    {},
    form("Check and decrypt", async () => {
      log.replaceChildren();
      await decryptAll(election, async (what) => {
        log.append(h("li", { class: "step step--good" }, what));
        await new Promise((resolve) => setTimeout(resolve, 0));
      });
      await decryption(election);
    }),
    log,
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
