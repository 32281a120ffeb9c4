// How a page's script begins, and what it shows when it cannot.

import { message } from "./api.ts";
import { show } from "./dom.ts";
import { button, heading, paragraph } from "./form.ts";

/** Shows what `first` shows; if that fails, why, and a way to try again. */
export async function begin(first: () => void | Promise<void>): Promise<void> {
  try {
    await first();
  } catch (error) {
    show(heading("Something went wrong"), paragraph(message(error)), button("Try again", () => void begin(first)));
  }
}
