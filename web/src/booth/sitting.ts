// One voter in the booth.

import type { Defined } from "../election/defined.ts";
import type { Holder } from "../election/kept-right.ts";
import type { Right } from "../election/right.ts";

export interface Sitting {
  defined: Defined;
  holder: Holder;
  /** Nothing where votes are not secret. */
  right: Right | undefined;
}
