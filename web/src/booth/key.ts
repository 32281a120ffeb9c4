// The voting key: having it early, having it elsewhere, and saving it.

import { exported, imported } from "../election/kept-right.ts";
import { said } from "../election/model.ts";
import type { ElsewhereError } from "../election/right.ts";
import { whichElection } from "../election/which.ts";
import { show } from "../page/dom.ts";
import { Invalid, button, details, download, fileField, fileOf, form, heading, inset, link, paragraph } from "../page/form.ts";
import { moment } from "../page/words.ts";
import { signedInAs } from "./leaving.ts";
import type { Sitting } from "./sitting.ts";

/** What whoever asks for a key and votes at once gives away. */
export const LINKED =
  "If you get your voting key and vote in one sitting, over one connection, whoever runs this server can guess by the time that the ballot which follows is yours, though not how you voted.";

export function saveKey({ holder }: Sitting): HTMLElement {
  return details(
    "Save your voting key",
    paragraph(
      "Your voting key was made in this browser and is kept here until you remove it or clear its data. Save it to a file if you may want to vote from another device. Whoever has the file can vote in your place.",
    ),
    paragraph(download(exported(holder) ?? "", "voting-key.json", "Save the voting key")),
  );
}

/** The key is here, and the voting has not begun. */
export function keyIsHere(sitting: Sitting): void {
  const { title, opensAt } = sitting.defined.manifest;
  show(
    heading("Your voting key is in this browser", said(title)),
    inset(opensAt ? `Voting begins on ${moment(opensAt)}.` : "It will be announced when voting begins."),
    paragraph("You have not voted yet. Come back with this browser when voting has begun, or with another one and the key that you saved."),
    saveKey(sitting),
    whichElection(sitting.defined),
    signedInAs(sitting, () => keyIsHere(sitting)),
    paragraph(link(`/elections/${sitting.holder.electionId}`, "See this election")),
  );
}

/** The server gave a token for another key. It may be right, and it may be lying: so nothing that is here goes away. */
export function keyIsElsewhere(sitting: Sitting, { madeAt }: ElsewhereError, again: () => Promise<void>): void {
  show(
    heading("Your voting key is on another device", said(sitting.defined.manifest.title)),
    paragraph(
      "The server says that a voting key was already given to you, for a key that another device or browser made. Vote from there, or bring the key file that you saved: nobody else has that key, not even this server.",
    ),
    madeAt !== null &&
      inset(`This browser made a key for you on ${moment(madeAt)} as well, and was never given the right to vote for it. It stays here, in case what the server says is not true.`),
    paragraph("If you never asked for a voting key with another device or browser, somebody else did in your name, or the server is wrong: tell the election’s officers."),
    form(
      "Use this key file",
      async (values) => {
        const text = await fileOf(values, "key-file");
        if (text === null) throw new Invalid("key-file", "Choose the file with your voting key");
        imported(text, sitting.holder);
        await again();
      },
      fileField({ id: "key-file", label: "Voting key file" }),
    ),
    button("Ask the server again", () => void again(), "secondary"),
    signedInAs(sitting, () => void again()),
  );
}
