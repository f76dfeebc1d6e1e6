/** The bands behind a metric's line: optimal, inside, WARN, BLOCK on both sides, and how much of the scale is shown. */

import type { Bounds, Level, MetricConfig, Priority, Side } from "../contract";

export interface Band {
  kind: "optimal" | "warn" | "block" | "crisis";
  from: number;
  to: number;
}

export interface Scale {
  lo: number;
  hi: number;
}

const OUTWARD: Priority[] = ["P2", "P1", "P0"];

/** Bounds of one side from the inside outward, those that exist. */
export function rungsOf(bounds: Bounds | undefined): { priority: Priority; bound: number }[] {
  return OUTWARD.flatMap((priority) => {
    const bound = bounds?.[priority];
    return bound === null || bound === undefined ? [] : [{ priority, bound }];
  });
}

export function levelOf(priority: Priority): Level {
  return priority === "P2" ? "WARN" : "BLOCK";
}

/** All bounds of a metric, ascending. */
export function boundsOf(metric: MetricConfig): number[] {
  const all = [...rungsOf(metric.low), ...rungsOf(metric.high)].map((rung) => rung.bound);
  return [...new Set(all)].sort((a, b) => a - b);
}

const KIND: Record<Priority, Band["kind"]> = { P2: "warn", P1: "block", P0: "crisis" };

function side(bounds: Bounds | undefined, which: Side): Band[] {
  const rungs = rungsOf(bounds);
  return rungs.map(({ priority, bound }, index) => {
    const outer = rungs[index + 1]?.bound ?? (which === "low" ? -Infinity : Infinity);
    return which === "low"
      ? { kind: KIND[priority], from: outer, to: bound }
      : { kind: KIND[priority], from: bound, to: outer };
  });
}

export function bandsOf(metric: MetricConfig): Band[] {
  const optimal: Band[] = metric.optimal ? [{ kind: "optimal", from: metric.optimal[0], to: metric.optimal[1] }] : [];
  return [...side(metric.low, "low"), ...side(metric.high, "high"), ...optimal];
}

/**
 * The part of the scale that is shown: all bounds with a margin, widened in steps of a tenth of it where the data lie
 * outside, so that the picture stands still while the line moves; never past the metric's legal values.
 */
export function scaleOf(metric: MetricConfig | undefined, lo: number, hi: number): Scale {
  const bounds = metric ? [...boundsOf(metric), ...(metric.range ?? []), ...(metric.optimal ?? [])] : [];
  if (!bounds.length) {
    if (!(lo <= hi)) return { lo: 0, hi: 1 };
    const step = 10 ** Math.floor(Math.log10(Math.max(hi - lo, Math.abs(hi) / 20, 1e-9)));
    return { lo: Math.floor(lo / step - 0.5) * step, hi: Math.ceil(hi / step + 0.5) * step };
  }
  const [least, most] = metric?.values ?? [-Infinity, Infinity];
  const inner = { lo: Math.min(...bounds), hi: Math.max(...bounds) };
  const margin = (inner.hi - inner.lo) / 10;
  const scale = { lo: inner.lo - margin, hi: inner.hi + margin };
  while (lo < scale.lo && scale.lo > least) scale.lo -= margin;
  while (hi > scale.hi && scale.hi < most) scale.hi += margin;
  return { lo: Math.max(scale.lo, least), hi: Math.min(scale.hi, most) };
}

/** Labels that would touch are left out, the outermost ones last: `at` in pixels, `gap` the least distance. */
export function spread<T extends { at: number; weight: number }>(labels: T[], gap: number): T[] {
  const kept: T[] = [];
  for (const label of [...labels].sort((a, b) => b.weight - a.weight)) {
    if (kept.every((other) => Math.abs(other.at - label.at) >= gap)) kept.push(label);
  }
  return kept;
}
