/** Figures of the whole subject, out of the 30 s means of its four vitals; null where the data cannot tell. */

import type { Config } from "../contract";

export const VITALS = ["clarity", "chaos", "trust", "pain"] as const;
export type Vital = (typeof VITALS)[number];
export type Means = Record<Vital, number | null>;

export type State =
  | "crisis"
  | "chaotic creation"
  | "crystallisation"
  | "harmonious flow"
  | "creative tension"
  | "transitional";

type Known = Record<Vital, number>;

function known(means: Means): Known | null {
  return VITALS.every((v) => means[v] !== null) ? (means as Known) : null;
}

const clamp = (value: number, lo: number, hi: number) => Math.min(hi, Math.max(lo, value));

/** The named state; the first that fits. */
export function stateOf(means: Means): State | null {
  const m = known(means);
  if (!m) return null;
  if (m.pain > 0.6 && m.trust < 0.5) return "crisis";
  if (m.chaos > 0.7 && m.clarity < 0.6) return "chaotic creation";
  if (m.chaos < 0.2 && m.clarity > 0.8) return "crystallisation";
  if (m.trust > 0.8 && m.pain < 0.3) return "harmonious flow";
  if (m.chaos > 0.4 && m.chaos < 0.6 && m.clarity > 0.7) return "creative tension";
  return "transitional";
}

/** √ of the mean, over the four vitals, of (30 s mean now − 30 s mean 60 s ago)². */
export function volatility(now: Means, before: Means): number | null {
  const a = known(now);
  const b = known(before);
  if (!a || !b) return null;
  return Math.sqrt(VITALS.reduce((sum, v) => sum + (a[v] - b[v]) ** 2, 0) / VITALS.length);
}

const HEART = { rest: 60, per_volatility: 60, least: 40, greatest: 180 };

/** Beats a minute, as the configuration has it. */
export function heartbeat(volatilityNow: number, config?: Config): number {
  const heart = config?.living?.signals.heartbeat ?? HEART;
  return clamp(heart.rest + heart.per_volatility * volatilityNow, heart.least, heart.greatest);
}

function halfRange(config: Config, vital: Vital): number | null {
  const range = config.metrics[vital]?.range;
  return range ? (range[1] - range[0]) / 2 : null;
}

/** 1 − mean distance of the four means from their targets, each ÷ half the range and cut at 1. */
export function coherence(means: Means, config: Config): number | null {
  const m = known(means);
  if (!m) return null;
  let sum = 0;
  for (const v of VITALS) {
    const half = halfRange(config, v);
    const target = config.metrics[v]?.target;
    if (half === null || target === null || target === undefined) return null;
    sum += Math.min(1, Math.abs(m[v] - target) / half);
  }
  return 1 - sum / VITALS.length;
}

/** Mean over the four of 1 − distance from the optimal band, each ÷ half the range and cut at 1. */
export function vitality(means: Means, config: Config): number | null {
  const m = known(means);
  if (!m) return null;
  let sum = 0;
  for (const v of VITALS) {
    const half = halfRange(config, v);
    const optimal = config.metrics[v]?.optimal;
    if (half === null || !optimal) return null;
    const away = Math.max(0, optimal[0] - m[v], m[v] - optimal[1]);
    sum += Math.min(1, away / half);
  }
  return 1 - sum / VITALS.length;
}

/**
 * ∆-rhythm, 0–100, carried on second by second over `history` (oldest first). Drift and interruptions count as 0
 * unless published (`drift`, `interruptions`: the latest values).
 */
export function deltaRhythm(history: Means[], drift: number, interruptions: number): number | null {
  let shown: number | null = null;
  let chaosEma = 0;
  let driftEma = drift;
  for (const means of history) {
    const m = known(means);
    if (!m) continue;
    if (shown === null) chaosEma = m.chaos;
    const penalty = clamp(
      0.5 * Math.max(0, m.chaos - chaosEma) + 0.3 * Math.max(0, drift - driftEma) + 0.1 * interruptions,
      0,
      0.4,
    );
    const raw =
      0.35 * m.trust + 0.25 * m.clarity + 0.15 * (1 - m.pain) + 0.12 * (1 - drift) + 0.13 * (1 - m.chaos) - penalty;
    shown = shown === null ? raw : 0.65 * shown + 0.35 * raw;
    chaosEma += 0.3 * (m.chaos - chaosEma);
    driftEma += 0.3 * (drift - driftEma);
  }
  return shown === null ? null : clamp(100 * shown, 0, 100);
}
