/** Commands on their way: sent, accepted (they stand in the log), applied by the engine or refused by it. */

import type { CommandBody, Life, Place } from "../life";
import * as api from "./api";

/** After so long (ms) without an effect the page says that the engine has not come to it yet. */
export const PATIENCE = 15_000;

export type Stage =
  | { kind: "sending" }
  | { kind: "accepted"; place: Place; at: number }
  | { kind: "refused"; detail: string }
  | { kind: "failed"; status: number | null; detail: string };

export interface Given {
  body: CommandBody;
  stage: Stage;
}

export function targetOf(body: CommandBody): string {
  return "alert_id" in body ? body.alert_id : body.action_id;
}

/** Whether an output was caused by the record at `place`: ids begin with it. */
function causedBy(id: string, { partition, offset }: Place): boolean {
  return id.startsWith(`${partition}-${offset}-`);
}

function isApplied(body: CommandBody, place: Place, life: Life): boolean {
  if ("alert_id" in body) {
    if (!life.alerts) return false;
    const open = life.alerts.open.find((alert) => alert.alert_id === body.alert_id);
    if (!open || causedBy(open.id, place)) return true;
    // Taken by somebody else it is not ours: the refusal follows.
    return body.command === "acknowledge_alert" && open.state === "acknowledged" && open.by === body.who;
  }
  if (!life.actions) return false;
  const action = [...life.actions.open, ...life.actions.closed].find((each) => each.action_id === body.action_id);
  return !action || action.states.some((state) => causedBy(state.id, place)) || action.state !== "awaiting_approval";
}

/** The commands of the subject in focus, one for each alert or action at a time. */
export class Commands {
  private readonly given = new Map<string, Given>();
  private life: Life = {};

  constructor(
    private readonly namespace: string,
    private readonly changed: () => void,
  ) {}

  of(target: string): Given | undefined {
    return this.given.get(target);
  }

  async give(body: CommandBody): Promise<void> {
    const target = targetOf(body);
    const set = (stage: Stage) => {
      this.given.set(target, { body, stage });
      this.changed();
    };
    set({ kind: "sending" });
    try {
      set({ kind: "accepted", place: await api.command(this.namespace, body), at: performance.now() });
      // What it caused may have come before the answer.
      this.settle(this.life);
      setTimeout(this.changed, PATIENCE + 50);
    } catch (error) {
      const status = error instanceof api.Refused ? error.status : null;
      set({ kind: "failed", status, detail: error instanceof api.Refused ? error.detail : "" });
    }
  }

  forget(target: string): void {
    this.given.delete(target);
    this.changed();
  }

  /** What the engine has said: applied commands are over, refused ones say why. */
  settle(life: Life): void {
    this.life = life;
    for (const [target, { body, stage }] of this.given) {
      if (stage.kind !== "accepted") continue;
      const refusal = life.refusals?.find(
        (each) => each.partition === stage.place.partition && each.offset === stage.place.offset,
      );
      if (refusal) this.given.set(target, { body, stage: { kind: "refused", detail: refusal.detail } });
      else if (isApplied(body, stage.place, life)) this.given.delete(target);
    }
  }
}
