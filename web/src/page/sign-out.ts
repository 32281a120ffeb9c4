// Signing out, of the server and of this tab.

import { Refused, ask } from "./api.ts";
import { end } from "./session.ts";

export async function signOut(): Promise<void> {
  try {
    await ask("/api/v1/session", { method: "DELETE" });
  } catch (error) {
    // Whose session has ended is signed out already.
    if (!(error instanceof Refused) || error.status !== 401) throw error;
  }
  end();
}
