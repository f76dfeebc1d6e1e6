/** English. `**…**` marks what is set bold. Every other language has the same keys (the type sees to it). */

import { enLife } from "./en-life";

const plural = (n: number, one: string, many: string) => (n === 1 ? one : many);

export const en = {
  locale: "en",
  units: { ms: "ms", s: "s", min: "min", h: "h", d: "d" },

  title: "Pulse",
  skip: "To the vitals",
  language: "Language",
  themeTo: { light: "Switch to the light theme", dark: "Switch to the dark theme" },
  allSubjects: "All subjects",

  link: {
    live: (latency: string | null) => (latency ? `live · ${latency}` : "live"),
    connecting: "connecting…",
    lost: (since: string) => `no connection since ${since}, trying again`,
    never: "no connection yet, trying again",
    restored: "Connected again.",
    roundTrip: (half: string) => `one way to the server and back, halved: ${half}`,
    age: (age: string) => `a point's age when it arrives here (median): ${age}`,
  },
  parts: {
    kafka: "The broker cannot be reached: nothing new arrives until it is back.",
    clickhouse: "The store cannot be reached: the past is not shown until it is back.",
    worker: (subject: string, since: string) =>
      `Points of ${subject} arrive and nobody judges them: its levels are those of ${since}.`,
  },

  list: {
    label: "Subjects, those in need first",
    count: (n: string, raw: number) => `${n} ${plural(raw, "subject", "subjects")}`,
    inNeed: (n: string) => `${n} in need`,
    search: "Find a subject",
    none: (query: string) => `No subject matches “${query}”.`,
    namespace: "Namespace",
    choose: "Choose a subject.",
    noRule: "no rule judges it",
    partial: "There are more: those in need are listed first.",
    gone: (subject: string, namespace: string) => `No point of ${subject} has been seen in ${namespace}.`,
  },

  empty: {
    title: "No points yet. Publish the first:",
    after: "It appears here by itself.",
    copy: "Copy the command",
    copied: "Copied",
  },

  was: (level: string) => `was ${level}`,
  level: { OK: "OK", WARN: "WARN", BLOCK: "BLOCK", UNKNOWN: "UNKNOWN" },
  reason: {
    impossible: "impossible values",
    missing: "missing",
    late: "late",
    stuck: "stuck",
    sparse: "sparse",
    engine_error: "engine error",
  },
  side: { low: "low", high: "high" },
  statistic: {
    mean: (window: string, slide: string) => `mean of ${window}, every ${slide}`,
    fast: (fast: string, window: string, value: string) => `mean of ${fast} (that of ${window}: ${value})`,
  },

  state: {
    crisis: "crisis",
    "chaotic creation": "chaotic creation",
    crystallisation: "crystallisation",
    "harmonious flow": "harmonious flow",
    "creative tension": "creative tension",
    transitional: "transitional",
  },
  stateUnknown: "state unknown: not all four vitals are there",
  forAge: (age: string) => `for ${age}`,
  forOver: (age: string) => `for over ${age}`,
  ownClock: (when: string) => `its clock: ${when}`,

  figure: {
    beats: "beats a minute",
    rhythm: "∆-rhythm",
    coherence: "coherence",
    vitality: "vitality",
    beatsLabel: (n: string) => `${n} beats a minute`,
    unknown: "not known",
  },

  vitals: {
    label: "Vitals",
    more: "Further metrics",
    legend: ["line: 30 s mean", "grey: points"],
    now: "now",
    optimal: (lo: string, hi: string) => `optimal ${lo}–${hi}`,
    noPoints: "no points",
    lastSeen: (value: string, when: string) => `last ${value} at ${when}`,
    noRule: "no rule",
    unjudged: (since: string) => `not judged since ${since}`,
    loading: "fetching the past…",
    failed: "The past could not be fetched; new points are drawn as they come.",
    chart: (metric: string, lo: string, hi: string, now: string) =>
      `${metric}, last 12 minutes: the 30 s mean lay between ${lo} and ${hi}, now ${now}`,
    chartEmpty: (metric: string) => `${metric}: no points in the last 12 minutes`,
    mean: "mean",
    points: "points",
  },

  verdicts: {
    label: "Verdicts",
    none: "No verdict yet.",
    loading: "fetching…",
    failed: "The verdicts of the past could not be fetched.",
    announced: (subject: string, metric: string, level: string) => `${subject}: ${metric} is ${level}`,
    meanOf: (window: string) => `mean of ${window}`,
    more: "Show older ones",
  },

  why: {
    title: (metric: string, level: string) => `Why ${metric} is ${level}`,
    titleThen: (metric: string, level: string) => `Why ${metric} was ${level}`,
    rule: "rule",
    ruleOf: (metric: string, side: string, priority: string) => `${metric} ${side}, ${priority}`,
    ruleUnknown: (metric: string) => `${metric}, quality of the data`,
    ruleAll: (metric: string) => `${metric}, all bounds`,
    statistic: "statistic",
    points: "points behind it",
    pointsOf: (n: string, late: number, lateText: string) => (late ? `${n}, ${lateText} late` : `${n}, none late`),
    since: "since",
    before: "before it",
    beforeOf: (level: string, age: string) => `${level} for ${age}`,
    log: "log",
    config: "config",
    id: "verdict",
    copyId: "Copy the verdict's id",
    evidenceMissing: "The evidence could not be fetched.",
    recompute: "Recompute from the log",
    recomputing: "recomputing…",
    recomputed: "recomputed from the log",
    matches: "matches",
    differs: "differs",
    recomputeAt: "Not offered by this gateway. In a terminal:",
    copyCommand: "Copy the command",
    recomputeFailed: "The log could not be recomputed just now.",
    fell: (w: string, value: string, bound: string, dwell: string | null) =>
      `The ${w} mean fell to **${value}**, under the bound **${bound}**${dwell ? `, and stayed there for ${dwell}` : ""}.`,
    rose: (w: string, value: string, bound: string, dwell: string | null) =>
      `The ${w} mean rose to **${value}**, over the bound **${bound}**${dwell ? `, and stayed there for ${dwell}` : ""}.`,
    atOnce: "At this bound nothing is waited for.",
    backUp: (w: string, value: string, edge: string, bound: string, dwell: string) =>
      `The ${w} mean came back to **${value}**: for ${dwell} it was at least **${edge}** (the bound ${bound} and its margin).`,
    backDown: (w: string, value: string, edge: string, bound: string, dwell: string) =>
      `The ${w} mean came back to **${value}**: for ${dwell} it was at most **${edge}** (the bound ${bound} less its margin).`,
    stillUnder: (bound: string) => `It has not left the next bound, **${bound}**, on the low side.`,
    stillOver: (bound: string) => `It has not left the next bound, **${bound}**, on the high side.`,
    againOk: (n: number, count: string, value: string) =>
      `There are enough points to judge: the mean of ${count} ${plural(n, "point", "points")} is **${value}**, and no bound was crossed.`,
    againFrozen: (w: string, value: string, bound: string) =>
      `There are enough points again. The level from before stands, since the bound **${bound}** has not been left yet; the ${w} mean is **${value}**.`,
    missing: (age: string) => `No point for **${age}**: what the metric does now, nobody can tell.`,
    sparse: (n: number, count: string, w: string, least: string) =>
      `Only **${count}** ${plural(n, "point", "points")} in the last ${w}; at least ${least} are needed.`,
    late: (late: string, count: string) =>
      `More than half of the points came too late to count: **${late}** late, ${count} on time.`,
    stuck: (value: string, age: string) =>
      `The same value, **${value}**, for ${age} on end: whatever measures it seems stuck.`,
    impossible: "More than a tenth of the points were **refused** as impossible.",
    engine_error:
      "The engine failed on a record of this subject. It is left alone until the cause is mended; the others go on.",
    frozen: "The level from before is kept and counts again once there are points.",
    nextOver: (level: string, bound: string, dwell: string | null) =>
      dwell
        ? `${level} follows when the mean is over ${bound} for ${dwell}.`
        : `${level} follows over ${bound}, at once.`,
    nextUnder: (level: string, bound: string, dwell: string | null) =>
      dwell
        ? `${level} follows when the mean is under ${bound} for ${dwell}.`
        : `${level} follows under ${bound}, at once.`,
    nextEither: (level: string, low: string, high: string, dwell: string) =>
      `${level} follows when the mean is under ${low} or over ${high} for ${dwell}.`,
    leaveUp: (edge: string, dwell: string) => `It ends when the mean is at least ${edge} for ${dwell}.`,
    leaveDown: (edge: string, dwell: string) => `It ends when the mean is at most ${edge} for ${dwell}.`,
  },

  life: enLife,

  of: (metric: string) => metric,
  error: (message: string) => `The server says: ${message}`,
};

type Widen<T> = T extends string
  ? string
  : T extends (...args: infer A) => string
    ? (...args: A) => string
    : T extends readonly string[]
      ? string[]
      : { [K in keyof T]: Widen<T[K]> };

export type Texts = Widen<typeof en>;
