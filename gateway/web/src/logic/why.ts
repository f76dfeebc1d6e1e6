/** Why a verdict is what it is: one plain sentence out of its evidence, and what would have to happen next. */

import { type Config, type Judging, judgingOf, type Priority, type Rung, type Side, type Status } from "../contract";
import type { Texts } from "../i18n/en";
import type { Format } from "../i18n/format";
import { levelOf, rungsOf } from "./bands";
import { rank } from "./need";

interface Speaker {
  t: Texts;
  f: Format;
}

/** `BLOCK P1`, `OK` … */
export function levelText(t: Texts, level: Status["level"], priority: Priority | null): string {
  return priority ? `${t.level[level]} ${priority}` : t.level[level];
}

/** Where the rung ends: inside its bound by the margin. Rounded, so that 0.85 − 0.02 reads 0.83. */
function edgeOf(side: Side, bound: number, margin: number): number {
  const edge = side === "low" ? bound + margin : bound - margin;
  return Math.round(edge * 1e9) / 1e9;
}

function beyond(side: Side, value: number | null, bound: number): boolean {
  return value !== null && (side === "low" ? value < bound : value > bound);
}

/** The rung that stood highest before the judging, on the priority that the status before had. */
function leftRung(status: Status): Rung | null {
  const priority = status.previous?.priority ?? null;
  if (priority === null) return null;
  return status.evidence?.rungs.find((r) => r.entered && r.priority === priority) ?? null;
}

function unknown(status: Status, judging: Judging, { t, f }: Speaker): string {
  const count = status.evidence?.count ?? 0;
  const late = status.evidence?.late ?? 0;
  switch (status.reason) {
    case "missing":
      return t.why.missing(f.duration(judging.missing_after));
    case "sparse":
      return t.why.sparse(count, f.count(count), f.duration(status.window_ms), f.count(judging.min_points));
    case "late":
      return t.why.late(f.count(late), f.count(count));
    case "stuck":
      return t.why.stuck(f.value(status.value), f.duration(judging.stuck_after));
    case "engine_error":
      return t.why.engine_error;
    default:
      return t.why.impossible;
  }
}

/** The mean that decided. A crisis rung looks at the fast one, too: where that alone is beyond, the slow one tells nothing. */
export function decisive(status: Status, judging: Judging): { window: number; value: number | null; fast: boolean } {
  const { side, bound, value, fast_value } = status;
  const fast =
    status.priority === "P0" &&
    side !== null &&
    bound !== null &&
    !beyond(side, value, bound) &&
    beyond(side, fast_value, bound);
  return fast ? { window: judging.fast_window, value: fast_value, fast } : { window: status.window_ms, value, fast };
}

function crossed(status: Status, side: Side, bound: number, judging: Judging, { t, f }: Speaker): string {
  const say = side === "low" ? t.why.fell : t.why.rose;
  const { window, value, fast } = decisive(status, judging);
  const wait = status.priority && !fast ? judging.for[status.priority] : 0;
  return say(f.duration(window), f.value(value), f.bound(bound), wait ? f.duration(wait) : null);
}

function eased(status: Status, rung: Rung, judging: Judging, { t, f }: Speaker): string {
  const edge = edgeOf(rung.side, rung.bound, judging.hysteresis);
  const back = rung.side === "low" ? t.why.backUp : t.why.backDown;
  const sentence = back(
    f.duration(status.window_ms),
    f.value(status.value),
    f.bound(edge),
    f.bound(rung.bound),
    f.duration(judging.clear_for),
  );
  if (status.bound === null || !status.side) return sentence;
  const still = status.side === "low" ? t.why.stillUnder : t.why.stillOver;
  return `${sentence} ${still(f.bound(status.bound))}`;
}

/** Why; `**…**` marks the figures. */
export function why(status: Status, config: Config, speaker: Speaker): string {
  const { t, f } = speaker;
  const judging = judgingOf(config, status.metric);
  if (status.level === "UNKNOWN") return unknown(status, judging, speaker);
  const count = status.evidence?.count ?? 0;
  if (!status.previous || status.previous.level === "UNKNOWN") {
    const { bound, side } = status;
    if (bound === null || !side) return t.why.againOk(count, f.count(count), f.value(status.value));
    const stood = status.evidence?.rungs.some((r) => r.entered && r.side === side && r.priority === status.priority);
    return stood
      ? t.why.againFrozen(f.duration(status.window_ms), f.value(status.value), f.bound(bound))
      : crossed(status, side, bound, judging, speaker);
  }
  const worse = rank(status.level, status.priority) < rank(status.previous.level, status.previous.priority);
  const rung = leftRung(status);
  if (!worse && rung) return eased(status, rung, judging, speaker);
  if (status.bound === null || !status.side) return t.why.againOk(count, f.count(count), f.value(status.value));
  const sentence = crossed(status, status.side, status.bound, judging, speaker);
  return status.priority === "P0" ? `${sentence} ${t.why.atOnce}` : sentence;
}

/** What has not happened, and what it would take: the next rung outward, and the end of this one. */
export function next(status: Status, config: Config, { t, f }: Speaker): string[] {
  const metric = config.metrics[status.metric];
  if (!metric) return [];
  if (status.level === "UNKNOWN") return status.evidence?.rungs.some((r) => r.entered) ? [t.why.frozen] : [];
  const judging = judgingOf(config, status.metric);
  const said: string[] = [];
  if (status.bound !== null && status.side) {
    const edge = f.bound(edgeOf(status.side, status.bound, judging.hysteresis));
    const leave = status.side === "low" ? t.why.leaveUp : t.why.leaveDown;
    said.push(leave(edge, f.duration(judging.clear_for)));
  }
  const outward = (["low", "high"] as const).flatMap((side) => {
    if (status.side && status.side !== side) return [];
    const rungs = rungsOf(metric[side]);
    const here = status.side ? rungs.findIndex((r) => r.priority === status.priority) : -1;
    const rung = status.side && here < 0 ? undefined : rungs[here + 1];
    return rung
      ? [{ side, bound: f.bound(rung.bound), priority: rung.priority, wait: judging.for[rung.priority] }]
      : [];
  });
  const [one, other] = outward;
  const name = (priority: Priority) => levelText(t, levelOf(priority), priority);
  if (one && other && one.priority === other.priority && one.wait) {
    said.push(t.why.nextEither(name(one.priority), one.bound, other.bound, f.duration(one.wait)));
    return said;
  }
  for (const { side, bound, priority, wait } of outward) {
    const follow = side === "low" ? t.why.nextUnder : t.why.nextOver;
    said.push(follow(name(priority), bound, wait ? f.duration(wait) : null));
  }
  return said;
}
