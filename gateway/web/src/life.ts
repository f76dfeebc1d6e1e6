/** What crosses the wire about the living part: who speaks, which alerts are open, which actions are under way. */

import type { Level, Priority, Side } from "./contract";

export interface Told {
  namespace: string;
  id: string;
  /** Epoch milliseconds. */
  ts: number;
}

export interface TermValue {
  term: string;
  holds: boolean | null;
  value: number | null;
}

export interface VoiceEvent extends Told {
  voice: string;
  event: string;
  priority: string | null;
  rule: string | null;
  terms: TermValue[];
  against: string | null;
  reason: string | null;
  leading: string | null;
  symbol: string;
  mode: string | null;
  active: string[];
  queued: string[];
  actions: string[];
  dropped: Record<string, string>;
  by: string | null;
  why: string | null;
}

/** A voice, and the event by which it came to speak or to wait (null: from before what is kept). */
export interface Standing {
  voice: string;
  said: VoiceEvent | null;
}

export interface Voices {
  leading: string | null;
  leading_since: number | null;
  symbol: string;
  mode: string | null;
  active: Standing[];
  queued: Standing[];
  muted: Standing[];
  synthesis: VoiceEvent | null;
  /** Newest first. */
  recent: VoiceEvent[];
}

export type AlertState = "pending" | "firing" | "acknowledged" | "silenced" | "resolved";

export interface Step {
  step: number;
  kind: "trigger" | "resolve";
  role: string;
  who: string;
  channel: string;
  state: "due" | "sent" | "failed" | "cancelled";
  reason: string | null;
  due: number;
  /** What it was about; of a crisis the mean of the last seconds. */
  value: number | null;
  ts: number;
}

export interface Alert extends Told {
  alert_id: string;
  metric: string;
  kind: "slo" | "unknown" | "budget";
  level: Level;
  priority: Priority;
  state: AlertState;
  threshold: number | null;
  side: Side | null;
  value: number | null;
  statistic: string | null;
  window_ms: number | null;
  since: number;
  first: number;
  last: number;
  chain: Priority;
  flapping: boolean;
  resolution: string | null;
  by: string | null;
  why: string | null;
  fired: number | null;
  steps: Step[];
  next:
    | { what: "fires"; due: number }
    | { what: "step"; due: number; step: number; role: string; who: string | null; channel: string }
    | null;
}

export type ActionState =
  | "requested"
  | "approved"
  | "awaiting_approval"
  | "refused"
  | "dispatched"
  | "acknowledged"
  | "effective"
  | "ineffective"
  | "expired";

export interface Action extends Told {
  action_id: string;
  action: string;
  metric: string;
  level: Priority;
  state: ActionState;
  strength: number;
  review: { by: string; decision: string; reason: string } | null;
  effect: {
    metric: string;
    low: number | null;
    high: number | null;
    within: number;
    before: number | null;
    after: number | null;
    acknowledged: number | null;
  };
  until: number | null;
  by: string | null;
  why: string | null;
  evidence: { condition: string; terms: TermValue[]; since: number };
  states: { state: ActionState; ts: number; by: string | null; why: string | null; id: string }[];
}

export interface Budget extends Told {
  metric: string;
  objective: number;
  window_ms: number;
  remaining: number;
  burn: Record<string, number>;
  alert: "page" | "ticket" | null;
  threshold: number | null;
}

export interface Refusal {
  partition: number;
  offset: number;
  detail: string;
  ts: number;
}

/** Of the subject in focus; a section that is absent has not changed (or nothing of it was ever said). */
export interface Life {
  voices?: Voices;
  alerts?: { open: Alert[]; closed: Alert[] };
  actions?: { open: Action[]; closed: Action[] };
  budgets?: Budget[];
  signals?: (Told & { values: Record<string, number> }) | null;
  refusals?: Refusal[];
}

/** Of any subject, as the overview tells it. */
export interface LifeLine {
  namespace: string;
  tenant: string;
  subject: string;
  leading: string | null;
  active: string[];
  queued: string[];
  symbol: string | null;
  mode: string | null;
  firing: number;
  acknowledged: number;
  pending: number;
  worst: Priority | null;
  /** Actions that wait for a person's approval. */
  waiting: number;
  actions: number;
}

/** The living part of a configuration, as far as the page speaks of it. Durations in ms. */
export interface Living {
  signals: { heartbeat: { rest: number; per_volatility: number; least: number; greatest: number } };
  voices: {
    cooldown: number;
    synthesizer: string;
    voices: Record<
      string,
      {
        label: string;
        archetype: string;
        activate: { when: string; priority: string; cooldown: number }[];
        actions: string[];
      }
    >;
    opposing: { pair: [string, string] }[];
    modes: Record<string, { tone: string }>;
  };
  actions: {
    actions: Record<string, { when: string; for: number; duration: number }>;
    limit: number;
    per: number;
  };
  alerts: { chains: Record<Priority, { wait: number; steps: { role: string; after: number; channel: string }[] }> };
}

export type CommandBody = { tenant: string; subject: string; who: string; why: string } & (
  | { command: "acknowledge_alert" | "resolve_alert"; alert_id: string }
  | { command: "approve_action" | "refuse_action"; action_id: string }
);

/** Where an accepted command stands in the log. */
export interface Place {
  partition: number;
  offset: number;
}
