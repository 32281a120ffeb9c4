// Leaving the booth on a device that others may use.

import { exported, remove } from "../election/kept-right.ts";
import { said } from "../election/model.ts";
import { type Child, h, show } from "../page/dom.ts";
import { choices, download, form, heading, link, paragraph, warning } from "../page/form.ts";
import { userId } from "../page/session.ts";
import { signOut } from "../page/sign-out.ts";
import type { Sitting } from "./sitting.ts";

/** Who is voting here, and how to end that: the next in line may be somebody else. */
export function signedInAs(sitting: Sitting, back: () => void): HTMLElement {
  const act = { type: "button", class: "link-button govuk-link", onclick: () => leave(sitting, back) } as const;
  return paragraph(`You are signed in as ${userId() ?? "a voter"}. `, h("button", act, "Sign out"));
}

/** Asks whether the voting key is to stay. */
export function leave(sitting: Sitting, back: () => void): void {
  const { defined, holder } = sitting;
  const key = exported(holder);
  show(
    heading("Sign out", said(defined.manifest.title)),
    key !== null && keyChoice(key),
    form(
      "Sign out",
      async (values) => {
        const removed = values.get("remove") === "yes";
        if (removed) remove(holder);
        await signOut();
        gone(holder.electionId, removed);
      },
      key !== null &&
        choices("checkboxes", { id: "remove", label: "Do others use this device?" }, [
          { value: "yes", label: "Remove my voting key from this device", hint: "Whoever can use this browser as you do could otherwise vote in your place" },
        ]),
    ),
    h("p", {}, h("button", { type: "button", class: "link-button govuk-link", onclick: () => back() }, "Do not, go back")),
  );
}

function keyChoice(key: string): Child {
  return [
    warning("If you remove your voting key and have not saved it, you can never vote again in this election, on any device. A ballot that you have cast still counts."),
    paragraph("Nobody else has the key, and nobody can give you another one. ", download(key, "voting-key.json", "Save the voting key")),
  ];
}

function gone(electionId: string, removed: boolean): void {
  show(
    heading("You are signed out"),
    paragraph(removed ? "Your voting key is not on this device any more." : "If you have a voting key, it is still in this browser, under your name."),
    paragraph(link(`/elections/${electionId}`, "See this election")),
  );
}
