/** What is shown of the subject in focus at one moment, computed once a frame for all parts of the page. */

import { type Config, judgingOf } from "../contract";
import type { Focus } from "../live/focus";
import { SPAN, spanFor } from "./axis";
import type { Curve } from "./track";
import {
  coherence,
  deltaRhythm,
  heartbeat,
  type Means,
  type State,
  stateOf,
  VITALS,
  vitality,
  volatility,
} from "./vitals";

/** A published signal wins over the computed one for so long (ms of subject time). */
const SIGNAL_TTL = 300_000;
/** The signals that the page shows, or computes with, where the subject publishes them itself. */
export const SIGNALS = [
  "volatility",
  "heartbeat",
  "delta_rhythm",
  "drift",
  "interruptions",
  "coherence",
  "vitality",
] as const;
/** What the engine told of a signal is preferred for so long (ms); later the page's own figure, which moves on, is nearer. */
const FRESH = 15_000;

export interface View {
  /** Subject time (ms). */
  time: number;
  /** How much of the past the axis shows (s). */
  span: number;
  curves: Map<string, Curve>;
  means: Means;
  state: State | null;
  /** Since when (ms); `over`: at least since then. */
  stateSince: { ts: number; over: boolean } | null;
  beats: number | null;
  rhythm: number | null;
  coherence: number | null;
  vitality: number | null;
  /** Up to where the engine judged the subject if it does so no more (ms), see `judged.ts`; null: all is well. */
  unjudged: number | null;
}

/** Mean of the judged window of `metric` that ends with `second`. */
function meanAt(focus: Focus, config: Config, metric: string, second: number): number | null {
  return focus.tracks.get(metric)?.mean(second, windowOf(config, metric)) ?? null;
}

/** The judged window in whole seconds. */
export function windowOf(config: Config, metric: string): number {
  return Math.max(1, Math.round(judgingOf(config, metric).window / 1000));
}

function meansAt(read: (metric: string) => number | null): Means {
  return { clarity: read("clarity"), chaos: read("chaos"), trust: read("trust"), pain: read("pain") };
}

/**
 * @param now server time (ms), null while cut off
 * @param heard until when the server was heard of (ms): `now`, or the moment of the cut
 */
export function viewOf(focus: Focus, config: Config, now: number | null, heard: number): View {
  const time = focus.time(now);
  const second = Math.floor(time / 1000);
  const curves = new Map<string, Curve>();
  for (const [metric, track] of focus.tracks) {
    curves.set(metric, track.curve(second - SPAN, second, windowOf(config, metric)));
  }
  const published = (name: (typeof SIGNALS)[number]): number | null => {
    const track = focus.tracks.get(name);
    return track && track.newest > time - SIGNAL_TTL ? track.last : null;
  };
  const told = (name: string, within: number): number | null => {
    const sample = focus.life.signals;
    return sample && sample.ts > time - within ? (sample.values[name] ?? null) : null;
  };
  const means = meansAt((m) => meanAt(focus, config, m, second));
  const before = meansAt((m) => meanAt(focus, config, m, second - 60));
  const past: Means[] = [];
  if (VITALS.every((v) => curves.has(v))) {
    for (let i = 0; i <= SPAN; i++) past.push(meansAt((m) => curves.get(m)?.mean[i] ?? null));
  }
  const state = stateOf(means);
  const moved = published("volatility") ?? volatility(means, before);
  const computed = moved === null ? null : heartbeat(moved, config);
  const oldest = Math.min(...[...focus.tracks.values()].map((track) => track.oldest));
  return {
    time,
    span: Number.isFinite(oldest) ? spanFor(second - oldest) : SPAN,
    curves,
    means,
    state,
    stateSince: state && sinceOf(past, state, time, focus.pastPoints === "ready"),
    beats: published("heartbeat") ?? told("heartbeat", FRESH) ?? computed ?? told("heartbeat", SIGNAL_TTL),
    rhythm:
      published("delta_rhythm") ??
      (stateOf(means) ? deltaRhythm(past, published("drift") ?? 0, published("interruptions") ?? 0) : null),
    coherence: published("coherence") ?? coherence(means, config),
    vitality: published("vitality") ?? vitality(means, config),
    unjudged: focus.windows.unjudged(heard),
  };
}

function sinceOf(past: Means[], state: State, time: number, complete: boolean): { ts: number; over: boolean } | null {
  let i = past.length - 1;
  if (i < 0) return null;
  while (i > 0 && stateOf(past[i - 1] as Means) === state) i -= 1;
  return { ts: time - (past.length - 1 - i) * 1000, over: i === 0 || !complete };
}
