// What the server says of a ballot that was sent, and whether it can be held to it.

import { Malformed } from "../bytes.ts";
import { shown } from "../election/bindings.ts";
import { said } from "../election/model.ts";
import { type Receipt, checkReceipt, receiptText } from "../election/receipt.ts";
import { message } from "../page/api.ts";
import { h, show } from "../page/dom.ts";
import { button, download, heading, link, panel, paragraph, subheading, warning } from "../page/form.ts";
import { saveKey } from "./key.ts";
import { leave } from "./leaving.ts";
import type { Sitting } from "./sitting.ts";

/** Shows the receipt if it is one. `tracker` is the code of what was sent, where this device knows it. */
export function received(sitting: Sitting, receipt: Receipt, tracker = receipt.tracker): void {
  const { holder, defined } = sitting;
  try {
    if (receipt.tracker !== tracker) throw new Malformed("the server recorded another ballot than the one that was sent");
    checkReceipt(holder.electionId, defined.board, receipt);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return unproven(sitting, receipt, tracker, error);
  }
  inOrder(sitting, receipt);
}

const trackOf = ({ holder }: Sitting, tracker: string) => `/elections/${holder.electionId}/ballots/${tracker}`;

function inOrder(sitting: Sitting, receipt: Receipt): void {
  const { title, electionId } = sitting.defined.manifest;
  const track = trackOf(sitting, receipt.tracker);
  const text = receiptText(said(title), receipt, `${location.origin}${track}`);
  const again = () => inOrder(sitting, receipt);
  show(
    panel("Your ballot was received", "Your tracking code", h("br"), h("strong", { class: "tracker-panel", "data-tracker": receipt.tracker }, shown(receipt.tracker))),
    paragraph("Keep the code. With it you, and anybody whom you give it, can see that your ballot is on the public board. It does not show how you voted."),
    paragraph("The board’s key has signed this receipt. Save it: if your ballot is ever missing from the board, the receipt proves that it was taken."),
    paragraph(link(track, "Find my ballot on the board"), " · ", download(text, "ballot-receipt.txt", "Save the receipt")),
    subheading("If you change your mind"),
    paragraph("Vote again before voting ends. The ballot that you lock last counts, and nobody can tell whose it is."),
    sitting.right && saveKey(sitting),
    subheading("If others use this device"),
    button(sitting.right ? "Sign out, or remove my voting key" : "Sign out", () => leave(sitting, again), "secondary"),
    paragraph(link(`/elections/${electionId}`, "See this election")),
  );
}

function unproven(sitting: Sitting, receipt: Receipt, tracker: string, why: Malformed): void {
  const kept = { why: why.message, electionId: sitting.holder.electionId, sent: tracker, answer: receipt };
  const again = () => unproven(sitting, receipt, tracker, why);
  show(
    heading("The server’s receipt does not hold", said(sitting.defined.manifest.title)),
    warning("Your ballot was sent, but the server did not give a receipt that it could be held to. It may not count."),
    paragraph(message(why)),
    paragraph("Save the server’s answer, and give it to the election’s officers and observers. Then see whether your ballot is on the board; if it is not, vote again with another device or connection."),
    paragraph(download(JSON.stringify(kept, null, 2), "receipt-that-does-not-hold.json", "Save the server’s answer")),
    paragraph(link(trackOf(sitting, tracker), "Look for my ballot on the board")),
    button("Sign out", () => leave(sitting, again), "secondary"),
  );
}
