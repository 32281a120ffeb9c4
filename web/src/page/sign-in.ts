// Signing in, wherever a page needs to know who somebody is.

import { ask } from "./api.ts";
import { type Child, show } from "./dom.ts";
import { Invalid, form, heading, paragraph, textInput } from "./form.ts";
import { begin, token } from "./session.ts";

/** Goes on once somebody is signed in, at once if they are: gives the person's id. */
export async function signedIn(why: string, ...more: Child[]): Promise<string> {
  if (token() !== null) {
    try {
      return (await ask<{ personId: string }>("/api/v1/session")).personId;
    } catch {
      // The session has ended: begin another.
    }
  }
  return new Promise<string>((resolve) => {
    show(
      heading("Sign in"),
      paragraph(why),
      more,
      form(
        "Sign in",
        async (values) => {
          const userId = String(values.get("user-id") ?? "").trim();
          const credentials = String(values.get("password") ?? "");
          if (userId === "") throw new Invalid("user-id", "Enter your name");
          if (credentials === "") throw new Invalid("password", "Enter your password");
          const body = { userId, credentials };
          const asking = { method: "POST", body, anonymous: true } as const;
          const { token, personId } = await ask<{ token: string; personId: string }>("/api/v1/authenticate", asking);
          begin({ token, userId });
          resolve(personId);
        },
        textInput({ id: "user-id", label: "Name", autocomplete: "username", width: 20 }),
        textInput({ id: "password", label: "Password", type: "password", autocomplete: "current-password", width: 20 }),
      ),
    );
  });
}
